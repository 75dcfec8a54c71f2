// The checks that decide whether a build is compatible, one test each.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import {
  PREFIXES, SPELLINGS, check401, check429, downloadPath, request, templatePath,
} from './lib/http.js';
import { World } from './lib/nelm.js';
import {
  Caller, HEADER, admin, person, personBody, replace, sourceBody,
} from './lib/registry.js';

const PUBLISHED_SAMPLE = `${HEADER}
Jon.Smith, Jon, Smith, 555-555-5555, jon@jon.doe.nope.com, Jim Smith, ` +
`2020-04-05T08:00:00-10:00,2020-08-07T19:00:00-10:00
William.Chaffin, William, Chaffin, 555-555-5555, ` +
`william@chaffins.nope.com, Bertram Chaffin, ` +
`2020-04-05T08:00:00-10:00,2020-08-07T19:00:00-10:00
`;

let world, server, boss, manager, first, second, third;
let names = 0;

before(async () => {
  world = await World.create();
  server = await world.serve();
  boss = { ...world.admin.identity, api: await admin(world, server) };
  manager = await person(world, server, 'manager');
  first = await person(world, server, 'first');
  second = await person(world, server, 'second');
  third = await person(world, server, 'third');
});
after(() => world?.done());

const newSource = (people = {}) => boss.api.post('/non-employee-sources',
  sourceBody(`Source ${++names}`, boss, people));
const attributes = (source) =>
  `/non-employee-sources/${source.id}/schema-attributes`;
const newRecord = (source, name, extra) => boss.api.post(
  '/non-employee-records', personBody(source, name, 'manager', extra));
const newRequest = (source, name) => manager.api.post(
  '/non-employee-requests', personBody(source, name, 'manager'));
const recordsOf = async (source) => boss.api.get('/non-employee-records' +
  `?filters=${encodeURIComponent(`sourceId eq "${source.sourceId}"`)}`);
const decide = (item, verb, comment) =>
  [`/non-employee-approvals/${item.id}/${verb}`,
    comment === undefined ? {} : { comment }];

test('1: a token by query, form, multipart, mixed and Basic', async (t) => {
  const { clientId, clientSecret } = world.admin;
  const form = (fields) => new URLSearchParams(fields).toString();
  const grant = { grant_type: 'client_credentials' };
  const client = { client_id: clientId, client_secret: clientSecret };
  const urlencoded = { 'Content-Type': 'application/x-www-form-urlencoded' };
  const multipart = (fields) => Object.entries(fields).map(([name, value]) =>
    `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`)
    .join('') + '--b--\r\n';
  const ways = {
    query: { query: { ...grant, ...client } },
    form: { headers: urlencoded, body: form({ ...grant, ...client }) },
    multipart: {
      headers: { 'Content-Type': 'multipart/form-data; boundary=b' },
      body: multipart({ ...grant, ...client }),
    },
    mixed: { query: grant, headers: urlencoded, body: form(client) },
    Basic: {
      headers: {
        ...urlencoded,
        Authorization: 'Basic ' +
          Buffer.from(`${clientId}:${clientSecret}`).toString('base64'),
      },
      body: form(grant),
    },
  };
  for (const [name, { query, headers, body }] of Object.entries(ways))
    await t.test(name, async () => {
      const answer = await request(server, {
        method: 'POST', headers, body,
        path: `/oauth/token${query ? `?${form(query)}` : ''}`,
      });
      assert.equal(answer.status, 200, answer.text);
      await new Caller(server, answer.json.access_token)
        .get('/non-employee-sources');
    });
  await t.test('a wrong secret', async () => {
    const answer = await request(server, {
      method: 'POST', path: '/oauth/token', headers: urlencoded,
      body: form({ ...grant, ...client, client_secret: '0'.repeat(64) }),
    });
    assert.equal(answer.status, 401);
    assert.equal(answer.json.error, 'invalid_client');
  });
});

test('2: 401 without a token, 429 from the 101st call on', async () => {
  const limited = await world.serve([]);
  check401(await request(limited, { path: '/v3/non-employee-sources' }),
    'JWT is required');
  const api = new Caller(limited, boss.api.token);
  for (let n = 0; n < 100; n++)
    await api.get('/non-employee-sources?limit=0');
  check429(await api.call('GET', '/non-employee-sources?limit=0'), 10);
  await limited.stop('SIGKILL');
});

test('3: three approvers pass, four do not; eight attributes', async () => {
  const body = sourceBody('Three', boss,
    { approvers: [first, second, third] });
  await boss.api.refuse('400.1.4 Limit violation', 'POST',
    '/non-employee-sources', {
      ...body, name: 'Four', approvers: [...body.approvers, { id: boss.id }],
    });
  const source = await boss.api.post('/non-employee-sources', body);
  assert.deepEqual(source.approvers.map(({ id }) => id),
    [first.id, second.id, third.id]);
  const schema = await boss.api.get(attributes(source));
  assert.deepEqual(schema.map(({ technicalName }) => technicalName).join(','),
    HEADER);
  assert.ok(schema.every(({ system, required }) => system && required));
});

test('4: ten custom attributes, no eleventh, no double, no DATE', async () => {
  const source = await newSource();
  const body = (technicalName) =>
    ({ type: 'TEXT', label: technicalName, technicalName });
  await boss.api.refuse('400.1.3 Illegal value', 'POST', attributes(source),
    { ...body('day'), type: 'DATE' });
  for (let n = 1; n <= 9; n++)
    await boss.api.post(attributes(source), body(`column${n}`));
  await boss.api.refuse('400.1.409 Reference conflict', 'POST',
    attributes(source), body('COLUMN3'));
  const tenth = await boss.api.post(attributes(source), body('column10'));
  assert.equal(tenth.system, false);
  await boss.api.refuse('400.1.4 Limit violation', 'POST',
    attributes(source), body('column11'));
  assert.equal((await boss.api.get(attributes(source))).length, 18);
});

test('5: the template is the export of an empty source', async () => {
  const source = await newSource();
  await boss.api.post(attributes(source),
    { type: 'TEXT', label: 'Cost center', technicalName: 'costCenter' });
  const template = await boss.api.call('GET',
    templatePath(source.id, ''));
  assert.equal(template.status, 200);
  assert.equal(template.text, `${HEADER},costCenter\n`);
  assert.equal(template.text, await boss.api.export(source));
});

test('6: an export asked for as JSON is CSV', async () => {
  const source = await newSource();
  const answer = await boss.api.call('GET', downloadPath(source.id, ''),
    undefined, { headers: { Accept: 'application/json' } });
  assert.equal(answer.status, 200);
  assert.match(answer.headers['content-type'], /^text\/csv/);
});

test('7: the published sample, blanks and display names', async () => {
  await world.identity('jim.smith', { name: 'Jim Smith' });
  await world.identity('bertram', { name: 'Bertram Chaffin' });
  const source = await newSource();
  const job = await boss.api.uploaded(source, PUBLISHED_SAMPLE);
  assert.equal(job.status, 'COMPLETED');
  const records = await recordsOf(source);
  assert.deepEqual(
    records.map(({ accountName, lastName, manager: m, startDate }) =>
      [accountName, lastName, m, startDate]), [
      ['Jon.Smith', 'Smith', 'jim.smith', '2020-04-05T08:00:00-10:00'],
      ['William.Chaffin', 'Chaffin', 'bertram', '2020-04-05T08:00:00-10:00'],
    ]);
  assert.equal(await boss.api.export(source), `${HEADER}
Jon.Smith,Jon,Smith,555-555-5555,jon@jon.doe.nope.com,jim.smith,` +
`2020-04-05T08:00:00-10:00,2020-08-07T19:00:00-10:00
William.Chaffin,William,Chaffin,555-555-5555,william@chaffins.nope.com,` +
`bertram,2020-04-05T08:00:00-10:00,2020-08-07T19:00:00-10:00
`);
});

test('8: uploading the unchanged export changes nothing', async () => {
  const source = await newSource();
  await boss.api.post(attributes(source),
    { type: 'TEXT', label: 'Note', technicalName: 'note' });
  for (const name of ['a.one', 'b.two'])
    await newRecord(source, name, { data: { note: ` "${name}", \n` } });
  const [before_, csv] =
    [await recordsOf(source), await boss.api.export(source)];
  const job = await boss.api.uploaded(source, csv);
  assert.equal(job.status, 'COMPLETED');
  assert.deepEqual(await recordsOf(source), before_);
  assert.equal(await boss.api.export(source), csv);
});

test('9: one bad line refuses the file and is named', async () => {
  const source = await newSource();
  await newRecord(source, 'kept.one');
  const [before_, csv] =
    [await recordsOf(source), await boss.api.export(source)];
  const answer = await boss.api.upload(source,
    `${csv.replace('kept,', 'Changed,')}` +
    'new.one,New,One,1,new@example.com,manager,2024-01-01,2025-01-01\n' +
    'bad.one,Bad,One,1,,manager,2024-01-01,2025-01-01\n');
  assert.equal(answer.status, 400);
  assert.equal(answer.json.detailCode, '400.1 Bad Request Content');
  assert.match(answer.json.messages[0].text, /^Line 4: email is required;/);
  assert.deepEqual(await recordsOf(source), before_);
});

test('10: three approvers decide in order', async () => {
  const source = await newSource(
    { approvers: [first, second, third], managers: [manager] });
  const { id, approvalItems: items } = await newRequest(source, 'chain.one');
  assert.deepEqual(items.map((item) =>
    [item.approvalOrder, item.approvalStatus, item.approver.id]), [
    [0, 'PENDING', first.id], [1, 'NOT_READY', second.id],
    [2, 'NOT_READY', third.id],
  ]);
  await second.api.refuse('400.1 Bad Request Content', 'POST',
    ...decide(items[1], 'approve'), { text: undefined });
  for (const [n, approver] of [first, second, third].entries()) {
    assert.equal((await recordsOf(source)).length, 0);
    const item = await approver.api.post(...decide(items[n], 'approve'));
    assert.equal(item.approvalStatus, 'APPROVED');
  }
  const [record] = await recordsOf(source);
  assert.equal(record.accountName, 'chain.one');
  const done = await boss.api.get(`/non-employee-requests/${id}`);
  assert.equal(done.approvalStatus, 'APPROVED');
  assert.ok(done.completionDate);
});

test('11: a rejection needs a comment and ends the request', async () => {
  const source = await newSource(
    { approvers: [first, second], managers: [manager] });
  const summary = '/non-employee-requests/summary/me';
  const before_ = await manager.api.get(summary);
  const { id, approvalItems: [item, later] } =
    await newRequest(source, 'not.wanted');
  await first.api.refuse('400.1 Bad Request Content', 'POST',
    ...decide(item, 'reject'), { text: 'comment is required;' });
  const refused = await first.api.post(...decide(item, 'reject', 'no desk'));
  assert.equal(refused.approvalStatus, 'REJECTED');
  assert.equal(refused.comment, 'no desk');
  const request_ = await boss.api.get(`/non-employee-requests/${id}`);
  assert.equal(request_.approvalStatus, 'REJECTED');
  assert.deepEqual(
    request_.approvalItems.map(({ approvalStatus }) => approvalStatus),
    ['REJECTED', 'CANCELLED']);
  await second.api.refuse('400.1 Bad Request Content', 'POST',
    ...decide(later, 'approve'), { text: undefined });
  assert.deepEqual(await recordsOf(source), []);
  assert.deepEqual(await manager.api.get(summary),
    { ...before_, rejected: before_.rejected + 1 });
});

test('12: an administrator decides for nobody else', async () => {
  const source = await newSource({ approvers: [first], managers: [manager] });
  const { approvalItems: [item] } = await newRequest(source, 'for.first');
  for (const verb of ['approve', 'reject'])
    await boss.api.refuse('403 Forbidden', 'POST',
      ...decide(item, verb, 'because I can'));
});

test('13: what an account manager may do', async () => {
  const source = await newSource({ managers: [manager] });
  const record = await newRecord(source, 'some.body');
  const path = `/non-employee-records/${record.id}`;
  const later = await manager.api.patch(path,
    replace('/endDate', '2031-01-01T00:00:00Z'));
  assert.equal(later.endDate, '2031-01-01T00:00:00Z');
  await manager.api.refuse('403 Forbidden', 'PATCH', path,
    replace('/phone', '1'));
  await manager.api.refuse('403 Forbidden', 'GET',
    downloadPath(source.id, ''));
  const asked = await newRequest(source, 'asked.for');
  assert.equal(asked.approvalStatus, 'APPROVED');
  await manager.api.refuse('403 Forbidden', 'POST', '/non-employee-records',
    personBody(source, 'never.made', 'manager'));
  assert.deepEqual((await recordsOf(source)).map((r) => r.accountName),
    ['some.body', 'asked.for']);
});

test('14: an application token deletes records, patches none', async () => {
  const source = await newSource();
  const record = await newRecord(source, 'machine.made');
  const client = await world.client('robot', { scopes: ['sp:scopes:all'] });
  const robot = new Caller(server, await world.token(server, client));
  const path = `/non-employee-records/${record.id}`;
  await robot.refuse('403 Forbidden', 'PATCH', path, replace('/phone', '1'));
  await robot.delete(path);
});

test('15: requests are listed for somebody', async () => {
  await boss.api.refuse('400.1 Bad Request Content', 'GET',
    '/non-employee-requests', undefined,
    { text: 'requested-for is required;' });
  await boss.api.get('/non-employee-requests?requested-for=me');
});

test('16: limit, offset, count, sorters and filters', async () => {
  const source = await newSource();
  const other = await newSource();
  for (const name of ['page.one', 'page.two', 'page.three'])
    await newRecord(source, name);
  await newRecord(other, 'page.other');
  const list = (query) => boss.api.call('GET',
    `/non-employee-records?${query}`);
  const of = (id) => 'filters=' + encodeURIComponent(`sourceId eq "${id}"`);
  for (const bad of ['limit=251', 'limit=-1', 'limit=', 'offset=-1'])
    await boss.api.refuse('400.1.3 Illegal value', 'GET',
      `/non-employee-records?${bad}`);
  assert.deepEqual((await list('offset=100000')).json, []);
  const counted = await list(`${of(source.id)}&count=true&limit=0`);
  assert.deepEqual(counted.json, []);
  assert.equal(counted.headers['x-total-count'], '3');
  assert.equal((await list(of(source.id))).headers['x-total-count'],
    undefined);
  const forth = (await list(`${of(source.id)}&sorters=created`)).json;
  const back = (await list(`${of(source.id)}&sorters=-created`)).json;
  assert.deepEqual(back, [...forth].reverse());
  for (const id of [source.id, source.sourceId])
    for (const [how, spell] of Object.entries(SPELLINGS))
      assert.deepEqual((await list(of(spell(id)))).json, forth, how);
});

test('17: sources are counted when asked', async () => {
  const source = await newSource();
  await newRecord(source, 'counted.one');
  for (const [query, want] of [
    ['', null], ['?non-employee-count=false', null],
    ['?non-employee-count=true', 1],
  ]) {
    const list = await boss.api.get(`/non-employee-sources${query}`);
    const found = list.find(({ id }) => id === source.id);
    assert.equal(found.nonEmployeeCount, want, query);
  }
});

test('18: 200 for what is made, 204 for what is gone, 202 for a file',
  async () => {
    const source = await newSource({ managers: [manager] });
    const attribute = await boss.api.post(attributes(source),
      { type: 'TEXT', label: 'Note', technicalName: 'note' });
    const record = await newRecord(source, 'short.lived');
    const asked = await newRequest(source, 'also.short');
    const upload = await boss.api.upload(source, `${HEADER}\n`);
    assert.equal(upload.status, 202);
    assert.equal((await boss.api.settled(source)).status, 'COMPLETED');
    for (const path of [
      `/non-employee-requests/${asked.id}`,
      `/non-employee-records/${record.id}`,
      `${attributes(source)}/${attribute.id}`, attributes(source),
      `/non-employee-sources/${source.id}`,
    ]) {
      const answer = await boss.api.call('DELETE', path);
      assert.equal(answer.status, 204, `${path}: ${answer.text}`);
      assert.equal(answer.body.length, 0);
    }
  });

test('19: Date, SLPT-Request-ID and trackingId on every answer', async () => {
  // Caller.call() checks every answer of every test here; these are the kinds.
  const kinds = [
    [200, 'GET', '/non-employee-sources'],
    [400, 'GET', '/non-employee-sources?limit=x'],
    [400, 'POST', '/non-employee-sources', '{'],
    [404, 'GET', '/nothing-here'],
    [404, 'GET', '/non-employee-records/nobody'],
    [405, 'PUT', '/non-employee-sources', '{}'],
    [415, 'POST', '/non-employee-sources', 'a,b', { type: 'text/csv' }],
  ];
  const seen = new Set();
  for (const [status, ...call] of kinds) {
    const answer = await boss.api.call(...call);
    assert.equal(answer.status, status, `${call}: ${answer.text}`);
    seen.add(answer.headers['slpt-request-id']);
  }
  assert.equal(seen.size, kinds.length);
  assert.equal((await new Caller(server)
    .call('GET', '/non-employee-sources')).status, 401);
  assert.equal((await new Caller(server, boss.api.token)
    .call('POST', '/non-employee-sources', Buffer.alloc(1100000, 32)))
    .status, 413);
});

test('20: the same export under every form of the URL', async () => {
  const source = await newSource();
  await newRecord(source, 'every.where');
  const want = await boss.api.export(source);
  for (const path of [
    ...PREFIXES.map((prefix) => downloadPath(source.id, prefix)),
    `/non-employee-sources/v1/${source.id}/non-employees/download`,
  ]) {
    const answer = await request(server, { path, token: boss.api.token });
    assert.equal(answer.status, 200, path);
    assert.equal(answer.text, want, path);
  }
});
