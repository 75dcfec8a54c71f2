// The people: finding them, one of them, extending, changing, deleting.

import { get, list, patch, quoted, remove, replace, withQuery } from './api.js';
import {
  attributes, findIdentities, forgetSources, sourceOf, sources,
} from './data.js';
import { isAdmin } from './session.js';
import {
  DAY_MS, STATES, ask, button, card, count, counted, day, empty, field,
  fromNow, fullName, h, icon, later, link, loading, moment, pager, problem,
  stateOf, stateTag, table, tell, valuesOf,
} from './ui.js';

const PAGE = 25;
const TYPING_MS = 200;

// --- the list ----------------------------------------------------------------

// An address may break before its '@'.
const mail = (text) => text.split(/(?=@)/).flatMap((part, at) =>
  (at ? [h('wbr'), part] : [part]));

const COLUMNS = [
  { label: 'Name', sort: 'lastName', cell: (record) => h('span', null,
    link(`#/people/${record.id}`, fullName(record))) },
  { label: 'State', cell: stateTag },
  { label: 'Account', sort: 'accountName', cell: (r) => r.accountName },
  { label: 'E-mail', sort: 'email', cell: (r) => mail(r.email) },
  { label: 'Manager', sort: 'manager', cell: (r) => r.manager },
  { label: 'Starts', sort: 'startDate', cell: (r) => day(r.startDate) },
  { label: 'Ends', sort: 'endDate', cell: (r) => day(r.endDate) },
];

export async function screen(ids, query, signal) {
  const all = await sources();
  const at = { search: '', source: '', state: '', sort: 'lastName', offset: 0,
    ...query };
  at.offset = Number(at.offset) || 0;
  const results = h('div', { class: 'card stacked' });
  const chips = h('div', { class: 'chips', role: 'group',
    'aria-label': 'State' });
  const status = h('p', { class: 'hidden', role: 'status' });
  const chosen = () => all.find(({ id }) => id === at.source);
  let busy = new AbortController();

  // The address says what is shown, so that a reload and a link show it again.
  const keep = () => history.replaceState(null, '', `#${withQuery('/people', {
    ...at, offset: at.offset || '', sort: at.sort === 'lastName' ? '' : at.sort,
  })}`);

  const narrow = (changes) => {
    Object.assign(at, { offset: 0 }, changes);
    keep();
    showChips();
    return show();
  };

  async function show() {
    busy.abort();
    busy = new AbortController();
    signal.addEventListener('abort', () => busy.abort());
    const mine = busy.signal;
    const slow = setTimeout(() => {
      results.setAttribute('aria-busy', 'true');
      if (!results.firstChild)
        results.replaceChildren(loading('Looking for people'));
    }, 150);
    try {
      const { rows } = await list('/non-employee-records', {
        search: at.search, state: at.state, limit: PAGE, offset: at.offset,
        sorters: at.search ? '' : at.sort,
        filters: at.source && `sourceId eq ${quoted(chosen()?.sourceId ?? '')}`,
      }, mine);
      showRows(rows);
    } catch (error) {
      if (error.name !== 'AbortError')
        results.replaceChildren(problem(error, show));
    } finally {
      clearTimeout(slow);
      if (!mine.aborted)
        results.removeAttribute('aria-busy');
    }
  }

  function showRows(rows) {
    const narrowed = at.search || at.state || at.source;
    status.textContent = rows.length ? `${counted(rows.length, 'person',
      'people')} shown` : 'Nobody found';
    if (rows.length === 0 && at.offset === 0) {
      results.replaceChildren(narrowed
        ? empty('Nobody found', 'A search looks at the beginning of first ' +
          'name, last name, account, e-mail address and manager.',
        button('Show everybody', () => {
          form.reset();
          narrow({ search: '', source: '', state: '' });
        }))
        : empty('Nobody is here yet', 'People appear here once their request ' +
          'is approved, or a file was uploaded.'));
      return;
    }
    results.replaceChildren(
      table('People', COLUMNS, rows, {
        sort: at.search ? '' : at.sort,
        onsort: at.search ? null : (sort) => narrow({ sort }),
      }),
      pager({
        offset: at.offset, limit: PAGE, shown: rows.length, total: null,
        go: async (offset) => {
          at.offset = offset;
          keep();
          await show();
          results.scrollIntoView({ block: 'start' });
        },
      }) ?? '');
  }

  // How many there are in each state; nobody waits for that.
  async function showChips() {
    const draw = (counts) => chips.replaceChildren(
      ...[['', 'Everybody'], ...Object.entries(STATES)].map(([state, text]) =>
        button([text, counts && h('small', null,
          ` ${count(state ? counts[state] : counts.total)}`)],
        () => narrow({ state }),
        { 'aria-pressed': String(at.state === state) })));
    if (!chips.firstChild || at.source !== chips.of)
      draw(null);
    try {
      const told = await get('/non-employee-statistics',
        { 'source-id': chosen()?.sourceId, weeks: 0 }, signal);
      chips.of = at.source;
      draw(told.states);
    } catch {
      draw(null);
    }
  }

  let typing;
  const form = h('form', {
    class: 'filters', role: 'search',
    onsubmit: (event) => { event.preventDefault(); },
    oninput: (event) => {
      clearTimeout(typing);
      const { name, value } = event.target;
      typing = setTimeout(() => narrow({ [name]: value.trim() }),
        name === 'search' ? TYPING_MS : 0);
    },
  },
  h('div', { class: 'wide' }, field({
    name: 'search', type: 'search', label: 'Search', required: true,
    value: at.search, placeholder: 'Name, account, e-mail, manager',
    autocomplete: 'off', spellcheck: 'false', maxlength: 256,
  })),
  all.length > 1 && field({
    name: 'source', type: 'select', label: 'Source', required: true,
    value: at.source,
    options: [['', 'All sources'], ...all.map(({ id, name }) => [id, name])],
  }));
  for (const control of form.elements)
    control.required = false;
  showChips();
  await show();
  return {
    title: 'People',
    actions: [link('#/requests/new', icon('plus'), 'Request a person')]
      .map((each) => { each.className = 'button main'; return each; }),
    content: [form, chips, status, results],
  };
}

// --- extending -----------------------------------------------------------------

const isoDay = (time) => new Date(time).toISOString().slice(0, 10);

// Ask for the new last day; resolves to the record as it is then.
export function extend(record) {
  const old = record.endDate.slice(0, 10);
  const later90 = isoDay(Math.max(Date.parse(record.endDate), Date.now()) +
    90 * DAY_MS);
  return ask({
    title: `Extend ${fullName(record)}`, label: 'Extend',
    body: [
      h('p', null, 'Ends now on ', day(record.endDate), '.'),
      field({
        name: 'endDate', label: 'New last day', type: 'date', required: true,
        value: later90, min: record.startDate.slice(0, 10), autofocus: true,
      }),
    ],
    act: async (form) => {
      const { endDate } = valuesOf(form);
      // The time of day and its zone stay as they were meant.
      const changed = endDate === old ? record
        : await patch(`/non-employee-records/${record.id}`,
          [replace('/endDate', endDate + record.endDate.slice(10))]);
      tell(`${fullName(record)} stays until ${day(changed.endDate)
        .textContent}.`);
      return changed;
    },
  });
}

// --- forms made of a source's attributes --------------------------------------

const SYSTEM = {
  accountName: { autocapitalize: 'none', spellcheck: 'false' },
  email: { type: 'email', autocapitalize: 'none' },
  phone: { type: 'tel' },
};

let suggestions = 0;

// Choose a person by name; the account ID is what is kept.
function identityField(attribute, value) {
  const listId = `people-${++suggestions}`;
  const choices = h('datalist', { id: listId });
  let typing;
  const made = field({
    name: attribute.technicalName, label: attribute.label, required:
      attribute.required, help: attribute.helpText ||
      'Type a name and choose, or type the account ID',
    placeholder: attribute.placeholder || null, value, list: listId,
    autocomplete: 'off', autocapitalize: 'none', spellcheck: 'false',
  });
  made.addEventListener('input', (event) => {
    clearTimeout(typing);
    typing = setTimeout(async () => {
      const found = await findIdentities(event.target.value.trim())
        .catch(() => []);
      choices.replaceChildren(...found.map(({ alias, name }) =>
        h('option', { value: alias }, name)));
    }, TYPING_MS);
  });
  made.append(choices);
  return made;
}

// Fields for the attributes of a source, with the values of `record`.
export function personFields(schema, record = {}) {
  return h('div', { class: 'fields' }, schema.map((attribute) => {
    const { technicalName: name, type } = attribute;
    const value = attribute.system ? record[name] : record.data?.[name];
    if (type === 'IDENTITY')
      return identityField(attribute, value ?? '');
    return field({
      name, label: attribute.label, required: attribute.required,
      help: attribute.helpText, placeholder: attribute.placeholder || null,
      value: type === 'DATE' ? (value ?? '').slice(0, 10) : value ?? '',
      type: type === 'DATE' ? 'date' : 'text',
      maxlength: attribute.system ? 256 : 4000, autocomplete: 'off',
      ...(attribute.system ? SYSTEM[name] : {}),
    });
  }));
}

// What the form says, as the API wants it. A date that did not change keeps
// its time of day.
export function personValues(form, schema, source, record) {
  const values = valuesOf(form);
  const body = { sourceId: source.sourceId, data: {} };
  for (const { technicalName: name, system, type } of schema) {
    if (!system)
      body.data[name] = values[name] || null;
    else if (type === 'DATE' && record)
      body[name] = values[name] + record[name].slice(10);
    else
      body[name] = values[name];
  }
  return body;
}

// --- one person ----------------------------------------------------------------

export const facts = (pairs) => h('dl', { class: 'facts' },
  pairs.filter(([, value]) => value)
    .map(([name, value]) => [h('dt', null, name), h('dd', null, value)]));

export async function detail([id], query, signal) {
  const record = await get(`/non-employee-records/${id}`, {}, signal);
  const source = await sourceOf(record.sourceId) ??
    await get(`/non-employee-sources/${record.sourceId}`, {}, signal);
  const schema = await attributes(source);
  const again = () => dispatchEvent(new HashChangeEvent('hashchange'));
  const state = stateOf(record);

  const change = async () => {
    const done = await ask({
      title: `Change ${fullName(record)}`, label: 'Save',
      body: personFields(schema, record),
      act: async (form) => {
        const body = personValues(form, schema, source, record);
        const changes = Object.keys(body).filter((name) =>
          name !== 'data' && name !== 'sourceId' && body[name] !== record[name])
          .map((name) => replace(`/${name}`, body[name]));
        for (const [name, value] of Object.entries(body.data)) {
          const path = `/data/${name.replaceAll('~', '~0')
            .replaceAll('/', '~1')}`;
          const old = record.data[name];
          if (value && value !== old)
            changes.push({ op: 'add', path, value });
          else if (!value && old)
            changes.push({ op: 'remove', path });
        }
        if (changes.length)
          await patch(`/non-employee-records/${id}`, changes);
        return true;
      },
    });
    if (done) {
      tell('Saved.');
      again();
    }
  };

  const drop = async () => {
    const done = await ask({
      title: `Delete ${fullName(record)}?`, label: 'Delete', danger: true,
      body: h('p', null, 'The person is gone from the source and from its ' +
        'file. To end somebody on a day, change the last day instead.'),
      act: async () => {
        await remove(`/non-employee-records/${id}`);
        return true;
      },
    });
    if (done) {
      forgetSources();
      tell(`${fullName(record)} was deleted.`);
      location.hash = '#/people';
    }
  };

  const custom = schema.filter((each) => !each.system);
  return {
    crumb: link('#/people', 'People'),
    title: fullName(record),
    lead: [stateTag(record), ' ', state === 'future' ? 'starts ' : 'ends ',
      fromNow(state === 'future' ? record.startDate : record.endDate)],
    actions: [
      button('Extend', async () => { if (await extend(record)) again(); },
        { class: 'main' }),
      isAdmin() && button('Change', change),
      isAdmin() && button('Delete', drop, { class: 'danger' }),
    ].filter(Boolean),
    content: h('div', { class: 'columns' },
      card('Person', facts([
        ['Account', record.accountName],
        ['First name', record.firstName], ['Last name', record.lastName],
        ['E-mail', h('a', { href: `mailto:${record.email}` }, record.email)],
        ['Phone', record.phone],
        ...custom.map(({ label, technicalName }) =>
          [label, record.data[technicalName]]),
      ])),
      h('div', { class: 'stack' },
        card('Engagement', facts([
          ['Source', source.name], ['Manager', record.manager],
          ['First day', day(record.startDate)],
          ['Last day', day(record.endDate)],
        ])),
        card('Record', facts([
          ['Created', moment(record.created)],
          ['Changed', moment(record.modified)],
          ['Id', h('code', null, record.id)],
        ])))),
  };
}

// The next who leave, with the way to keep them.
export function endingSoon() {
  const place = later(async () => {
    const { rows, total } = await list('/non-employee-records', {
      state: 'ending', sorters: 'endDate', limit: 6, count: true,
    });
    if (rows.length === 0)
      return empty('Nobody ends in the next 30 days');
    return [
      h('ul', { class: 'items' }, rows.map((record) => h('li', null,
        h('div', null, link(`#/people/${record.id}`, fullName(record)),
          h('p', { class: 'note' }, 'Ends ', day(record.endDate), ', ',
            fromNow(record.endDate))),
        button('Extend', async () => {
          if (await extend(record))
            place.reload();
        }, { 'aria-label': `Extend ${fullName(record)}` })))),
      total > rows.length && h('p', { class: 'note' },
        link('#/people?state=ending&sort=endDate', `All ${count(total)}`)),
    ].filter(Boolean);
  });
  return place;
}
