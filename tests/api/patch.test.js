// JSON Patch as callers send it (contract 8): all of it or nothing.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { World } from './lib/nelm.js';
import {
  admin, person, personBody, replace, sourceBody,
} from './lib/registry.js';

let world, server, api, ann, bob, source, record, onSource, onRecord;

before(async () => {
  world = await World.create();
  server = await world.serve();
  api = await admin(world, server);
  ann = await person(world, server, 'ann');
  bob = await person(world, server, 'bob');
  source = await api.post('/non-employee-sources', sourceBody('Patched',
    world.admin.identity, { approvers: [ann], managers: [ann, bob] }));
  onSource = `/non-employee-sources/${source.id}`;
  for (const technicalName of ['note', 'a.b'])
    await api.post(`${onSource}/schema-attributes`,
      { type: 'TEXT', label: technicalName, technicalName });
  record = await api.post('/non-employee-records',
    personBody(source, 'abby.smith', 'ann', { data: { note: 'n' } }));
  onRecord = `/non-employee-records/${record.id}`;
});
after(() => world?.done());

const names = (people) => people.map(({ name }) => name);

test('lists of people, as texts, as objects, and by element', async () => {
  const rows = [
    [replace('/approvers', [bob.id]), ['bob']],
    [replace('/approvers', [{ id: ann.id }, { type: 'IDENTITY', id: bob.id }]),
      ['ann', 'bob']],
    [[{ op: 'move', from: '/approvers/1', path: '/approvers/0' }],
      ['bob', 'ann']],
    [[{ op: 'remove', path: '/approvers/0' }], ['ann']],
    [[{ op: 'add', path: '/approvers/-', value: bob.id }], ['ann', 'bob']],
    [[{ op: 'replace', path: '/approvers/0',
      value: world.admin.identity.id }], ['Administrator', 'bob']],
    [[{ op: 'remove', path: '/approvers' }], []],
    [[{ op: 'copy', from: '/accountManagers', path: '/approvers' }],
      ['ann', 'bob']],
  ];
  for (const [patch, want] of rows)
    assert.deepEqual(names((await api.patch(onSource, patch)).approvers), want,
      JSON.stringify(patch));
});

test('of records: every path there is', async () => {
  const rows = [
    ['/accountName', 'Abby.New'], ['/firstName', 'A'], ['/lastName', 'B'],
    ['/email', 'a@b'], ['/phone', '1'], ['/manager', 'bob'],
    ['/startDate', '2020-01-01T00:00:00Z'],
    ['/endDate', '2019-08-23T18:40:35.772Z', '400.1.3 Illegal value'],
    ['/endDate', '2029-08-23T18:40:35.772Z'],
    ['/data', { note: 'x', 'a.b': 'y' }], ['/data/note', 'z'],
    ['/data/a.b', ''], ['/data/shoe', '44', '400.1.3 Illegal value'],
    ['/sourceId', 'x', '400.1.1 Illegal update attempt'],
    ['/id', 'x', '400.1.1 Illegal update attempt'],
    ['/created', 'x', '400.1.1 Illegal update attempt'],
    ['', {}, '400.1.1 Illegal update attempt'],
    ['/data/note/deep', 'x', '400.1.1 Illegal update attempt'],
    ['/manager', 'nobody', '400.1.3 Illegal value'],
    ['/email', null, '400.1 Bad Request Content'],
  ];
  for (const [path, value, code] of rows) {
    const patch = [{ op: 'add', path, value }];
    if (code) {
      await api.refuse(code, 'PATCH', onRecord, patch);
      continue;
    }
    const patched = await api.patch(onRecord, patch);
    if (!path.startsWith('/data'))
      assert.equal(patched[path.slice(1)], value, path);
  }
  assert.deepEqual((await api.get(onRecord)).data, { note: 'z' });
  assert.deepEqual((await api.patch(onRecord,
    [{ op: 'remove', path: '/data/note' }])).data, {});
});

const REFUSED = [
  ['no array', {}, '400.0 Bad request syntax'],
  ['no JSON', '[', '400.0 Bad request syntax'],
  ['no object', ['x'], '400.'],
  ['no op', [{ path: '/phone', value: 'x' }], '400.'],
  ['no path', [{ op: 'add', value: 'x' }], '400.'],
  ['no value', [{ op: 'add', path: '/phone' }], '400.'],
  ['no from', [{ op: 'move', path: '/phone' }], '400.'],
  ['an unknown op', [{ op: 'REPLACE', path: '/phone', value: '1' }], '400.'],
  ['a path without slash', [{ op: 'add', path: 'phone', value: '1' }],
    '400.'],
  ['a removed required member', [{ op: 'remove', path: '/phone' }],
    '400.1 Bad Request Content', 'phone is required;'],
  ['what is not there', [{ op: 'remove', path: '/data/note' }],
    '400.1.3 Illegal value'],
  ['a test that fails', [{ op: 'test', path: '/phone', value: 'x' }],
    '400.1.3 Illegal value'],
  ['a move of what must not change',
    [{ op: 'move', from: '/sourceId', path: '/phone' }],
    '400.1.1 Illegal update attempt'],
  ['a number', replace('/phone', 7), '400.1.3 Illegal value'],
  ['the second of two', [...replace('/phone', '22'),
    ...replace('/email', 'x')], '400.1.3 Illegal value'],
];

test('what is refused changes nothing', async (t) => {
  const before_ = await api.get(onRecord);
  for (const [what, patch, code, text] of REFUSED)
    await t.test(what, async () => {
      const answer = await api.call('PATCH', onRecord, patch);
      assert.equal(answer.status, 400, answer.text);
      assert.ok(answer.json.detailCode.startsWith(code), answer.text);
      if (text)
        assert.equal(answer.json.messages[0].text, text);
      assert.deepEqual(await api.get(onRecord), before_);
    });
});

test('modified moves with a change, and only with one', async () => {
  const before_ = await api.get(onRecord);
  for (const patch of [[], [{ op: 'test', path: '/phone',
    value: before_.phone }], replace('/phone', before_.phone)])
    assert.deepEqual(await api.patch(onRecord, patch), before_);
  const after_ = await api.patch(onRecord, replace('/phone', 'new'));
  assert.ok(after_.modified >= before_.modified);
  assert.equal(after_.created, before_.created);
});

test('both media types, and none', async () => {
  for (const type of ['application/json-patch+json', 'application/json', null,
    'application/json-patch+json; charset=UTF-8'])
    await api.expect(200, 'PATCH', onRecord, '[]', { type });
  const answer = await api.call('PATCH', onRecord, '[]',
    { type: 'application/merge-patch+json' });
  assert.equal(answer.status, 415);
});

test('of sources: what cannot be changed, and the same checks as create',
  async () => {
    const before_ = await api.get(onSource);
    for (const path of ['/owner', '/id', '/sourceId', '/managementWorkgroup',
      '/created', '', '/approvers/0/id', '/name/x'])
      await api.refuse('400.1.1 Illegal update attempt', 'PATCH', onSource,
        replace(path, 'x'));
    for (const [patch, code] of [
      [replace('/name', ' '), '400.1 Bad Request Content'],
      [[{ op: 'remove', path: '/description' }], '400.1 Bad Request Content'],
      [replace('/name', { 'new name': null }), '400.1.3 Illegal value'],
      [replace('/name', 'x'.repeat(129)), '400.1.2 Value length out of range'],
      [replace('/approvers', ['x']), '400.1.404 Referenced object not found'],
      [replace('/approvers', [7]), '400.1.3 Illegal value'],
      [replace('/approvers', [ann.id, ann.id]), '400.1.3 Illegal value'],
      [replace('/approvers', Array(4).fill(0).map((_, i) =>
        [ann, bob, world.admin.identity, { id: source.id }][i].id)),
      '400.1.4 Limit violation'],
      [[{ op: 'remove', path: '/approvers/9' }], '400.1.3 Illegal value']])
      await api.refuse(code, 'PATCH', onSource, patch);
    assert.deepEqual(await api.get(onSource), before_);
    await api.post('/non-employee-sources',
      sourceBody('Taken', world.admin.identity));
    await api.refuse('400.1.409 Reference conflict', 'PATCH', onSource,
      replace('/name', 'TAKEN'));
    await api.patch(onSource, replace('/name', 'PATCHED'));
  });
