// Sources: what they look like, what is refused and in which order
// (contract 9.2, 10).

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { World } from './lib/nelm.js';
import { admin, person, replace, sourceBody } from './lib/registry.js';

let world, server, api, boss, ann, bob;
const SOURCES = '/non-employee-sources';
const UNKNOWN = '2c9180857182305e0171993735622948';

before(async () => {
  world = await World.create();
  server = await world.serve();
  api = await admin(world, server);
  boss = world.admin.identity;
  ann = await person(world, server, 'ann', { name: 'Ann A.' });
  bob = await person(world, server, 'bob');
});
after(() => world?.done());

test('a new source has every member of its form and no other', async () => {
  const made = await api.post(SOURCES, sourceBody('Retail', boss, {
    approvers: [bob, ann], managers: [ann], workgroup: '123299',
  }));
  const reference = ({ id, name }) => ({ type: 'IDENTITY', id, name });
  const { id, sourceId, created, cloudExternalId, ...rest } = made;
  assert.match(id, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  assert.match(sourceId, /^[0-9a-f]{32}$/);
  assert.match(created, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.match(cloudExternalId, /^\d+$/);
  assert.deepEqual(rest, {
    name: 'Retail', description: 'Retail, made by a test',
    owner: reference(boss), managementWorkgroup: { id: '123299' },
    approvers: [reference(bob), reference(ann)],
    accountManagers: [reference(ann)], modified: created,
  });
  const full = { ...made };
  delete full.cloudExternalId;
  for (const any of [id, sourceId, id.toUpperCase(), id.replaceAll('-', '')])
    assert.deepEqual(await api.get(`${SOURCES}/${any}`), full);
  const [listed] = await api.get(`${SOURCES}?non-employee-count=true`);
  assert.deepEqual(listed, { ...full, nonEmployeeCount: 0 });
});

const body = (change) => {
  const whole = sourceBody(`Source ${Math.random()}`, boss);
  return { ...whole, ...change };
};

const REFUSED = [
  ['nothing at all', {}, '400.1 Bad Request Content',
    'name is required; description is required; owner is required;', true],
  ['null is missing', { name: null, owner: null },
    '400.1 Bad Request Content', 'name is required; owner is required;'],
  ['a blank name', { name: ' \t ' }, '400.1 Bad Request Content',
    'name is required;'],
  ['an owner without id', { owner: {} }, '400.1 Bad Request Content',
    'owner is required;'],
  ['missing comes before wrong', { name: 7, owner: undefined },
    '400.1 Bad Request Content', 'owner is required;'],
  ['a number as name', { name: 7 }, '400.1.3 Illegal value',
    'Value of "name" is empty or contains invalid data.'],
  ['a name with a control character', { name: 'a\u0007b' },
    '400.1.3 Illegal value'],
  ['a long name', { name: 'é'.repeat(129) },
    '400.1.2 Value length out of range',
    'Field "name" length is outside of range [1,128].'],
  ['a long description', { description: 'x'.repeat(4001) },
    '400.1.2 Value length out of range'],
  ['an unknown owner', { owner: { id: UNKNOWN } },
    '400.1.404 Referenced object not found',
    `Referenced owner ["${UNKNOWN}"] was not found.`],
  ['an owner that is no id', { owner: { id: 'boss' } },
    '400.1.404 Referenced object not found'],
  ['an unknown approver', { approvers: [{ id: UNKNOWN }] },
    '400.1.404 Referenced object not found'],
  ['approvers that are no list', { approvers: 'ann' },
    '400.1.3 Illegal value'],
  ['eleven account managers',
    { accountManagers: () => Array(11).fill(0).map((_, i) => people[i]) },
    '400.1.4 Limit violation',
    'You have reached the current limit of 10 account managers per source.'],
];
const people = [];

test('what is refused, and how', async (t) => {
  for (let i = 0; i < 11; i++)
    people.push({ id: (await world.identity(`many${i}`)).id });
  for (const [what, change, code, text, bare] of REFUSED)
    await t.test(what, async () => {
      const sent = Object.fromEntries(Object.entries(change)
        .map(([k, v]) => [k, typeof v === 'function' ? v() : v]));
      await api.refuse(code, 'POST', SOURCES, bare ? sent : body(sent),
        { text });
    });
  await t.test('the same approver twice', () => api.refuse(
    '400.1.3 Illegal value', 'POST', SOURCES,
    body({ approvers: [{ id: ann.id }, { id: ann.id.toUpperCase() }] })));
  await t.test('a taken name, ignoring case', async () => {
    await api.post(SOURCES, body({ name: 'Ünique' }));
    await api.refuse('400.1.409 Reference conflict', 'POST', SOURCES,
      body({ name: 'üNIQUE' }));
  });
  await t.test('an array', () => api.refuse('400.1 Bad Request Content',
    'POST', SOURCES, []));
});

test('bodies that are no JSON', async (t) => {
  for (const [what, text] of [['nothing', ''], ['half', '{"name":'],
    ['a member twice', '{"name":"a","name":"b"}'], ['a text', '"x"'],
    ['bad UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])],
    ['NUL', '{"name":"a\\u0000b"}'], ['deep', '['.repeat(100000)]])
    await t.test(what, () => api.refuse('400.0 Bad request syntax', 'POST',
      SOURCES, text));
  await t.test('another media type is 415', async () => {
    for (const type of ['text/plain', 'application/json-patch+json',
      'application/json; charset=latin1']) {
      const answer = await api.call('POST', SOURCES, '{}', { type });
      assert.equal(answer.status, 415, type);
      assert.equal(answer.json.errorName, 'NotSupportedException');
    }
  });
  await t.test('none, or with a charset, is JSON', async () => {
    for (const type of [null, 'Application/JSON; charset="UTF-8"'])
      await api.expect(200, 'POST', SOURCES, JSON.stringify(body()), { type });
  });
  await t.test('more than 1 MiB is 413', async () => {
    const answer = await api.call('POST', SOURCES,
      JSON.stringify(body({ extra: 'x'.repeat(1100000) })));
    assert.equal(answer.status, 413);
  });
});

test('free text keeps its lines, and may be empty', async () => {
  const lines = ' one\r\n\ttwo ';
  assert.equal((await api.post(SOURCES, body({ description: lines })))
    .description, lines);
  assert.equal((await api.post(SOURCES, body({ description: '' })))
    .description, '');
});

test('the limit of sources is a setting', async () => {
  const count = (await api.get(SOURCES)).length;
  const limited = await world.serve(['--rate-limit', 'off', '--max-sources',
    String(count + 1)]);
  const there = await admin(world, limited);
  await there.post(SOURCES, body());
  await there.refuse('400.1.4 Limit violation', 'POST', SOURCES, body(), {
    text: `You have reached the current limit of ${count + 1} ` +
      'non-employee sources.',
  });
  // References are looked at before limits, names after them.
  await there.refuse('400.1.404 Referenced object not found', 'POST', SOURCES,
    body({ owner: { id: UNKNOWN } }));
  await limited.stop();
});

test('404 comes before 415, 413 and 400.0; 403 before all', async () => {
  const path = `${SOURCES}/${UNKNOWN}`;
  for (const options of [{ type: 'text/plain' }, {}]) {
    await api.refuse('404 Not found', 'PATCH', path, 'x', options);
    await ann.api.refuse('403 Forbidden', 'PATCH', path, 'x', options);
  }
});

test('deleting takes everything along', async () => {
  const source = await api.post(SOURCES, body());
  await api.post('/non-employee-records', {
    accountName: 'a', firstName: 'a', lastName: 'a', email: 'a@b', phone: '1',
    manager: 'ann', sourceId: source.id, startDate: '2024-01-01',
    endDate: '2025-01-01',
  });
  await api.delete(`${SOURCES}/${source.id}`);
  await api.refuse('404 Not found', 'GET', `${SOURCES}/${source.id}`);
  await api.refuse('404 Not found', 'DELETE', `${SOURCES}/${source.id}`);
  assert.deepEqual(await api.get('/non-employee-records'), []);
  assert.equal((await api.post(SOURCES, body({ name: source.name }))).name,
    source.name);
});

test('every change of a source leaves one audit row', async () => {
  const source = await api.post(SOURCES, body());
  const path = `${SOURCES}/${source.id}`;
  await api.patch(path, replace('/name', `Renamed ${source.id}`));
  await api.patch(path, []);
  await api.patch(path, [
    { op: 'replace', path: '/description', value: 'new' },
    { op: 'add', path: '/approvers/-', value: ann.id }]);
  await api.delete(path);
  const rows = await api.get('/audit-events?filters=' +
    encodeURIComponent(`object eq "${source.id}"`));
  assert.deepEqual(rows.map(({ event, detail }) => [event, detail]), [
    ['NON_EMPLOYEE_SOURCE_CREATED', ''],
    ['NON_EMPLOYEE_SOURCE_UPDATED', 'name'],
    ['NON_EMPLOYEE_SOURCE_UPDATED', 'description approvers'],
    ['NON_EMPLOYEE_SOURCE_DELETED', '']]);
  for (const row of rows) {
    assert.equal(row.actor, boss.id);
    assert.match(row.requestId, /^[0-9a-f]{32}$/);
  }
});

test('the command line makes the same sources', async () => {
  const made = await world.json('source', 'create', '--name', 'By hand',
    '--description', 'd', '--owner', 'admin', '--approver', 'bob',
    '--approver', 'ann', '--account-manager', 'ann');
  const full = await api.get(`${SOURCES}/${made.id}`);
  assert.deepEqual(made, { ...full, cloudExternalId: made.cloudExternalId });
  assert.deepEqual(full.approvers.map(({ name }) => name), ['bob', 'Ann A.']);
  const { code, stderr } = await world.cli(['source', 'create', '--name',
    'More', '--description', 'd', '--owner', 'admin', '--approver', 'nobody'],
  { code: 1 });
  assert.equal(code, 1);
  assert.match(stderr, /no identity with the alias "nobody"/);
  const rows = await world.json('audit', 'list', '--filters',
    `object eq "${made.id}"`);
  assert.deepEqual(rows.map(({ event, actor }) => [event, actor]),
    [['NON_EMPLOYEE_SOURCE_CREATED', undefined]]);
});
