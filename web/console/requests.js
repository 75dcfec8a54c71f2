// Requests for people, and deciding on them.

import { get, list, post } from './api.js';
import { attributes, forgetSources, sources } from './data.js';
import { facts, personFields, personValues } from './people.js';
import { isAdmin, me } from './session.js';
import {
  ask, button, card, checkForm, counted, day, empty, field, fromNow, fullName,
  h, icon, later, link, moment, pager, problem, showFaults, statusTag, table,
  tell, valuesOf,
} from './ui.js';

const PAGE = 20;

// --- deciding ------------------------------------------------------------------

const personOf = (item) => ({ ...item.nonEmployeeRequest,
  accountName: item.accountName });

// The second of the two clicks, with room for a word.
export function decide(item, approve) {
  const name = fullName(personOf(item));
  return ask({
    title: approve ? `Approve ${name}?` : `Reject ${name}?`,
    label: approve ? 'Approve' : 'Reject', danger: !approve,
    body: field({
      name: 'comment', type: 'textarea', label: 'Comment', maxlength: 4000,
      required: !approve, autofocus: true,
      help: approve ? null : 'The requester reads it',
    }),
    act: async (form) => {
      const { comment } = valuesOf(form);
      await post(
        `/non-employee-approvals/${item.id}/${approve ? 'approve' : 'reject'}`,
        comment ? { comment } : {});
      tell(`${name} was ${approve ? 'approved' : 'rejected'}.`);
      return true;
    },
  });
}

const waiting = (query) => list('/non-employee-approvals', {
  'requested-for': 'me', filters: 'approvalStatus eq "PENDING"',
  sorters: 'created', ...query,
});

function itemView(item, done) {
  const request = item.nonEmployeeRequest;
  const name = fullName(personOf(item));
  const go = (approve) => async () => {
    if (await decide(item, approve))
      done();
  };
  return h('li', { class: 'decision' },
    h('div', null,
      h('h3', null, link(`#/approvals/${item.id}`, name)),
      h('p', null, request.requester ? [request.requester.name, ' asks']
        : 'Asked', ' for ', h('strong', null,
        request.nonEmployeeSource?.name ?? 'a source')),
      h('p', { class: 'note' }, day(request.startDate), ' – ',
        day(request.endDate), '; asked ', fromNow(item.created))),
    h('div', { class: 'row' },
      button([icon('check'), 'Approve'], go(true),
        { class: 'main', 'aria-label': `Approve ${name}` }),
      button('Reject', go(false), { 'aria-label': `Reject ${name}` })));
}

// What waits for the caller, each with who, by whom and for what.
export function waitingForMe(limit = 10) {
  const place = later(async () => {
    const { rows, total } = await waiting({ limit, count: true });
    if (rows.length === 0)
      return empty('Nothing waits for you');
    const items = await Promise.all(rows.map(({ id }) =>
      get(`/non-employee-approvals/${id}`, { 'include-detail': true })));
    return [
      h('ul', { class: 'items' },
        items.map((item) => itemView(item, place.reload))),
      total > rows.length && h('p', { class: 'note' },
        `${counted(total - rows.length, 'more request')} after these.`),
    ].filter(Boolean);
  });
  return place;
}

export async function approval([id], query, signal) {
  const item = await get(`/non-employee-approvals/${id}`,
    { 'include-detail': true }, signal);
  const request = item.nonEmployeeRequest;
  const name = fullName(personOf(item));
  const again = () => dispatchEvent(new HashChangeEvent('hashchange'));
  const go = (approve) => async () => {
    if (await decide(item, approve))
      again();
  };
  return {
    crumb: link('#/requests', 'Requests'), title: name,
    lead: [statusTag(item.approvalStatus), ' asked ', fromNow(item.created)],
    actions: item.approvalStatus === 'PENDING' &&
      item.approver.id === me().id
      ? [button([icon('check'), 'Approve'], go(true), { class: 'main' }),
        button('Reject', go(false))] : null,
    content: h('div', { class: 'columns' },
      card('Person', facts([
        ['Account', item.accountName], ['First name', request.firstName],
        ['Last name', request.lastName], ['E-mail', request.email],
        ['Phone', request.phone], ['Manager', request.manager],
        ...(request.nonEmployeeSource?.schemaAttributes ?? [])
          .filter(({ system }) => !system)
          .map(({ label, technicalName }) =>
            [label, request.data?.[technicalName]]),
      ])),
      card('Request', facts([
        ['Asked by', request.requester?.name],
        ['Source', request.nonEmployeeSource?.name],
        ['First day', day(request.startDate)],
        ['Last day', day(request.endDate)],
        ['Asked', moment(item.created)],
        ['Decided by', item.approver.name],
        ['Comment', item.comment],
      ]))),
  };
}

// --- requests --------------------------------------------------------------------

const mine = (query, signal) => list('/non-employee-requests',
  { 'requested-for': 'me', sorters: '-created', ...query }, signal);

// Where it stands: who is next, or how it ended.
function whereItStands(request) {
  const next = request.approvalItems
    .find(({ approvalStatus }) => approvalStatus === 'PENDING');
  const no = request.approvalItems
    .find(({ approvalStatus }) => approvalStatus === 'REJECTED');
  if (request.approvalStatus === 'PENDING' && next)
    return `Waits for ${next.approver.name}`;
  if (no)
    return `${no.approver.name}: ${no.comment ?? 'no comment'}`;
  return '';
}

export const myRequests = () => later(async () => {
  const { rows } = await mine({ limit: 5 });
  if (rows.length === 0)
    return empty('No requests yet', null,
      link('#/requests/new', 'Request a person'));
  return [
    h('ul', { class: 'items' }, rows.map((request) => h('li', null,
      h('div', null,
        link(`#/requests/${request.id}`, fullName(request)),
        h('p', { class: 'note' }, whereItStands(request) ||
          ['Asked ', fromNow(request.created)])),
      statusTag(request.approvalStatus)))),
    h('p', { class: 'note' }, link('#/requests', 'All requests')),
  ];
});

export async function screen(ids, query, signal) {
  const offset = Number(query.offset) || 0;
  const [{ rows, total }, reached] = await Promise.all([
    mine({ limit: PAGE, offset, count: true }, signal), sources()]);
  return {
    title: 'Requests',
    lead: 'For the sources that you manage',
    actions: reached.length
      ? h('a', { class: 'button main', href: '#/requests/new' }, icon('plus'),
        'Request a person') : null,
    content: h('div', { class: 'stack' },
      card('Waiting for your decision', waitingForMe()),
      h('section', { class: 'card stacked' }, h('h2', null, 'Requests'),
        rows.length === 0
          ? empty('No requests yet')
          : [table('Requests', [
            { label: 'Person', cell: (r) =>
              link(`#/requests/${r.id}`, fullName(r)) },
            { label: 'State', cell: (r) => statusTag(r.approvalStatus) },
            { label: 'Source', cell: (r) => r.nonEmployeeSource.name },
            { label: 'Asked by', cell: (r) => r.requester?.name ?? '' },
            { label: 'Asked', cell: (r) => moment(r.created) },
            { label: 'Where it stands', cell: whereItStands },
          ], rows),
          pager({ offset, limit: PAGE, shown: rows.length, total,
            go: (to) => { location.hash = `#/requests?offset=${to}`; } }) ??
            ''])),
  };
}

export async function detail([id], query, signal) {
  const request = await get(`/non-employee-requests/${id}`, {}, signal);
  return {
    crumb: link('#/requests', 'Requests'),
    title: fullName(request),
    lead: [statusTag(request.approvalStatus), ' asked ',
      fromNow(request.created)],
    content: h('div', { class: 'columns' },
      card('Person', facts([
        ['Account', request.accountName], ['E-mail', request.email],
        ['Phone', request.phone], ['Manager', request.manager],
        ['Source', request.nonEmployeeSource.name],
        ['First day', day(request.startDate)],
        ['Last day', day(request.endDate)],
        ...Object.entries(request.data),
      ])),
      card('Approval', request.approvalItems.length === 0
        ? h('p', null, 'Nobody has to approve for this source.')
        : h('ol', { class: 'items' }, request.approvalItems.map((item) =>
          h('li', null,
            h('div', null, h('strong', null, item.approver.name),
              item.comment && h('p', null, item.comment),
              item.approvalStatus !== 'NOT_READY' &&
                item.approvalStatus !== 'PENDING' &&
                h('p', { class: 'note' }, moment(item.modified))),
            statusTag(item.approvalStatus)))))),
  };
}

// --- asking -------------------------------------------------------------------------

export async function create(ids, query) {
  const reached = await sources();
  const form = h('form', { novalidate: true, class: 'card stack narrow' });
  const trouble = h('div');
  let source = reached.find(({ id }) => id === query.source) ??
    (reached.length === 1 ? reached[0] : null);
  let schema = [];

  const send = h('button', { class: 'main' }, 'Send request');
  async function show() {
    const pick = reached.length > 1 && field({
      name: 'source', type: 'select', label: 'Source', required: true,
      value: source?.id ?? '',
      options: [['', 'Choose a source'],
        ...reached.map(({ id, name }) => [id, name])],
      onchange: async (event) => {
        source = reached.find(({ id }) => id === event.target.value);
        await show();
        form.elements.source.focus();
      },
    });
    schema = source ? await attributes(source) : [];
    form.replaceChildren(...[
      pick && h('div', { class: 'fields' }, pick),
      source?.description && h('p', { class: 'note' }, source.description),
      source && personFields(schema,
        { manager: me().alias, startDate: new Date().toISOString() }),
      source && trouble,
      source && h('div', { class: 'row' }, send,
        h('a', { class: 'button', href: '#/' }, 'Cancel')),
    ].filter(Boolean));
  }
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    if (!checkForm(form))
      return;
    send.disabled = true;
    trouble.replaceChildren();
    try {
      const made = await post('/non-employee-requests',
        personValues(form, schema, source));
      forgetSources();
      tell(made.approvalStatus === 'APPROVED'
        ? `${fullName(made)} is in ${source.name} now.`
        : `The request was sent. ${whereItStands(made)}.`);
      location.hash = `#/requests/${made.id}`;
    } catch (error) {
      if (!showFaults(form, error))
        trouble.replaceChildren(problem(error));
    }
    send.disabled = false;
  });
  await show();
  return {
    crumb: link('#/requests', 'Requests'), title: 'Request a person',
    content: reached.length ? form : empty('You manage no source',
      isAdmin() ? 'Make a source first.'
        : 'An administrator has to make you an account manager of one.'),
  };
}
