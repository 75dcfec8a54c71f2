// The frame around the screens: who is signed in, where one can go, and which
// screen the part of the address behind '#' names.

import * as session from './session.js';
import { ask, button, h, link, loading, problem } from './ui.js';
import * as access from './access.js';
import * as home from './home.js';
import * as people from './people.js';
import * as requests from './requests.js';
import * as sources from './sources.js';
import * as transfer from './transfer.js';

// Path pattern, screen; `{}` stands for an id.
const SCREENS = [
  ['/', home.screen],
  ['/people', people.screen],
  ['/people/{}', people.detail],
  ['/requests', requests.screen],
  ['/requests/new', requests.create],
  ['/requests/{}', requests.detail],
  ['/approvals/{}', requests.approval],
  ['/sources', sources.screen],
  ['/sources/new', sources.create],
  ['/sources/{}', sources.detail],
  ['/sources/{}/upload', transfer.uploadScreen],
  ['/sources/{}/export', transfer.exportScreen],
  ['/identities', access.identities],
  ['/tokens', access.tokens],
  ['/audit', access.audit],
];

// What stands in the navigation, and for whom.
const PLACES = [
  ['/', 'Home', () => true],
  ['/people', 'People', () => true],
  ['/requests', 'Requests', () => true],
  ['/sources', 'Sources', session.isAdmin],
  ['/identities', 'Identities', session.isAdmin],
  ['/tokens', 'Tokens', () => true],
  ['/audit', 'Audit', session.isOrgAdmin],
];

const app = document.getElementById('app');
const main = h('main', { id: 'main', tabindex: -1 });
const tabs = h('nav', { class: 'tabs', 'aria-label': 'Main' });
let leaving = new AbortController();

// Where we are: { path, query }.
export function place() {
  const [path, query] = (location.hash.slice(1) || '/').split('?');
  return { path, query: Object.fromEntries(new URLSearchParams(query)) };
}

function find(path) {
  for (const [pattern, screen] of SCREENS) {
    const match = new RegExp(`^${pattern.replaceAll('{}', '([^/]+)')}$`)
      .exec(path);
    if (match)
      return { screen, ids: match.slice(1).map(decodeURIComponent) };
  }
  return { screen: nowhere, ids: [] };
}

const nowhere = () => ({
  title: 'Nothing is here',
  content: h('p', null, 'The address leads nowhere. ', link('#/', 'Home')),
});

function showTabs(path) {
  const mine = PLACES.filter(([, , may]) => may());
  const current = mine.map(([at]) => at)
    .filter((at) => (at === '/' ? path === '/' : path.startsWith(at)))[0];
  tabs.replaceChildren(...mine.map(([at, label]) => h('a', {
    href: `#${at}`, 'aria-current': at === current && 'page',
  }, label)));
  tabs.querySelector('[aria-current]')
    ?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
}

// A screen is a function of (ids, query, signal) that gives { title, lead?,
// crumb?, actions?, content }. The title takes the focus, so that a screen
// reader says where one has come to.
async function show({ focus = true } = {}) {
  leaving.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  const { path, query } = place();
  const { screen, ids } = find(path);
  showTabs(path);
  const slow = setTimeout(() => main.replaceChildren(loading()), 150);
  let made;
  try {
    made = await screen(ids, query, signal);
  } catch (error) {
    if (signal.aborted)
      return;
    made = {
      title: 'This could not be shown',
      content: problem(error, () => show()),
    };
  } finally {
    clearTimeout(slow);
  }
  if (signal.aborted)
    return;
  const title = h('h1', { tabindex: -1 }, made.title);
  document.title = `${made.title} - ${session.me().org}`;
  main.replaceChildren(
    h('div', { class: 'head' },
      h('div', null,
        made.crumb ? h('p', { class: 'crumb' }, made.crumb) : '',
        title, made.lead ? h('p', null, made.lead) : ''),
      made.actions ? h('div', { class: 'row' }, made.actions) : ''),
    ...[made.content].flat());
  if (focus) {
    scrollTo(0, 0);
    title.focus({ preventScroll: true });
  }
}

function frame() {
  const { alias, org } = session.me();
  app.replaceChildren(
    h('a', {
      class: 'skip hidden', href: '#main', onclick: (event) => {
        event.preventDefault();
        main.focus();
      },
    }, 'Skip to content'),
    h('header', { class: 'top' }, h('div', { class: 'top-in' },
      h('a', { class: 'brand', href: '#/' },
        h('img', { src: new URL('icon.svg', import.meta.url).href, alt: '' }),
        org),
      tabs,
      h('div', { class: 'who' }, h('span', null, alias),
        button('Sign out', session.signOut, { class: 'linkish' })))),
    main);
}

function outside(title, ...content) {
  document.title = title;
  app.replaceChildren(h('main', { class: 'boot' }, h('h1', null, title),
    ...content));
}

const again = (label) => h('p', null,
  button(label, () => session.signIn('#/'), { class: 'main' }));

let over = false;
document.addEventListener('session-over', () => {
  if (over)
    return;
  over = true;
  ask({
    title: 'Your session is over', label: 'Sign in again', cancel: null,
    body: h('p', null, 'You come back to this page. What you typed and did ' +
      'not send is lost.'),
    act: () => session.signIn(),
  });
});

try {
  if (await session.begin()) {
    frame();
    addEventListener('hashchange', () => show());
    await show({ focus: false });
  } else {
    outside('You are signed out', again('Sign in'));
  }
} catch (error) {
  outside('You could not be signed in', problem(error), h('p', null,
    error.message), again('Try again'));
}
