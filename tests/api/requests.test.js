// Requests for people (contract 9.6, 13, 15).

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { World } from './lib/nelm.js';
import {
  Caller, admin, person, personBody, sourceBody,
} from './lib/registry.js';

let world, server, api, ann, bob, manager, source, plain;
const REQUESTS = '/non-employee-requests';
const UNKNOWN = '01890000-0000-7000-8000-000000000000';
let serial = 0;

before(async () => {
  world = await World.create();
  server = await world.serve();
  api = await admin(world, server);
  ann = await person(world, server, 'ann', { name: 'Ann A.' });
  bob = await person(world, server, 'bob');
  manager = await person(world, server, 'manager');
  source = await api.post('/non-employee-sources', sourceBody('Decided',
    world.admin.identity, { approvers: [ann, bob], managers: [manager] }));
  plain = await api.post('/non-employee-sources', sourceBody('Plain',
    world.admin.identity, { managers: [manager] }));
});
after(() => world?.done());

const body = (at, extra) =>
  personBody(at, `person.${++serial}`, 'ann', extra);

test('a request has every member of its form and no other', async () => {
  const sent = body(source, { startDate: '2020-03-24T00:00:00-05:00' });
  const made = await manager.api.post(REQUESTS, sent);
  const { id, created, modified, approvalItems, ...rest } = made;
  const lite = { id: source.id, sourceId: source.sourceId,
    name: source.name, description: source.description };
  assert.deepEqual(rest, {
    ...sent, sourceId: source.sourceId, name: source.name,
    description: source.description, nonEmployeeSource: lite, data: {},
    requester: { type: 'IDENTITY', id: manager.id, name: 'manager' },
    approvalStatus: 'PENDING',
  });
  assert.equal(created, modified);
  assert.equal(id.length, 36);
  assert.deepEqual(approvalItems.map((item) => [item.approver.name,
    item.accountName, item.approvalStatus, item.approvalOrder]), [
    ['Ann A.', sent.accountName, 'PENDING', 0],
    ['bob', sent.accountName, 'NOT_READY', 1]]);
  for (const item of approvalItems)
    assert.deepEqual(Object.keys(item).sort(), ['accountName',
      'approvalOrder', 'approvalStatus', 'approver', 'created', 'id',
      'modified']);
  assert.deepEqual(await manager.api.get(`${REQUESTS}/${id}`), made);
  assert.deepEqual((await manager.api.get(`${REQUESTS}?requested-for=me`))
    .find((one) => one.id === id), made);
});

test('without approvers the record is there at once', async () => {
  const sent = body(plain);
  const made = await manager.api.post(REQUESTS, sent);
  assert.equal(made.approvalStatus, 'APPROVED');
  assert.deepEqual(made.approvalItems, []);
  assert.equal(made.completionDate, made.modified);
  const records = await manager.api.get('/non-employee-records');
  assert.ok(records.some(({ accountName }) =>
    accountName === sent.accountName));
});

test('an application asks without a requester', async () => {
  const client = await world.client('asker',
    { scopes: ['idn:nelm:read', 'idn:nelm:manage'] });
  const there = new Caller(server, await world.token(server, client));
  const made = await there.post(REQUESTS, body(source));
  assert.ok(!('requester' in made));
  const item = await ann.api.get(
    `/non-employee-approvals/${made.approvalItems[0].id}`);
  assert.ok(!('requester' in item.nonEmployeeRequest));
});

test('what is refused, and in which order', async (t) => {
  await t.test('to somebody: 403 whatever the source, after syntax',
    async () => {
      for (const sourceId of [source.id, UNKNOWN, 'x', undefined])
        await ann.api.refuse('403 Forbidden', 'POST', REQUESTS,
          body(source, { sourceId, email: 'x' }));
      await ann.api.refuse('400.0 Bad request syntax', 'POST', REQUESTS, '{');
    });
  await t.test('to a manager of another source: the same', () =>
    manager.api.refuse('403 Forbidden', 'POST', REQUESTS,
      body(source, { sourceId: UNKNOWN })));
  await t.test('missing fields', () => manager.api.refuse(
    '400.1 Bad Request Content', 'POST', REQUESTS,
    body(source, { firstName: '', accountName: null }),
    { text: 'firstName is required; accountName is required;' }));
  await t.test('a missing source', () => manager.api.refuse(
    '400.1 Bad Request Content', 'POST', REQUESTS,
    body(source, { sourceId: undefined }),
    { text: 'sourceId is required;' }));
  await t.test('names of records and of pending requests', async () => {
    const sent = body(source);
    await manager.api.post(REQUESTS, sent);
    const upper = sent.accountName.toUpperCase();
    await manager.api.refuse('400.1.409 Reference conflict', 'POST', REQUESTS,
      { ...sent, accountName: upper }, {
        text: `Unable to create Non-Employee because the accountName ` +
          `"${upper}" is already being used.`,
      });
    // A pending request does not block an administrator; the record then
    // blocks the approval, and further requests.
    await api.post('/non-employee-records', sent);
    await manager.api.refuse('400.1.409 Reference conflict', 'POST', REQUESTS,
      sent);
    await manager.api.post(REQUESTS, { ...sent, sourceId: plain.id });
  });
});

test('requested-for', async (t) => {
  const path = `${REQUESTS}?requested-for=`;
  await t.test('is needed', async () => {
    await manager.api.refuse('400.1 Bad Request Content', 'GET', REQUESTS,
      undefined, { text: 'requested-for is required;' });
    await manager.api.refuse('400.1.3 Illegal value', 'GET', path);
  });
  await t.test('me, the own id, another\'s', async () => {
    const own = await manager.api.get(`${path}me`);
    assert.ok(own.length > 0);
    assert.deepEqual(await manager.api.get(path + manager.id), own);
    assert.deepEqual(await api.get(path + manager.id.toUpperCase()), own);
    await ann.api.refuse('403 Forbidden', 'GET', path + manager.id);
    await ann.api.refuse('403 Forbidden', 'GET', `${path}nobody`);
    assert.deepEqual(await ann.api.get(`${path}me`), []);
    assert.deepEqual(await api.get(path + UNKNOWN), []);
    assert.deepEqual(await api.get(`${path}nobody`), []);
  });
  await t.test('me is nobody for an application', async () => {
    const client = await world.client('reader', { scopes: ['idn:nelm:read'] });
    const there = new Caller(server, await world.token(server, client));
    await there.refuse('403 Forbidden', 'GET', `${path}me`);
    await there.get(path + manager.id);
  });
});

test('a summary counts by state, records aside', async () => {
  const path = `${REQUESTS}/summary/`;
  const own = await manager.api.get(`${path}me`);
  const list = await manager.api.get(`${REQUESTS}?requested-for=me`);
  const count = (status) =>
    list.filter(({ approvalStatus }) => approvalStatus === status).length;
  assert.deepEqual(own, {
    approved: count('APPROVED'), rejected: count('REJECTED'),
    pending: count('PENDING'),
    nonEmployeeCount: (await manager.api.get('/non-employee-records')).length,
  });
  assert.deepEqual(await api.get(path + manager.id), own);
  const none = { approved: 0, rejected: 0, pending: 0, nonEmployeeCount: 0 };
  assert.deepEqual(await ann.api.get(`${path}me`), none);
  assert.deepEqual(await api.get(path + UNKNOWN), none);
  await ann.api.refuse('403 Forbidden', 'GET', path + manager.id);
});

test('deleting withdraws a request, and leaves the record of an approved one',
  async () => {
    const made = await manager.api.post(REQUESTS, body(source));
    const done = await manager.api.post(REQUESTS, body(plain));
    await manager.api.refuse('403 Forbidden', 'DELETE',
      `${REQUESTS}/${made.id}`);
    for (const { id } of [made, done]) {
      await api.delete(`${REQUESTS}/${id}`);
      await api.refuse('404 Not found', 'DELETE', `${REQUESTS}/${id}`);
      await api.refuse('404 Not found', 'GET', `${REQUESTS}/${id}`);
      await manager.api.refuse('403 Forbidden', 'GET', `${REQUESTS}/${id}`);
    }
    await api.refuse('404 Not found', 'GET',
      `/non-employee-approvals/${made.approvalItems[0].id}`);
    await manager.api.post(REQUESTS, { ...body(source),
      accountName: made.accountName });
    assert.ok((await api.get('/non-employee-records'))
      .some(({ accountName }) => accountName === done.accountName));
  });

test('the requester reads a request, also without any role', async () => {
  const made = await manager.api.post(REQUESTS, body(source));
  await api.patch(`/non-employee-sources/${source.id}`,
    [{ op: 'replace', path: '/accountManagers', value: [] }]);
  assert.equal((await manager.api.get(`${REQUESTS}/${made.id}`)).id, made.id);
  assert.ok((await manager.api.get(`${REQUESTS}?requested-for=me`))
    .every(({ sourceId }) => sourceId === plain.sourceId));
  await api.patch(`/non-employee-sources/${source.id}`,
    [{ op: 'add', path: '/accountManagers/-', value: { id: manager.id } }]);
});
