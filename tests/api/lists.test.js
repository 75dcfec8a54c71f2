// limit, offset, count, filters and sorters (contract 7).

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { World } from './lib/nelm.js';
import { SPELLINGS } from './lib/http.js';
import { admin, person, personBody, sourceBody } from './lib/registry.js';

let world, server, api, manager, one, two;
const LISTS = ['/non-employee-sources', '/non-employee-records',
  '/non-employee-approvals', '/public-identities', '/audit-events',
  '/non-employee-requests?requested-for=me'];

before(async () => {
  world = await World.create();
  server = await world.serve();
  api = await admin(world, server);
  manager = await person(world, server, 'manager');
  [one, two] = await Promise.all(['One', 'Two'].map((name) => api.post(
    '/non-employee-sources', sourceBody(name, world.admin.identity,
      { approvers: [manager], managers: [world.admin.identity] }))));
  for (const [i, name] of ['delta', 'Alpha', 'charlie', 'Bravo'].entries()) {
    const body = personBody(i % 2 ? two : one, name, 'manager', {
      email: `${name}@example.com`, phone: String(i),
      startDate: `2020-01-0${i + 1}T00:00:00${i % 2 ? '+14:00' : 'Z'}`,
    });
    await api.post('/non-employee-records', body);
    await api.post('/non-employee-requests',
      { ...body, accountName: `${name}.asked` });
  }
});
after(() => world?.done());

const with_ = (path, query) => `${path}${path.includes('?') ? '&' : '?'}` +
  new URLSearchParams(query).toString();

for (const path of LISTS)
  test(`paging of ${path}`, async () => {
    const all = await api.get(path);
    assert.ok(all.length > 0);
    const walked = [];
    for (let offset = 0; offset < all.length; offset++)
      walked.push(...await api.get(with_(path, { limit: 1, offset })));
    assert.deepEqual(walked.map(({ id }) => id), all.map(({ id }) => id));
    assert.deepEqual(await api.get(with_(path, { offset: 100000 })), []);
    const counted = await api.expect(200, 'GET', with_(path, { count: true }));
    assert.equal(counted.length, all.length);
    for (const [query, total] of [[{ count: true }, String(all.length)],
      [{ count: 'true', limit: 0 }, String(all.length)],
      [{ count: true, offset: 9999999 }, String(all.length)],
      [{ count: false }, undefined], [{}, undefined]]) {
      const answer = await api.call('GET', with_(path, query));
      assert.equal(answer.headers['x-total-count'], total);
    }
    for (const query of [{ limit: 251 }, { limit: -1 }, { limit: '' },
      { limit: '1.0' }, { limit: '+1' }, { limit: ' 1' }, { limit: 'x' },
      { limit: '99999999999999999999' }, { offset: -1 }, { offset: '' },
      { offset: '0x1' }, { offset: '99999999999999999999' },
      { count: '' }, { count: 'yes' }, { sorters: '' },
      { sorters: 'nothing' }, { sorters: 'created,' },
      { sorters: 'created,created' }, { sorters: '-' }])
      if (!(path === '/public-identities' && query.sorters === 'created'))
        await api.refuse('400.1.3 Illegal value', 'GET', with_(path, query));
    await api.get(with_(path, { limit: 250, offset: '0', colour: '' }));
    const head = await api.call('HEAD', with_(path, { count: true }));
    assert.equal(head.headers['x-total-count'], String(all.length));
    assert.equal(head.body.length, 0);
  });

test('filters of records: either id of a source, in every spelling',
  async () => {
    const all = await api.get('/non-employee-records');
    for (const id of [two.id, two.sourceId])
      for (const [what, spell] of Object.entries(SPELLINGS))
        for (const filters of [`sourceId eq "${spell(id)}"`,
          `sourceId eq ${spell(id)}`, `(sourceId eq "${spell(id)}")`,
          `not sourceId eq "${one.id}"`,
          `sourceId eq "${two.id}" or sourceId eq "nothing"`])
          assert.deepEqual(await api.get(with_('/non-employee-records',
            { filters })), all.filter(({ sourceId }) =>
            sourceId === two.sourceId), `${what}: ${filters}`);
    const answer = await api.call('GET', with_('/non-employee-records',
      { filters: `sourceId eq "${two.id}"`, count: true, limit: 1 }));
    assert.equal(answer.headers['x-total-count'], '2');
    assert.equal(answer.json.length, 1);
    assert.deepEqual(await api.get(with_('/non-employee-records',
      { filters: 'sourceId eq "not there"' })), []);
  });

test('filters that are refused, on every list that has some', async () => {
  for (const path of LISTS.slice(1))
    for (const filters of ['', 'sourceId', 'sourceId EQ "x"',
      'nothing eq "x"', 'sourceId eq', 'sourceId eq "x', '(', ')',
      'sourceId eq "x" and', 'sourceId ne "x"', 'id gt "x"', '"',
      'not '.repeat(100) + 'x eq "y"', '('.repeat(1000), "x' OR 1=1 --",
      'approvalStatus eq', `approvalStatus sw "P"`])
      await api.refuse('400.1.3 Illegal value', 'GET',
        with_(path, { filters }));
  await api.refuse('400.0 Bad request syntax', 'GET',
    '/non-employee-records?filters=%00');
  // Sources have no filters, so whatever comes is an unknown parameter.
  assert.equal((await api.get(with_('/non-employee-sources',
    { filters: '(' }))).length, 2);
});

const SORTS = {
  '/non-employee-sources': ['name', 'created', 'sourceId'],
  '/non-employee-records': ['id', 'accountName', 'sourceId', 'manager',
    'firstName', 'lastName', 'email', 'phone', 'startDate', 'endDate',
    'created', 'modified'],
  '/non-employee-requests?requested-for=me': ['created', 'approvalStatus',
    'firstName', 'lastName', 'email', 'phone', 'accountName', 'startDate',
    'endDate'],
  '/non-employee-approvals': ['created', 'modified'],
  '/public-identities': ['name'],
};

test('sorters: every field, both ways, ties by creation', async (t) => {
  for (const [path, fields] of Object.entries(SORTS))
    for (const field of fields)
      await t.test(`${path} by ${field}`, async () => {
        const all = await api.get(path);
        const key = (item) => (field.endsWith('Date')
          ? Date.parse(item[field]) : item[field].toLowerCase());
        const compare = (a, b) => (key(a) < key(b) ? -1
          : key(a) > key(b) ? 1 : 0);
        assert.deepEqual((await api.get(with_(path, { sorters: field })))
          .map(key), [...all].sort(compare).map(key));
        assert.deepEqual((await api.get(with_(path,
          { sorters: `-${field}` }))).map(key),
        [...all].sort((a, b) => compare(b, a)).map(key));
      });
  await t.test('several', async () => {
    const got = await api.get(with_('/non-employee-records',
      { sorters: 'sourceId,-accountName' }));
    assert.deepEqual(got.map(({ accountName }) => accountName),
      one.sourceId < two.sourceId ? ['delta', 'charlie', 'Bravo', 'Alpha']
        : ['Bravo', 'Alpha', 'delta', 'charlie']);
  });
});

test('a list of large records is whole', async () => {
  const big = await api.post('/non-employee-sources',
    sourceBody('Big', world.admin.identity));
  const names = Array(10).fill(0).map((_, i) => `c${i}`);
  for (const technicalName of names)
    await api.post(`/non-employee-sources/${big.id}/schema-attributes`,
      { type: 'TEXT', label: 'x', technicalName });
  const data = Object.fromEntries(names.map((name) =>
    [name, '\u0001\u{1f600}'.repeat(2000)]));
  for (let i = 0; i < 60; i++)
    await api.post('/non-employee-records',
      personBody(big, `big.${i}`, 'manager', { data }));
  const got = await api.get(with_('/non-employee-records',
    { filters: `sourceId eq "${big.id}"` }));
  assert.equal(got.length, 60);
  for (const record of got)
    assert.deepEqual(record.data, data);
});
