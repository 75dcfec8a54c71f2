// Records: fields, their checks and the ways to write them (contract 9.4,
// 9.5, 12).

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { World } from './lib/nelm.js';
import {
  admin, person, personBody, replace, sourceBody,
} from './lib/registry.js';

let world, server, api, source, jane, manager;
const RECORDS = '/non-employee-records';
const UNKNOWN = '01890000-0000-7000-8000-000000000000';
let serial = 0;

before(async () => {
  world = await World.create();
  server = await world.serve();
  api = await admin(world, server);
  jane = await world.identity('jane.doe', { name: 'Jane Doe' });
  manager = await person(world, server, 'manager');
  source = await api.post('/non-employee-sources',
    sourceBody('People', world.admin.identity, { managers: [manager] }));
  for (const technicalName of ['note', 'cost'])
    await api.post(`/non-employee-sources/${source.id}/schema-attributes`,
      { type: 'TEXT', label: technicalName, technicalName });
});
after(() => world?.done());

const body = (extra) =>
  personBody(source, `person.${++serial}`, 'jane.doe', extra);
const make = (extra) => api.post(RECORDS, body(extra));

test('a record is what was sent, trimmed', async () => {
  const sent = body({
    firstName: ' Zoë ', sourceId: source.id.toUpperCase(),
    startDate: '2020-03-24T00:00:00-05:00',
    endDate: '2020-08-23T18:52:59.162Z', data: { note: ' kept  ' },
  });
  const made = await api.post(RECORDS, sent);
  const { id, created, modified, ...rest } = made;
  assert.deepEqual(rest, { ...sent, firstName: 'Zoë',
    sourceId: source.sourceId });
  assert.equal(created, modified);
  assert.deepEqual(await api.get(`${RECORDS}/${id}`), made);
  assert.deepEqual((await make()).data, {});
});

test('dates: every form that is let in, and what comes back', async (t) => {
  for (const [sent, want] of [
    ['2020-04-05T08:00Z', '2020-04-05T08:00:00Z'],
    ['2020-04-05T08:00:00', '2020-04-05T08:00:00Z'],
    ['2020-04-05', '2020-04-05T00:00:00Z'],
    ['2020-04-05T08:00:00.1239+00:00', '2020-04-05T08:00:00.123Z'],
    ['2020-04-05T08:00:00-10:00', '2020-04-05T08:00:00-10:00']])
    await t.test(sent, async () => assert.equal(
      (await make({ startDate: sent })).startDate, want));
  for (const sent of ['', '2020-13-01', 'soon', '2020-04-05 08:00', 20200405,
    '1899-12-31'])
    await t.test(`not ${sent}`, () => api.refuse(sent === ''
      ? '400.1 Bad Request Content' : '400.1.3 Illegal value', 'POST',
    RECORDS, body({ startDate: sent })));
  await t.test('an end before the start', () => api.refuse(
    '400.1.3 Illegal value', 'POST', RECORDS,
    body({ startDate: '2030-12-31', endDate: '2030-12-30' })));
});

test('managers by alias, id and e-mail address; the alias is kept',
  async () => {
    for (const text of ['JANE.DOE', jane.id, jane.email.toUpperCase()])
      assert.equal((await make({ manager: text })).manager, 'jane.doe', text);
    for (const text of ['Jane Doe', 'nobody', UNKNOWN])
      await api.refuse('400.1.3 Illegal value', 'POST', RECORDS,
        body({ manager: text }),
        { text: 'Value of "manager" is empty or contains invalid data.' });
    const free = await world.serve(['--rate-limit', 'off',
      '--check-managers', 'off']);
    const there = await admin(world, free);
    assert.equal((await there.post(RECORDS, body({ manager: 'Any One' })))
      .manager, 'Any One');
    await free.stop();
  });

const ALL_MISSING = 'firstName is required; lastName is required; ' +
  'accountName is required; email is required; phone is required; ' +
  'manager is required; sourceId is required; startDate is required; ' +
  'endDate is required;';

const REFUSED = [
  ['two', { firstName: undefined, accountName: ' ' },
    '400.1 Bad Request Content',
    'firstName is required; accountName is required;'],
  ['missing before wrong', { firstName: null, email: 'x', data: { x: 1 } },
    '400.1 Bad Request Content', 'firstName is required;'],
  ['no e-mail address', { email: 'a b@c' }, '400.1.3 Illegal value',
    'Value of "email" is empty or contains invalid data.'],
  ['a number', { phone: 5125555555 }, '400.1.3 Illegal value',
    'Value of "phone" is empty or contains invalid data.'],
  ['a control character', { lastName: 'a\nb' }, '400.1.3 Illegal value'],
  ['too long', { lastName: 'x'.repeat(257) },
    '400.1.2 Value length out of range',
    'Field "lastName" length is outside of range [1,256].'],
  ['an unknown custom attribute', { data: { shoe: '44' } },
    '400.1.3 Illegal value',
    'Value of "shoe" is empty or contains invalid data.'],
  ['a custom number', { data: { note: 1 } }, '400.1.3 Illegal value',
    'Value of "note" is empty or contains invalid data.'],
  ['a long custom value', { data: { note: 'x'.repeat(4001) } },
    '400.1.2 Value length out of range'],
  ['data that is a list', { data: [] }, '400.1.3 Illegal value'],
  ['a source that is a number', { sourceId: 7 }, '400.1.3 Illegal value'],
  ['an unknown source', { sourceId: UNKNOWN },
    '400.1.404 Referenced object not found'],
  ['no id as source', { sourceId: 'here' },
    '400.1.404 Referenced object not found'],
  ['a bad value before an unknown source',
    { sourceId: UNKNOWN, email: 'x' }, '400.1.3 Illegal value'],
];

test('what is refused, and how', async (t) => {
  for (const [what, change, code, text] of REFUSED)
    await t.test(what, () => api.refuse(code, 'POST', RECORDS, body(change),
      { text }));
  await t.test('everything', () => api.refuse('400.1 Bad Request Content',
    'POST', RECORDS, {}, { text: ALL_MISSING }));
  await t.test('a taken name, ignoring case', async () => {
    await make({ accountName: 'existed' });
    await api.refuse('400.1.409 Reference conflict', 'POST', RECORDS,
      body({ accountName: 'EXISTED' }), {
        text: 'Unable to create Non-Employee because the accountName ' +
          '"EXISTED" is already being used.',
      });
  });
  await t.test('a record more than the setting allows', async () => {
    const limited = await world.serve(['--rate-limit', 'off',
      '--max-records-per-source', '1']);
    const there = await admin(world, limited);
    await there.refuse('400.1.4 Limit violation', 'POST', RECORDS,
      body({ accountName: 'existed' }), {
        text: 'You have reached the current limit of 1 non-employee records.',
      });
    await limited.stop();
  });
});

test('null and empty remove a custom value, and PUT without data all',
  async () => {
    const made = await make({ data: { note: 'n', cost: 'c' } });
    const path = `${RECORDS}/${made.id}`;
    assert.deepEqual((await api.put(path, { ...made, data: { note: null,
      cost: '' } })).data, {});
    await api.put(path, made);
    const bare = { ...made };
    delete bare.data;
    assert.deepEqual((await api.put(path, bare)).data, {});
  });

test('PUT replaces, moves modified and keeps the rest', async () => {
  const made = await make({ data: { note: 'n' } });
  const path = `${RECORDS}/${made.id}`;
  const want = { ...made, accountName: `${made.accountName}.new`,
    email: 'new@example.com', startDate: '2021-01-01T00:00:00Z' };
  const put = await api.put(path, want);
  assert.deepEqual({ ...put, modified: 0 }, { ...want, modified: 0 });
  assert.deepEqual(await api.put(path, put), put);
  await api.refuse('400.1.1 Illegal update attempt', 'PUT', path,
    { ...put, sourceId: UNKNOWN });
  const other = await make();
  await api.refuse('400.1.409 Reference conflict', 'PUT', path,
    { ...put, accountName: other.accountName.toUpperCase() });
  await api.put(path, { ...put, accountName: put.accountName.toUpperCase() });
});

test('a manager who left does not stand in the way of other changes',
  async () => {
    await world.identity('leaver');
    const made = await make({ manager: 'leaver' });
    await world.cli(['identity', 'delete', 'leaver']);
    const path = `${RECORDS}/${made.id}`;
    await api.patch(path, replace('/phone', '1'));
    await api.refuse('400.1.3 Illegal value', 'PATCH', path,
      replace('/manager', 'LEAVER'));
  });

test('an account manager changes endDate and nothing else', async (t) => {
  const made = await make({ data: { note: 'n' } });
  const path = `${RECORDS}/${made.id}`;
  const end = '2031-01-01T00:00:00Z';
  await t.test('PUT of what was read, with another end', async () => {
    const put = await manager.api.put(path, { ...made, endDate: end,
      startDate: '2024-01-01T07:00:00Z' });
    assert.deepEqual({ ...put, modified: 0 },
      { ...made, endDate: end, modified: 0 });
  });
  for (const [what, change] of [['phone', { phone: '2' }],
    ['a bad address', { email: 'x' }], ['start', { startDate: '2024-01-02' }],
    ['no data', { data: undefined }], ['more data', { data: { cost: '1' } }],
    ['another source', { sourceId: UNKNOWN }]])
    await t.test(`PUT with ${what}`, () => manager.api.refuse('403 Forbidden',
      'PUT', path, { ...made, endDate: end, ...change }));
  await t.test('what is missing is said', () => manager.api.refuse(
    '400.1 Bad Request Content', 'PUT', path, { ...made, phone: '' }));
  await t.test('PATCH', async () => {
    await manager.api.patch(path, replace('/endDate', '2032-01-01'));
    for (const other of ['/phone', '/startDate', '/data/note', '', '/id'])
      await manager.api.refuse('403 Forbidden', 'PATCH', path,
        replace(other, 'x'));
    await manager.api.refuse('403 Forbidden', 'PATCH', path,
      [...replace('/endDate', '2033-01-01'), ...replace('/phone', '1')]);
    await manager.api.refuse('403 Forbidden', 'PATCH', path,
      [{ op: 'copy', from: '/startDate', path: '/endDate' }]);
    assert.equal((await api.get(path)).endDate, '2032-01-01T00:00:00Z');
  });
  await t.test('syntax comes before 403, and 403 before content', async () => {
    await manager.api.refuse('400.0 Bad request syntax', 'PUT', path, '{');
    await manager.api.refuse('400.1.3 Illegal value', 'PATCH', path,
      replace('/endDate', 'later'));
  });
});

test('bulk delete: all or nothing', async (t) => {
  const made = [await make(), await make(), await make()];
  const path = `${RECORDS}/bulk-delete`;
  const there = async ({ id }) =>
    (await api.call('GET', `${RECORDS}/${id}`)).status === 200;
  await t.test('what is refused', async () => {
    for (const ids of [undefined, null, []])
      await api.refuse('400.1 Bad Request Content', 'POST', path, { ids },
        { text: 'ids is required;' });
    for (const ids of ['x', {}, [1], [null]])
      await api.refuse('400.1.3 Illegal value', 'POST', path, { ids });
    await api.refuse('400.1.404 Referenced object not found', 'POST', path,
      { ids: [made[0].id, UNKNOWN, 'x', UNKNOWN.replaceAll('-', ''), 'x',
        UNKNOWN.toUpperCase()] }, {
        text: `Referenced non-employee record ["${UNKNOWN}", "x"] ` +
          'was not found.',
      });
    await api.refuse('400.1.4 Limit violation', 'POST', path,
      { ids: Array.from({ length: 1001 }, (_, n) => `x${n}`) });
    assert.ok(await there(made[0]));
  });
  await t.test('of several sources, some named twice', async () => {
    const other = await api.post('/non-employee-sources',
      sourceBody('Elsewhere', world.admin.identity));
    const far = await api.post(RECORDS, personBody(other, 'far', 'admin'));
    await api.expect(204, 'POST', path, { ids: [made[0].id, far.id,
      made[1].id.toUpperCase(), made[1].id.replaceAll('-', ''),
      ...Array(1001).fill(made[0].id)] });
    assert.deepEqual(await Promise.all([...made, far].map(there)),
      [false, false, true, false]);
    const [{ nonEmployeeCount }] = (await api.get(
      '/non-employee-sources?non-employee-count=true'))
      .filter(({ id }) => id === other.id);
    assert.equal(nonEmployeeCount, 0);
  });
});

test('every change of a record leaves one audit row', async () => {
  const made = await make();
  const path = `${RECORDS}/${made.id}`;
  await api.patch(path, [...replace('/phone', '9'),
    { op: 'add', path: '/data/cost', value: '7' }]);
  await api.patch(path, replace('/phone', '9'));
  await api.delete(path);
  await api.refuse('404 Not found', 'DELETE', path);
  const rows = await api.get('/audit-events?filters=' +
    encodeURIComponent(`object eq "${made.id}"`));
  assert.deepEqual(rows.map(({ event, detail }) => [event, detail]), [
    ['NON_EMPLOYEE_CREATE_PASSED', ''],
    ['NON_EMPLOYEE_UPDATE_PASSED', 'phone cost'],
    ['NON_EMPLOYEE_DELETE_PASSED', '']]);
});
