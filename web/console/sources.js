// Sources, their columns, approvers and account managers.

import { get, patch, post, remove, replace } from './api.js';
import { attributes, findIdentities, forgetSources, sources } from './data.js';
import { facts } from './people.js';
import {
  ask, button, card, count, empty, field, h, icon, link, moment, table, tell,
  valuesOf,
} from './ui.js';

const again = () => dispatchEvent(new HashChangeEvent('hashchange'));

// A field in which a person is searched by name; its value is the id, once
// somebody is chosen from what is found.
function personPicker({ name, label, chosen = null, required = true }) {
  const list = h('ul', { class: 'picks' });
  const made = field({
    name: 'q', label, required, type: 'search', autocomplete: 'off',
    value: chosen?.name ?? '', help: 'Type a name or an alias, then choose',
  });
  const input = made.querySelector('input');
  const value = h('input', { type: 'hidden', name, value: chosen?.id ?? '' });
  let typing;
  const check = () => input.setCustomValidity(required && !value.value
    ? 'Choose a person from the list' : '');
  const pick = (person) => {
    value.value = person.id;
    input.value = person.name;
    list.replaceChildren();
    check();
    input.focus();
  };
  input.addEventListener('input', () => {
    value.value = '';
    check();
    clearTimeout(typing);
    typing = setTimeout(async () => {
      const found = await findIdentities(input.value.trim()).catch(() => []);
      list.replaceChildren(...found.map((person) => h('li', null,
        button([person.name, h('span', { class: 'note' }, person.alias)],
          () => pick(person)))));
    }, 200);
  });
  check();
  made.append(value, list);
  return made;
}

// --- the list ------------------------------------------------------------------

export async function screen() {
  forgetSources();
  const all = await sources();
  return {
    title: 'Sources',
    actions: h('a', { class: 'button main', href: '#/sources/new' },
      icon('plus'), 'New source'),
    content: h('section', { class: 'card stacked' }, all.length === 0
      ? empty('No sources yet', 'A source is a group of people with the same ' +
        'columns, approvers and account managers.')
      : table('Sources', [
        { label: 'Name', cell: ({ id, name }) =>
          link(`#/sources/${id}`, name) },
        { label: 'Owner', cell: ({ owner }) => owner?.name ?? '' },
        { label: 'Approvers', cell: ({ approvers }) =>
          approvers.map(({ name }) => name).join(', ') || 'nobody' },
        { label: 'Account managers', cell: ({ accountManagers }) =>
          accountManagers.map(({ name }) => name).join(', ') || 'nobody' },
        { label: 'People', numeric: true, cell: (each) =>
          link(`#/people?source=${each.id}`, count(each.nonEmployeeCount)) },
      ], all)),
  };
}

export async function create() {
  const made = await ask({
    title: 'New source', label: 'Create',
    body: [
      field({ name: 'name', label: 'Name', required: true, maxlength: 128 }),
      field({ name: 'description', label: 'Description', type: 'textarea',
        maxlength: 4000 }),
      personPicker({ name: 'owner', label: 'Owner' }),
    ],
    act: (form) => {
      const { name, description, owner } = valuesOf(form);
      return post('/non-employee-sources',
        { name, description, owner: { id: owner } });
    },
  });
  forgetSources();
  location.hash = made ? `#/sources/${made.id}` : '#/sources';
  return screen();
}

// --- one source -------------------------------------------------------------------

const ROLES = [
  ['approvers', 'Approvers', 3, 'They decide one after another, in this ' +
    'order. Without any, requests are approved at once.', 'an approver'],
  ['accountManagers', 'Account managers', 10, 'They see the people, ask for ' +
    'new ones and change the last day.', 'an account manager'],
];

function roleCard(source, [role, title, most, text, one]) {
  const people = source[role];
  const set = async (list, said) => {
    await patch(`/non-employee-sources/${source.id}`,
      [replace(`/${role}`, list.map(({ id }) => ({ id })))]);
    tell(said);
  };
  const drop = async (person) => {
    const done = await ask({
      title: `Remove ${person.name}?`, label: 'Remove', danger: true,
      body: h('p', null, role === 'approvers'
        ? 'Requests that wait for them go on without them or are cancelled.'
        : 'They do not see these people any more.'),
      act: async () => {
        await set(people.filter((each) => each !== person),
          `${person.name} was removed.`);
        return true;
      },
    });
    if (done)
      again();
  };
  const raise = async (at) => {
    const list = [...people];
    list.splice(at - 1, 0, ...list.splice(at, 1));
    await set(list, `${people[at].name} decides earlier now.`);
    again();
  };
  const add = async () => {
    const done = await ask({
      title: `Add ${one}`, label: 'Add',
      body: personPicker({ name: 'person', label: 'Person' }),
      act: async (form) => {
        await set([...people, { id: valuesOf(form).person }], 'Added.');
        return true;
      },
    });
    if (done)
      again();
  };
  return h('section', { class: 'card' },
    h('div', { class: 'card-head' }, h('h2', null, title),
      people.length < most && button([icon('plus'), 'Add'], add,
        { 'aria-label': `Add ${one}` })),
    h('p', { class: 'note' }, text),
    people.length > 0 && h('ul', { class: 'items spaced' },
      people.map((person, at) => h('li', null,
        h('div', null, role === 'approvers' ? `${at + 1}. ` : '', person.name),
        h('div', { class: 'row' },
          role === 'approvers' && at > 0 && button(icon('up'),
            () => raise(at), { 'aria-label': `Move ${person.name} up` }),
          button('Remove', () => drop(person),
            { 'aria-label': `Remove ${person.name}` }))))));
}

const attributeFields = (old) => [
  field({ name: 'label', label: 'Label', required: true, maxlength: 256,
    value: old?.label ?? '' }),
  !old && field({ name: 'technicalName', label: 'Column in the CSV',
    required: true, maxlength: 128, pattern: '[A-Za-z][A-Za-z0-9_.\\-]*',
    autocapitalize: 'none', spellcheck: 'false',
    help: 'Letters, digits, _ . and -; it cannot be changed later' }),
  field({ name: 'helpText', label: 'Help text', maxlength: 4000,
    value: old?.helpText ?? '' }),
  field({ name: 'placeholder', label: 'Example in the empty field',
    maxlength: 4000, value: old?.placeholder ?? '' }),
  h('div', { class: 'choice' },
    h('input', { type: 'checkbox', id: 'required', name: 'required',
      checked: old?.required }),
    h('label', { for: 'required' }, 'Must be filled in')),
];

function attributeCard(source, schema) {
  const base = `/non-employee-sources/${source.id}/schema-attributes`;
  const change = async (old) => {
    const done = await ask({
      title: old ? `Change ${old.label}` : 'New attribute',
      label: old ? 'Save' : 'Create', body: attributeFields(old),
      act: async (form) => {
        const values = valuesOf(form);
        if (old)
          await patch(`${base}/${old.id}`, Object.keys(values)
            .filter((name) => values[name] !== old[name])
            .map((name) => replace(`/${name}`, values[name])));
        else
          await post(base, { type: 'TEXT', ...values });
        return true;
      },
    });
    if (done)
      again();
  };
  const drop = async (old) => {
    const done = await ask({
      title: `Delete ${old.label}?`, label: 'Delete', danger: true,
      body: h('p', null, 'Its values are deleted with it, for everybody in ' +
        'this source.'),
      act: async () => {
        await remove(`${base}/${old.id}`);
        return true;
      },
    });
    if (done)
      again();
  };
  const custom = schema.filter(({ system }) => !system);
  return h('section', { class: 'card stacked' },
    h('div', { class: 'card-head' }, h('h2', null, 'Attributes'),
      custom.length < 10 && button([icon('plus'), 'Add'], () => change(null),
        { 'aria-label': 'Add an attribute' })),
    h('p', { class: 'note' }, 'Beside name, account, e-mail, phone, manager ' +
      'and the two dates, which every source has.'),
    custom.length > 0 && table('Attributes', [
      { label: 'Label', cell: ({ label }) => label },
      { label: 'Column', cell: ({ technicalName }) =>
        h('code', null, technicalName) },
      { label: 'Required', cell: ({ required }) => (required ? 'yes' : 'no') },
      { label: 'Help text', cell: ({ helpText }) => helpText },
      { label: '', cell: (each) => h('div', { class: 'row' },
        button('Change', () => change(each),
          { 'aria-label': `Change ${each.label}` }),
        button('Delete', () => drop(each),
          { 'aria-label': `Delete ${each.label}` })) },
    ], custom));
}

export async function detail([id], query, signal) {
  const source = await get(`/non-employee-sources/${id}`, {}, signal);
  const schema = await attributes(source);

  const change = async () => {
    const done = await ask({
      title: `Change ${source.name}`, label: 'Save',
      body: [
        field({ name: 'name', label: 'Name', required: true, maxlength: 128,
          value: source.name }),
        field({ name: 'description', label: 'Description', type: 'textarea',
          maxlength: 4000, value: source.description }),
        personPicker({ name: 'owner', label: 'Owner', chosen: source.owner }),
      ],
      act: async (form) => {
        const { name, description, owner } = valuesOf(form);
        await patch(`/non-employee-sources/${id}`, [
          replace('/name', name), replace('/description', description),
          ...(owner !== source.owner?.id
            ? [replace('/owner', { id: owner })] : []),
        ]);
        return true;
      },
    });
    if (done) {
      forgetSources();
      again();
    }
  };
  const drop = async () => {
    await ask({
      title: `Delete ${source.name}?`, label: 'Delete for ever', danger: true,
      body: [
        h('p', null, 'Everybody in it is deleted too, with all requests. ' +
          'Export it first if you may need it again.'),
        field({ name: 'sure', label: 'Type the name of the source',
          required: true, autocomplete: 'off',
          oninput: ({ target }) => target.setCustomValidity(
            target.value.trim() === source.name ? ''
              : `This is not "${source.name}"`) }),
      ],
      act: async () => {
        await remove(`/non-employee-sources/${id}`);
        forgetSources();
        tell(`${source.name} was deleted.`);
        location.hash = '#/sources';
      },
    });
  };

  return {
    crumb: link('#/sources', 'Sources'), title: source.name,
    lead: source.description,
    actions: [
      h('a', { class: 'button main', href: `#/sources/${id}/upload` },
        icon('up'), 'Upload'),
      h('a', { class: 'button', href: `#/sources/${id}/export` },
        icon('down'), 'Export'),
    ],
    content: h('div', { class: 'columns' },
      h('div', { class: 'stack' }, attributeCard(source, schema)),
      h('div', { class: 'stack' },
        ROLES.map((role) => roleCard(source, role)),
        card('Source', facts([
          ['Owner', source.owner?.name],
          ['Group of sub-administrators', source.managementWorkgroup?.id],
          ['Created', moment(source.created)],
          ['Id', h('code', null, source.id)],
        ]), h('div', { class: 'row end' }, button('Change', change),
          button('Delete', drop, { class: 'danger' }))))),
  };
}
