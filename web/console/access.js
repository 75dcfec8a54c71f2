// Who calls: identities, tokens, API clients; and what anyone did.

import { list, post, remove, quoted } from './api.js';
import { isOrgAdmin, me } from './session.js';
import {
  ask, button, empty, field, h, icon, later, moment, pager, table, tell,
  valuesOf,
} from './ui.js';

const PAGE = 50;
const again = () => dispatchEvent(new HashChangeEvent('hashchange'));

export async function identities(ids, query, signal) {
  const search = query.search ?? '';
  const offset = Number(query.offset) || 0;
  const { rows, total } = await list('/public-identities', {
    limit: PAGE, offset, count: true, sorters: 'name',
    filters: search && ['alias', 'email', 'firstname', 'lastname']
      .map((name) => `${name} sw ${quoted(search)}`).join(' or '),
  }, signal);
  const to = (changes) => {
    location.hash = `#/identities?${new URLSearchParams(
      { search, ...changes })}`;
  };
  return {
    title: 'Identities',
    lead: 'Employees who call: account managers, approvers, administrators',
    content: [
      h('form', { class: 'filters', role: 'search', onsubmit: (event) => {
        event.preventDefault();
        to({ search: valuesOf(event.target).search });
      } },
      h('div', { class: 'wide' }, field({ name: 'search', type: 'search',
        label: 'Search', value: search, required: true,
        placeholder: 'Name, alias, e-mail' })),
      h('button', { class: 'main' }, icon('search'), 'Search')),
      h('section', { class: 'card stacked' }, rows.length === 0
        ? empty('Nobody found')
        : [table('Identities', [
          { label: 'Name', cell: ({ name }) => h('strong', null, name) },
          { label: 'Alias', cell: ({ alias }) => alias },
          { label: 'E-mail', cell: ({ email }) => email ?? '' },
          { label: 'Manager', cell: ({ manager }) => manager?.name ?? '' },
          { label: 'State', cell: ({ status }) => status ?? '' },
        ], rows),
        pager({ offset, limit: PAGE, shown: rows.length, total,
          go: (at) => to({ offset: at }) }) ?? '']),
      h('p', { class: 'note below' }, 'Identities and passwords are made with ',
        h('code', null, 'nelm identity'), ' on the server.'),
    ],
  };
}

// A secret is shown once: the dialog stays until it is closed.
const showSecret = (made) => ask({
  title: 'Your new token', label: 'I have kept it', cancel: null,
  body: [
    h('p', null, 'The secret is shown only now.'),
    h('dl', { class: 'facts' },
      h('dt', null, 'Client id'), h('dd', null, h('code', null, made.id)),
      h('dt', null, 'Secret'), h('dd', null, h('code', null, made.secret))),
  ],
  act: () => true,
});

async function makeToken() {
  const made = await ask({
    title: 'New token', label: 'Create',
    body: [
      field({ name: 'name', label: 'What it is for', required: true,
        maxlength: 256 }),
      field({ name: 'scope', label: 'May', type: 'select', required: true,
        value: 'idn:nelm:read', options: [
          ['idn:nelm:read', 'see people, requests and approvals'],
          ['idn:nelm:read idn:nelm:manage', 'see and change them'],
          ['sp:scopes:all', 'everything that I may'],
        ] }),
    ],
    act: (form) => {
      const { name, scope } = valuesOf(form);
      return post('/personal-access-tokens',
        { name, scope: scope.split(' ') });
    },
  });
  if (made) {
    await showSecret(made);
    again();
  }
}

const drop = (path, name, text) => async () => {
  const done = await ask({
    title: `Delete ${name}?`, label: 'Delete', danger: true,
    body: h('p', null, text),
    act: async () => {
      await remove(path);
      tell(`${name} was deleted.`);
      return true;
    },
  });
  if (done)
    again();
};

const ENDS = 'What uses it stops working at once.';

const tokenTable = (rows, withOwner) => table('Tokens', [
  { label: 'Name', cell: ({ name }) => h('strong', null, name) },
  ...(withOwner ? [{ label: 'Owner', cell: ({ owner }) => owner?.name ?? '' }]
    : []),
  { label: 'May', cell: ({ scope }) => (scope ?? ['sp:scopes:all'])
    .join(', ') },
  { label: 'Created', cell: ({ created }) => moment(created) },
  { label: 'Last used', cell: ({ lastUsed }) =>
    (lastUsed ? moment(lastUsed) : 'never') },
  { label: '', cell: ({ id, name }) => button('Delete',
    drop(`/personal-access-tokens/${id}`, name, ENDS),
    { 'aria-label': `Delete ${name}` }) },
], rows);

export async function tokens(ids, query, signal) {
  const { rows } = await list('/personal-access-tokens',
    { limit: 250, 'owner-id': 'me' }, signal);
  return {
    title: 'Tokens',
    lead: 'For scripts and programs that call the API',
    actions: button([icon('plus'), 'New token'], makeToken,
      { class: 'main' }),
    content: h('div', { class: 'stack' },
      h('section', { class: 'card stacked' }, h('h2', null, 'Mine'),
        rows.length ? tokenTable(rows)
          : empty('No tokens', 'A token lets a script act as you.')),
      isOrgAdmin() && [
        h('section', { class: 'card stacked' }, h('h2', null, 'Everybody\'s'),
          later(async () => {
            const all = await list('/personal-access-tokens', { limit: 250 });
            const others = all.rows.filter(({ owner }) =>
              owner?.id.replaceAll('-', '') !== me().id.replaceAll('-', ''));
            return others.length ? tokenTable(others, true)
              : empty('Nobody else has a token');
          })),
        h('section', { class: 'card stacked' }, h('h2', null, 'API clients'),
          later(async () => {
            const all = await list('/oauth-clients', { limit: 250 });
            return table('API clients', [
              { label: 'Name', cell: ({ name }) => h('strong', null, name) },
              { label: 'Kind', cell: ({ type }) => type },
              { label: 'May', cell: ({ scope }) => (scope ?? []).join(', ') },
              { label: 'State', cell: ({ enabled }) =>
                (enabled ? 'enabled' : 'disabled') },
              { label: 'Last used', cell: ({ lastUsed }) =>
                (lastUsed ? moment(lastUsed) : 'never') },
              { label: '', cell: ({ id, name }) => button('Delete',
                drop(`/oauth-clients/${id}`, name, ENDS),
                { 'aria-label': `Delete ${name}` }) },
            ], all.rows);
          })),
      ]),
  };
}

const words = (event) => event.toLowerCase().replaceAll('_', ' ')
  .replace(/^./, (c) => c.toUpperCase());

export async function audit(ids, query, signal) {
  const offset = Number(query.offset) || 0;
  const { rows } = await list('/audit-events',
    { limit: PAGE, offset, sorters: '-created' }, signal);
  const actors = [...new Set(rows.map(({ actor }) => actor).filter(Boolean))];
  const names = new Map();
  if (actors.length)
    for (const { id, name } of (await list('/public-identities', {
      limit: 250,
      filters: `id in (${actors.map(quoted).join(',')})`,
    }, signal)).rows)
      names.set(id, name);
  return {
    title: 'Audit',
    lead: 'Everything that anyone did, newest first',
    content: h('section', { class: 'card stacked' }, rows.length === 0
      ? empty('Nothing yet')
      : [table('Events', [
        { label: 'When', cell: ({ created }) => moment(created) },
        { label: 'What', cell: ({ event }) => h('span', { title: event },
          words(event)) },
        { label: 'Who', cell: ({ actor }) => (actor
          ? names.get(actor) ?? 'a program' : 'command line') },
        { label: 'Detail', cell: ({ detail }) => detail },
        { label: 'Request id', cell: ({ requestId }) =>
          (requestId ? h('code', null, requestId) : '') },
      ], rows),
      pager({ offset, limit: PAGE, shown: rows.length, total: null,
        go: (at) => { location.hash = `#/audit?offset=${at}`; } }) ?? '']),
  };
}
