// What waits for whoever comes: decisions, people who leave, requests.

import { list } from './api.js';
import { sources } from './data.js';
import { endingSoon } from './people.js';
import { myRequests, waitingForMe } from './requests.js';
import { isAdmin } from './session.js';
import { statistics } from './charts.js';
import { card, count, empty, h, icon, link } from './ui.js';

// Does anything ever wait for this person?
async function decides(signal) {
  const { total } = await list('/non-employee-approvals',
    { 'requested-for': 'me', limit: 1, count: true }, signal);
  return total > 0;
}

export async function screen(ids, query, signal) {
  const [reached, approver] = await Promise.all([sources(), decides(signal)]);
  const manager = reached.length > 0;
  const bySource = manager && card('People by source',
    h('ul', { class: 'items' }, reached.slice(0, 8).map((source) =>
      h('li', null,
        h('div', null, link(`#/people?source=${source.id}`, source.name)),
        h('strong', { class: 'number' }, count(source.nonEmployeeCount))))),
    reached.length > 8 && h('p', { class: 'note' },
      link(isAdmin() ? '#/sources' : '#/people', `All ${reached.length}`)));
  const { curves, bars } = manager ? statistics() : {};
  const nothing = !manager && !approver;

  return {
    title: 'Home',
    actions: manager ? h('a', { class: 'button main', href: '#/requests/new' },
      icon('plus'), 'Request a person') : null,
    content: nothing
      ? card(null, isAdmin()
        ? empty('No sources yet', 'A source is a group of people with the ' +
            'same columns, approvers and account managers.',
        link('#/sources/new', 'Make the first source'))
        : empty('Nothing is here for you yet', 'You see people once you are ' +
            'an account manager of a source, and requests once you are an ' +
            'approver of one.'))
      : h('div', { class: 'columns' },
        h('div', { class: 'stack' },
          approver && card('Waiting for your decision', waitingForMe()),
          manager && card('Ending in the next 30 days', endingSoon()),
          curves),
        h('div', { class: 'stack' },
          manager && card(null,
            h('div', { class: 'card-head' }, h('h2', null, 'Requests')),
            myRequests()),
          bySource, bars)),
  };
}
