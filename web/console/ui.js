// What the screens are made of: elements, texts, states, dialogs, forms.

import { ApiError } from './api.js';

// --- elements --------------------------------------------------------------

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false)
      continue;
    if (name.startsWith('on'))
      element.addEventListener(name.slice(2), value);
    else
      element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.flat(Infinity)
    .filter((child) => child !== null && child !== undefined &&
      child !== false));
  return element;
}

export const h = (name, attributes, ...children) =>
  fill(document.createElement(name), attributes, children);

export const svg = (name, attributes, ...children) =>
  fill(document.createElementNS('http://www.w3.org/2000/svg', name),
    attributes, children);

let lastId = 0;
export const newId = (what) => `${what}-${++lastId}`;

const ICONS = {
  check: 'M4 10.5l4 4 8-9',
  cross: 'M5 5l10 10M15 5L5 15',
  up: 'M10 16V4M5 9l5-5 5 5',
  down: 'M10 4v12M5 11l5 5 5-5',
  search: 'M9 3.5a5.5 5.5 0 100 11 5.5 5.5 0 000-11zM13 13l4 4',
  plus: 'M10 4v12M4 10h12',
  clock: 'M10 2.5a7.5 7.5 0 100 15 7.5 7.5 0 000-15zM10 6v4l3 2',
  alert: 'M10 3l8 14H2zM10 8v4M10 14.4v.2',
  person: 'M10 3a3.5 3.5 0 100 7 3.5 3.5 0 000-7zM3 17.5c.8-3.6 3.5-5 7-5s6.2 ' +
    '1.4 7 5',
  next: 'M7 4l6 6-6 6',
  file: 'M5 2.5h6l4 4v11H5zM11 2.5v4h4',
};

export const icon = (name) => svg('svg', {
  viewBox: '0 0 20 20', class: 'icon', 'aria-hidden': 'true', fill: 'none',
  stroke: 'currentColor', 'stroke-width': 1.8, 'stroke-linecap': 'round',
  'stroke-linejoin': 'round',
}, svg('path', { d: ICONS[name] }));

export const link = (href, ...children) => h('a', { href }, ...children);

export const button = (label, onclick, more = {}) =>
  h('button', { type: 'button', onclick, ...more }, label);

// --- texts -----------------------------------------------------------------

const number = new Intl.NumberFormat();
export const count = (n) => number.format(n);
export const counted = (n, one, many = `${one}s`) =>
  `${count(n)} ${n === 1 ? one : many}`;

export function bytes(n) {
  const units = ['byte', 'kilobyte', 'megabyte', 'gigabyte'];
  const step = n < 1000 ? 0 : Math.min(3, Math.floor(Math.log10(n) / 3));
  return new Intl.NumberFormat(undefined, {
    style: 'unit', unit: units[step], unitDisplay: step ? 'short' : 'long',
    maximumSignificantDigits: 3,
  }).format(n / 1000 ** step);
}

const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' });
const MINUTE = new Intl.DateTimeFormat(undefined,
  { dateStyle: 'medium', timeStyle: 'short' });

// The reader's way of writing it, with the exact value behind it. A record's
// day is the one that was meant where it was written, so its own offset counts.
export function day(text) {
  if (!text)
    return '';
  const [year, month, date] = text.slice(0, 10).split('-').map(Number);
  return h('time', { datetime: text, title: text },
    DAY.format(new Date(year, month - 1, date)));
}

export const moment = (text) => (text
  ? h('time', { datetime: text, title: text }, MINUTE.format(new Date(text)))
  : '');

const RELATIVE = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto' });
export const DAY_MS = 86_400_000;

export function fromNow(text) {
  const days = Math.round((new Date(text) - Date.now()) / DAY_MS);
  const far = Math.abs(days);
  return RELATIVE.format(...(far < 45 ? [days, 'day']
    : far < 540 ? [Math.round(days / 30.4), 'month']
      : [Math.round(days / 365), 'year']));
}

export const SOON_DAYS = 30;

export function stateOf(record, now = Date.now()) {
  const start = Date.parse(record.startDate);
  const end = Date.parse(record.endDate);
  if (end < now)
    return 'ended';
  if (start > now)
    return 'future';
  return end < now + SOON_DAYS * DAY_MS ? 'ending' : 'active';
}

export const STATES = {
  active: 'Active', ending: 'Ending soon', future: 'Not started',
  ended: 'Ended',
};

const REQUEST_STATES = {
  PENDING: ['Waiting', 'wait'], APPROVED: ['Approved', 'good'],
  REJECTED: ['Rejected', 'bad'], CANCELLED: ['Cancelled', 'off'],
  NOT_READY: ['Not yet asked', 'off'], COMPLETED: ['Done', 'good'],
  IN_PROGRESS: ['Running', 'wait'], ERROR: ['Failed', 'bad'],
};

const tag = (text, kind) => h('span', { class: `tag ${kind}` }, text);

export function statusTag(status) {
  const [text, kind] = REQUEST_STATES[status] ?? [status, 'off'];
  return tag(text, kind);
}

const STATE_KINDS = { active: 'good', ending: 'warn', future: 'wait',
  ended: 'off' };
export const stateTag = (record) => {
  const state = stateOf(record);
  return tag(STATES[state], STATE_KINDS[state]);
};

export const fullName = (person) =>
  `${person.firstName ?? ''} ${person.lastName ?? ''}`.trim() ||
  person.accountName;

// --- states of a screen ------------------------------------------------------

export const loading = (what = 'Loading') =>
  h('p', { class: 'loading', role: 'status' }, h('span', { class: 'dots',
    'aria-hidden': 'true' }), what);

export const empty = (title, text, ...actions) =>
  h('div', { class: 'empty' }, h('p', { class: 'empty-title' }, title),
    text && h('p', null, text),
    actions.length > 0 && h('div', { class: 'row' }, ...actions));

// What went wrong in the server's words, and the id to quote when asking.
export function problem(error, retry) {
  const known = error instanceof ApiError;
  if (!known)
    console.error(error);
  const more = known && error.status >= 400
    ? (error.body?.causes ?? []).map((cause) => cause.text)
      .filter((text) => text && text !== error.message &&
        !text.startsWith('/'))
    : [];
  return h('div', { class: 'problem', role: 'alert' }, icon('alert'),
    h('div', null,
      h('p', { class: 'problem-text' },
        known ? error.message : 'This page has a fault.'),
      more.length > 0 && h('ul', null, more.slice(0, 10)
        .map((text) => h('li', null, text))),
      known && error.requestId && h('p', { class: 'note' }, 'Request id ',
        h('code', null, error.requestId)),
      retry && button('Try again', retry)));
}

// A place on the screen that is filled later: `make` resolves to its content.
export function later(make, { what, className = 'later' } = {}) {
  const place = h('div', { class: className });
  const run = async () => {
    place.replaceChildren(loading(what));
    place.setAttribute('aria-busy', 'true');
    try {
      place.replaceChildren(...[await make()].flat(Infinity)
        .filter((node) => node !== null && node !== undefined));
    } catch (error) {
      if (error.name !== 'AbortError')
        place.replaceChildren(problem(error, run));
    }
    place.removeAttribute('aria-busy');
  };
  run();
  place.reload = run;
  return place;
}

export const card = (title, ...children) =>
  h('section', { class: 'card' },
    title && h('h2', null, title), ...children);

// --- news --------------------------------------------------------------------

const newsPlace = h('div', { class: 'news', 'aria-live': 'polite' });
document.body.append(newsPlace);

export function tell(text) {
  const item = h('div', { class: 'news-item' }, icon('check'),
    h('span', null, text),
    button(icon('cross'), () => item.remove(),
      { class: 'plain', 'aria-label': 'Dismiss' }));
  newsPlace.replaceChildren(item);
  setTimeout(() => item.remove(), 8000);
}

// --- dialogs -----------------------------------------------------------------

// A modal form. `act` gets the form and does the work: the dialog closes when
// it is done, and shows what it throws. Resolves to its result, or undefined
// when the user leaves.
export function ask({ title, body, label, danger, act, cancel = 'Cancel' }) {
  return new Promise((resolve) => {
    const trouble = h('div');
    const go = h('button', { class: danger ? 'danger' : 'main' }, label);
    const id = newId('dialog');
    const form = h('form', { method: 'dialog', novalidate: true },
      h('h2', { id }, title), body, trouble,
      h('div', { class: 'row end' },
        cancel && button(cancel, () => dialog.close()), go));
    const dialog = h('dialog', { 'aria-labelledby': id }, form);
    let result;
    form.addEventListener('submit', async (event) => {
      event.preventDefault();
      if (!checkForm(form))
        return;
      trouble.replaceChildren();
      go.disabled = true;
      try {
        result = await act(form);
        dialog.close();
      } catch (error) {
        if (!showFaults(form, error))
          trouble.replaceChildren(problem(error));
      }
      go.disabled = false;
    });
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(result);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

// --- forms ---------------------------------------------------------------------

// One labelled control. `type` is that of an input, or 'textarea', 'select'
// with `options` [[value, text]].
export function field({
  name, label, type = 'text', value = '', help, required, options, autofocus,
  ...more
}) {
  const id = newId('field');
  const helpId = help ? `${id}-help` : null;
  const attributes = {
    id, name, required, autofocus, 'aria-describedby': helpId, ...more,
  };
  let control;
  if (type === 'textarea') {
    control = h('textarea', { rows: 3, ...attributes }, value);
  } else if (type === 'select') {
    control = h('select', attributes, options.map(([each, text]) =>
      h('option', { value: each, selected: each === value }, text)));
  } else {
    control = h('input', { type, ...attributes });
    if (value)
      control.value = value;
  }
  return h('div', { class: 'field' },
    h('label', { for: id }, label,
      !required && type !== 'checkbox' &&
        h('span', { class: 'optional' }, ' (optional)')),
    control,
    help && h('p', { class: 'help', id: helpId }, help));
}

function setFault(control, text) {
  const id = `${control.id}-fault`;
  document.getElementById(id)?.remove();
  const others = (control.getAttribute('aria-describedby') ?? '').split(' ')
    .filter((each) => each && each !== id);
  if (text) {
    control.after(h('p', { class: 'fault', id }, text));
    control.setAttribute('aria-invalid', 'true');
    others.unshift(id);
  } else {
    control.removeAttribute('aria-invalid');
  }
  if (others.length)
    control.setAttribute('aria-describedby', others.join(' '));
  else
    control.removeAttribute('aria-describedby');
}

// Say at each control what is wrong with it and go to the first; true if
// nothing is.
export function checkForm(form) {
  const controls = [...form.elements].filter((each) => each.name);
  for (const control of controls)
    setFault(control, control.validity.valid ? '' : control.validationMessage);
  const bad = controls.find((each) => !each.validity.valid);
  bad?.focus();
  return !bad;
}

// The server's word on single fields, at these fields; false when it is not
// about a field of the form.
export function showFaults(form, error) {
  if (!(error instanceof ApiError) || error.status !== 400)
    return false;
  const named = /"([A-Za-z0-9_.-]+)"/.exec(error.message)?.[1] ??
    (/account name/.test(error.message) ? 'accountName' : null);
  const control = named && form.elements[named];
  if (!control?.id)
    return false;
  setFault(control, error.message);
  control.focus();
  return true;
}

export const valuesOf = (form) => Object.fromEntries(
  [...form.elements].filter((each) => each.name)
    .map((each) => [each.name,
      each.type === 'checkbox' ? each.checked : each.value.trim()]));

// --- tables --------------------------------------------------------------------

// `columns`: { label, cell(row), sort?, numeric? }. With `sort` (its current
// value) and `onsort` the heads of columns that have one are buttons. On a
// narrow screen each row becomes a block, so cells carry their label.
export function table(caption, columns, rows, { sort, onsort } = {}) {
  const head = (column) => {
    const active = column.sort && sort?.replace('-', '') === column.sort;
    const falling = active && sort.startsWith('-');
    return h('th', {
      scope: 'col', class: column.numeric && 'number',
      'aria-sort': active ? (falling ? 'descending' : 'ascending') : null,
    }, column.sort && onsort
      ? button([column.label, active && icon(falling ? 'down' : 'up')],
        () => onsort(active && !falling ? `-${column.sort}` : column.sort),
        { class: 'sort' })
      : column.label || h('span', { class: 'hidden' }, 'Actions'));
  };
  return h('div', { class: 'table' }, h('table', null,
    h('caption', { class: 'hidden' }, caption),
    h('thead', null, h('tr', null, columns.map(head))),
    h('tbody', null, rows.map((row) => h('tr', null,
      columns.map((column) => h('td', {
        'data-label': column.label, class: column.numeric && 'number',
      }, column.cell(row))))))));
}

// Where we are in a list, and the ways to the next pages.
export function pager({ offset, limit, shown, total, go }) {
  const last = total === null ? shown < limit : offset + shown >= total;
  if (offset === 0 && last)
    return null;
  const range = `${count(offset + 1)}–${count(offset + shown)}` +
    (total === null ? '' : ` of ${count(total)}`);
  return h('nav', { class: 'pager', 'aria-label': 'Pages' },
    button('Previous', () => go(Math.max(0, offset - limit)),
      { disabled: offset === 0 }),
    h('span', null, range),
    button('Next', () => go(offset + limit), { disabled: last }));
}
