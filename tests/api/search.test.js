// search, state and sorters of the record list, and the statistics: against
// what the same records say here; with the index, after changes, and while it
// is being made again; for all, for one source and for a manager's own.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { World } from './lib/nelm.js';
import {
  admin, person, personBody, replace, sourceBody,
} from './lib/registry.js';

const ROWS = 20_500; // more than are just read

let world;
let server;
let root;
let manager;
let big;
let small;
let records;

async function all(api, query = '') {
  const rows = [];
  for (let offset = 0; ; offset += 250) {
    const page = await api.get(
      `/non-employee-records?limit=250&offset=${offset}${query}`);
    rows.push(...page);
    if (page.length < 250)
      return rows;
  }
}

before(async () => {
  world = await World.create();
  await world.sampleManagers();
  big = await world.source('Big');
  await world.import(big, await world.sample(ROWS));
  server = await world.serve();
  root = await admin(world, server);
  manager = await person(world, server, 'mia');
  small = await root.post('/non-employee-sources', sourceBody('Small',
    world.admin.identity, { managers: [manager] }));
  for (const [name, extra] of [
    ['Anna.Lee', {}], ['Ånke.Leander', {}], ['von.Hausen',
      { firstName: 'Uwe', lastName: 'von der Leyen' }],
    ['gone.away', { startDate: '2019-01-01', endDate: '2020-01-01' }],
    ['to.come', { startDate: '2190-01-01', endDate: '2190-01-02' }]])
    await root.post('/non-employee-records',
      personBody(small, name, 'mia', extra));
  records = await all(root);
  assert.equal(records.length, ROWS + 5);
});
after(() => world?.done());

const fold = (text) => text.toLowerCase();
const names = (r) => [r.firstName, r.lastName, r.accountName, r.email,
  r.manager].map(fold);
const begins = (r, term) => names(r).some((name) => name.startsWith(term));

function found(list, text) {
  const terms = fold(text).split(' ').filter(Boolean);
  const by = list.filter((r) => terms.every((term) => begins(r, term)));
  return by.length ? by : list.filter((r) => begins(r, fold(text)));
}

function state(r) {
  const [start, end, now] = [Date.parse(r.startDate), Date.parse(r.endDate),
    Date.now()];
  if (end < now)
    return 'ended';
  if (start > now)
    return 'future';
  return end < now + 30 * 86_400_000 ? 'ending' : 'active';
}

const ids = (list) => list.map(({ id }) => id).sort();

// `still`: false while the index catches up, which may change the order between
// two pages: then what does not fit one page is left out.
async function checkSearch(api, own, where, filter = '', still = true) {
  for (const text of ['leitao1', 'in', 'INÊS l', 'b.liskov', 'anna', 'ån',
    'von der ley', 'von der', 'zzzz', 'lee anna', '%', 'a" or']) {
    const want = found(own, text);
    if (!still && want.length > 250)
      continue;
    const query = `&search=${encodeURIComponent(text)}${filter}`;
    assert.deepEqual(ids(await all(api, query)), ids(want), `${where}: ${text}`);
  }
}

async function check(api, own, where, filter = '') {
  await checkSearch(api, own, where, filter);
  for (const name of ['active', 'ending', 'future', 'ended']) {
    const want = own.filter((r) => state(r) === name);
    const got = await all(api, `&state=${name}${filter}`);
    assert.deepEqual(ids(got), ids(want), `${where}: ${name}`);
    const ends = got.map(({ endDate }) => Date.parse(endDate));
    assert.deepEqual(ends, [...ends].sort((a, b) => a - b));
    const counted = await api.call('GET',
      `/non-employee-records?limit=1&count=true&state=${name}${filter}`);
    assert.equal(counted.headers['x-total-count'], String(want.length));
  }
  const both = await all(api, `&search=an&state=future${filter}`);
  assert.deepEqual(ids(both),
    ids(found(own, 'an').filter((r) => state(r) === 'future')), where);
  for (const by of ['lastName', 'firstName', 'accountName', 'email', 'manager',
    'startDate', 'endDate'])
    for (const minus of ['', '-']) {
      const value = (r) => (by.endsWith('Date') ? Date.parse(r[by])
        : Buffer.from(fold(r[by])));
      const order = (a, b) => (by.endsWith('Date') ? value(a) - value(b)
        : Buffer.compare(value(a), value(b)));
      const want = [...own].sort((a, b) => (minus ? -1 : 1) * order(a, b) ||
        (a.id < b.id ? -1 : 1));
      const offset = Math.floor(own.length / 3);
      const got = await api.get('/non-employee-records?limit=50' +
        `&offset=${offset}&sorters=${minus}${by}${filter}`);
      assert.deepEqual(got.map(({ id }) => id),
        want.slice(offset, offset + 50).map(({ id }) => id),
        `${where}: ${minus}${by}`);
    }
}

async function checkCounts(api, own, query = '') {
  const told = await api.get(`/non-employee-statistics?weeks=8${query}`);
  const counts = { total: own.length, active: 0, ending: 0, future: 0,
    ended: 0 };
  for (const r of own)
    counts[state(r)]++;
  assert.deepEqual(told.states, counts);
  for (const { begins: monday, starts, ends, headcount } of told.weeks) {
    const from = Date.parse(monday);
    assert.equal(new Date(from).getUTCDay(), 1);
    const to = from + 7 * 86_400_000;
    const within = (name) => own.filter((r) => Date.parse(r[name]) >= from &&
      Date.parse(r[name]) < to).length;
    assert.equal(starts, within('startDate'));
    assert.equal(ends, within('endDate'));
    assert.equal(headcount, own.filter((r) => Date.parse(r.startDate) < to)
      .length - own.filter((r) => Date.parse(r.endDate) < to).length);
  }
  const ending = own.filter((r) => state(r) === 'ending');
  const most = Math.max(0, ...Object.values(ending.reduce((sum, r) =>
    ({ ...sum, [r.manager]: (sum[r.manager] ?? 0) + 1 }), {})));
  assert.equal(told.endingByManager[0]?.count ?? 0, most);
  assert.equal(told.endingBySource.reduce((sum, { count }) => sum + count, 0),
    ending.length);
}

async function checkEverybody(when) {
  const bigId = big.sourceId;
  await check(root, records, `${when}, all`);
  await check(root, records.filter((r) => r.sourceId === bigId),
    `${when}, one source`, `&filters=sourceId%20eq%20%22${bigId}%22`);
  await checkCounts(root, records);
  await checkCounts(root, records.filter((r) => r.sourceId === bigId),
    `&source-id=${bigId}`);
  const mine = records.filter((r) => r.sourceId === small.sourceId);
  await check(manager.api, mine, `${when}, a manager's own`);
  await checkCounts(manager.api, mine);
}

test('with the index, after changes, and without it', async () => {
  await world.caughtUp();
  await checkEverybody('indexed');
  // A change is seen at once: found by the new name, not by the old.
  const [rita] = await root.get('/non-employee-records?search=leitao1');
  await root.call('PATCH', `/non-employee-records/${rita.id}`,
    replace('/lastName', 'Zzyzx'));
  const [gone] = await root.get('/non-employee-records?search=in%C3%AAs');
  await root.call('DELETE', `/non-employee-records/${gone.id}`);
  records = await all(root);
  assert.equal(records.length, ROWS + 4);
  await check(root, records, 'changed');
  await checkCounts(root, records);
  // Without it everything is the same, slower.
  await server.stop();
  await world.sql('DELETE FROM record_find; DELETE FROM record_find_done');
  server = await world.serve();
  root = await admin(world, server);
  manager.api.server = server;
  await checkCounts(root, records);
  await checkSearch(root, records, 'behind or not', '', false);
  await world.caughtUp();
});

test('a deleted source leaves nothing to be found', async () => {
  await world.caughtUp();
  await root.call('DELETE', `/non-employee-sources/${big.id}`);
  assert.equal(await world.sql('SELECT count(*) FROM record_find'),
    String(7 * 5));
  assert.equal((await all(root)).length, 5);
});

test('parameters are checked', async () => {
  for (const query of ['state=x', 'state=', 'search=', 'search=a&sorters=email',
    `search=${'x'.repeat(257)}`])
    assert.equal((await root.call('GET', `/non-employee-records?${query}`))
      .status, 400, query);
  for (const query of ['weeks=-1', 'weeks=105', 'source-id=x'])
    assert.equal((await root.call('GET', `/non-employee-statistics?${query}`))
      .status, 400, query);
  assert.equal((await manager.api.get('/non-employee-records?search=%20'))
    .length, 5, 'a blank search is none');
});
