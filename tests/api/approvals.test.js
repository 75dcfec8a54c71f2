// Decisions and what follows from them (contract 9.7, 14, 15).

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { World } from './lib/nelm.js';
import { admin, person, personBody, sourceBody } from './lib/registry.js';

let world, server, api, ann, bob, manager, source;
const REQUESTS = '/non-employee-requests';
const APPROVALS = '/non-employee-approvals';
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
  await api.post(`/non-employee-sources/${source.id}/schema-attributes`,
    { type: 'TEXT', label: 'Note', technicalName: 'note' });
});
after(() => world?.done());

const ask = (extra) => manager.api.post(REQUESTS,
  personBody(source, `person.${++serial}`, 'ann', extra));
const look = ({ id }) => api.get(`${REQUESTS}/${id}`);
const states = async (request) => {
  const { approvalItems, approvalStatus } = await look(request);
  return [...approvalItems.map((item) => item.approvalStatus),
    approvalStatus].join(' ');
};
const path = (item, verb) => `${APPROVALS}/${item.id}/${verb}`;

test('an item in detail, with plain dates, and without', async () => {
  const request = await ask({ startDate: '2020-03-24T23:30:00-05:00',
    data: { note: 'n' } });
  const [base] = request.approvalItems;
  const asked = { id: request.id, requester: request.requester };
  const short = await ann.api.get(
    `${APPROVALS}/${base.id}?include-detail=false`);
  assert.deepEqual(short, { ...base, nonEmployeeRequest: asked });
  const { nonEmployeeRequest: detail, ...rest } =
    await ann.api.get(`${APPROVALS}/${base.id}`);
  assert.deepEqual(rest, base);
  const schema = await api.get(
    `/non-employee-sources/${source.id}/schema-attributes`);
  const { accountName, firstName, lastName, email, phone, created, modified,
  } = request;
  assert.deepEqual(detail, { ...asked, accountName, firstName, lastName,
    email, phone, created, modified, manager: 'ann', data: { note: 'n' },
    approvalStatus: 'PENDING', startDate: '2020-03-24',
    endDate: '2030-12-31',
    nonEmployeeSource: { ...request.nonEmployeeSource,
      schemaAttributes: schema } });
  await ann.api.refuse('400.1.3 Illegal value', 'GET',
    `${APPROVALS}/${base.id}?include-detail=perhaps`);
});

test('approving in order makes the record', async () => {
  const request = await ask({ data: { note: 'kept' } });
  const [first, second] = request.approvalItems;
  const answer = await ann.api.post(path(first, 'approve'),
    { comment: ' fine ' });
  assert.equal(answer.approvalStatus, 'APPROVED');
  assert.equal(answer.comment, ' fine ');
  assert.deepEqual(answer.nonEmployeeRequest,
    { id: request.id, requester: request.requester });
  assert.equal(await states(request), 'APPROVED PENDING PENDING');
  await bob.api.expect(200, 'POST', path(second, 'approve'));
  assert.equal(await states(request), 'APPROVED APPROVED APPROVED');
  const done = await look(request);
  assert.ok(done.completionDate);
  assert.ok(!('comment' in done.approvalItems[1]));
  const [record] = (await api.get('/non-employee-records'))
    .filter(({ accountName }) => accountName === request.accountName);
  for (const name of ['firstName', 'lastName', 'email', 'phone', 'manager',
    'startDate', 'endDate', 'data', 'sourceId'])
    assert.deepEqual(record[name], request[name], name);
});

test('rejecting ends the request', async () => {
  const request = await ask();
  const [first, second] = request.approvalItems;
  for (const body of [undefined, {}, { comment: ' ' }, { comment: null }])
    await ann.api.refuse('400.1 Bad Request Content', 'POST',
      path(first, 'reject'), body, { text: 'comment is required;' });
  await ann.api.refuse('400.1.2 Value length out of range', 'POST',
    path(first, 'reject'), { comment: 'é'.repeat(4001) },
    { text: 'Field "comment" length is outside of range [1,4000].' });
  await ann.api.refuse('400.1.3 Illegal value', 'POST', path(first, 'reject'),
    { comment: 7 });
  await ann.api.post(path(first, 'reject'), { comment: 'é'.repeat(4000) });
  assert.equal(await states(request), 'REJECTED CANCELLED REJECTED');
  const { causes } = (await bob.api.refuse('400.1 Bad Request Content',
    'POST', path(second, 'approve'), {})).json;
  assert.equal(causes[0].text, 'the approval item is CANCELLED');
  // The name is free again.
  await ask({ accountName: request.accountName });
});

test('nobody decides out of turn, twice, or for another', async () => {
  const request = await ask();
  const [first, second] = request.approvalItems;
  for (const [who, item] of [[api, first], [bob.api, first],
    [manager.api, first], [api, { id: UNKNOWN }], [ann.api, { id: 'x' }]])
    for (const verb of ['approve', 'reject'])
      await who.refuse('403 Forbidden', 'POST', path(item, verb),
        { comment: 'c' });
  for (const verb of ['approve', 'reject']) {
    const { causes } = (await bob.api.refuse('400.1 Bad Request Content',
      'POST', path(second, verb), { comment: 'c' })).json;
    assert.equal(causes[0].text, 'the approval item is NOT_READY');
  }
  await ann.api.post(path(first, 'approve'), {});
  await ann.api.refuse('400.1 Bad Request Content', 'POST',
    path(first, 'approve'), {});
  assert.equal(await states(request), 'APPROVED PENDING PENDING');
});

test('two clicks at one instant: one wins, the other is told', async () => {
  for (let round = 0; round < 10; round++) {
    const request = await ask();
    const [first] = request.approvalItems;
    const answers = await Promise.all(['approve', 'reject', 'approve']
      .map((verb) => ann.api.call('POST', path(first, verb),
        { comment: 'c' })));
    assert.deepEqual(answers.map(({ status }) => status).sort(),
      [200, 400, 400]);
    for (const { status, json } of answers)
      if (status === 400)
        assert.match(json.causes[0].text,
          /^the approval item is (APPROVED|REJECTED)$/);
  }
});

test('a record that cannot be made leaves everything pending', async () => {
  const request = await ask();
  const [first, second] = request.approvalItems;
  await ann.api.post(path(first, 'approve'), {});
  await api.post('/non-employee-records',
    personBody(source, request.accountName, 'ann'));
  await bob.api.refuse('400.1.409 Reference conflict', 'POST',
    path(second, 'approve'), {});
  assert.equal(await states(request), 'APPROVED PENDING PENDING');
  await bob.api.post(path(second, 'reject'), { comment: 'there already' });
});

test('changed approvers decide on later requests only', async () => {
  const before_ = await ask();
  await api.patch(`/non-employee-sources/${source.id}`,
    [{ op: 'remove', path: '/approvers/0' }]);
  const after_ = await ask();
  assert.deepEqual(after_.approvalItems.map(({ approver }) => approver.id),
    [bob.id]);
  assert.equal((await look(before_)).approvalItems.length, 2);
  await api.patch(`/non-employee-sources/${source.id}`,
    [{ op: 'add', path: '/approvers/0', value: ann.id }]);
});

test('an approver who leaves cancels what is open', async () => {
  const leaver = await person(world, server, 'leaver', { name: 'Lea V.' });
  const own = await api.post('/non-employee-sources', sourceBody('Left',
    world.admin.identity, { approvers: [ann, leaver], managers: [manager] }));
  const make = () => manager.api.post(REQUESTS,
    personBody(own, `left.${++serial}`, 'ann'));
  const open = await make();
  const refused = await make();
  await ann.api.post(path(open.approvalItems[0], 'approve'), {});
  await ann.api.post(path(refused.approvalItems[0], 'reject'),
    { comment: 'no' });
  await world.cli(['identity', 'delete', 'leaver']);
  assert.equal(await states(open), 'APPROVED CANCELLED CANCELLED');
  assert.equal(await states(refused), 'REJECTED CANCELLED REJECTED');
  const gone = await look(open);
  assert.ok(gone.completionDate);
  assert.equal(gone.approvalItems[1].approver.name, 'Lea V.');
  assert.equal(gone.approvalItems[1].approver.id, leaver.id);
});

test('lists: everybody\'s for those who may, else one\'s own', async () => {
  const all = await api.get(APPROVALS);
  const own = await bob.api.get(APPROVALS);
  assert.ok(own.length > 0);
  assert.deepEqual(own, all.filter(({ approver }) => approver.id === bob.id));
  assert.deepEqual(await bob.api.get(`${APPROVALS}?requested-for=me`), own);
  assert.deepEqual(await api.get(`${APPROVALS}?requested-for=${bob.id}`), own);
  await bob.api.refuse('403 Forbidden', 'GET',
    `${APPROVALS}?requested-for=${ann.id}`);
  assert.deepEqual(await manager.api.get(APPROVALS), []);
  for (const status of ['Pending', 'PENDING', 'not_ready'])
    assert.deepEqual(await bob.api.get(`${APPROVALS}?filters=` +
      encodeURIComponent(`approvalStatus eq "${status}"`)),
    own.filter((item) => item.approvalStatus === status.toUpperCase()));
  const count = (status) =>
    own.filter((item) => item.approvalStatus === status).length;
  assert.deepEqual(await bob.api.get(`${APPROVALS}/summary/me`), {
    approved: count('APPROVED'), pending: count('PENDING'),
    rejected: count('REJECTED'),
  });
});

test('audit rows of a request and its decisions', async () => {
  const request = await ask();
  const [first] = request.approvalItems;
  await ann.api.post(path(first, 'reject'), { comment: 'secret reason' });
  const of = async (id) => (await api.get('/audit-events?filters=' +
    encodeURIComponent(`object eq "${id}"`)))
    .map(({ event, detail, actor }) => [event, detail, actor]);
  assert.deepEqual(await of(request.id), [
    ['NON_EMPLOYEE_REQUEST_CREATED', '', manager.id],
    ['NON_EMPLOYEE_REQUEST_ACTION_COMPLETED', 'REJECTED', ann.id]]);
  assert.deepEqual(await of(first.id), [
    ['NON_EMPLOYEE_APPROVAL_ACTION_COMPLETED', 'REJECTED', ann.id]]);
});
