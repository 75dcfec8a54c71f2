// The published TypeScript SDK calls everything it knows of this API, on the
// ways that work and on those that commonly fail, with nothing changed but
// the URL. Each raw answer is held to the published description.

import assert from 'node:assert/strict';
import { File } from 'node:buffer';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';

import { World, sleep } from '../api/lib/nelm.js';
import { HEADER, csvLine, personBody, sourceBody } from '../api/lib/registry.js';
import { judge, operations } from './published.js';

// The SDK loads axios as a CommonJS module: another instance than import's.
const require = createRequire(import.meta.url);
const axios = require('axios');
const sdk = require('sailpoint-api-client');

const VERSIONS = {
  v3: { suffix: '' },
  v2024: { suffix: 'V2024' },
  // Two of its methods have names of their own.
  beta: {
    suffix: 'Beta',
    names: {
      deleteNonEmployeeRecordsInBulk: 'deleteNonEmployeeRecordInBulk',
      listNonEmployeeApprovals: 'listNonEmployeeApproval',
    },
  },
};

let world, server;
const seen = new Map(); // operation and status class: how often
const wrong = []; // answers that do not have the published shape

// Sees each body before anybody has parsed it.
axios.defaults.transformResponse = [
  function capture(text, headers, status) {
    const [, path] =
      /^\/(?:v3|v2024|beta)(\/.*)$/.exec(new URL(this.url).pathname) ?? [];
    if (path) {
      try {
        const id = judge(this.method.toUpperCase(), path, status,
          headers['content-type'], text);
        const key = `${id} ${String(status)[0]}xx`;
        seen.set(key, (seen.get(key) ?? 0) + 1);
      } catch (error) {
        wrong.push(error.message);
      }
    }
    return text;
  },
  ...axios.defaults.transformResponse,
];

function configuration({ clientId, clientSecret }) {
  return new sdk.Configuration({
    baseurl: server.base, tokenUrl: `${server.base}/oauth/token`,
    clientId, clientSecret,
  });
}

// The SDK's object with the names of version 3 whatever version it speaks.
function client(version, who) {
  const { suffix, names = {} } = VERSIONS[version];
  const api =
    new sdk[`NonEmployeeLifecycleManagement${suffix}Api`](configuration(who));
  const bodies = /^(nonEmployee\w+(Body|Decision)|jsonPatch\w+|delete\w+)$/;
  return new Proxy({}, {
    get: (_, method) => async (parameters = {}, options) => {
      const renamed = Object.fromEntries(Object.entries(parameters).map(
        ([name, value]) => [bodies.test(name)
          ? (name.startsWith('delete') && names[method]
            ? name.replace('Records', 'Record') : name) + suffix
          : name, value]));
      return api[names[method] ?? method](renamed, options);
    },
  });
}

async function fails(status, code, promise) {
  await assert.rejects(promise, (error) => {
    assert.equal(error.response?.status, status,
      `${error.message} ${JSON.stringify(error.response?.data)}`);
    if (code)
      assert.equal(error.response.data.detailCode.split(' ')[0], code);
    return true;
  });
}

const people = {};

before(async () => {
  world = await World.create();
  server = await world.serve();
  people.root = { ...world.admin, id: world.admin.identity.id };
  for (const alias of ['manager', 'first', 'second']) {
    const { id } = await world.identity(alias);
    people[alias] = { id, ...await world.pat(alias) };
    people[alias].id = id;
  }
  people.robot = await world.client('robot', { scopes: ['sp:scopes:all'] });
});
after(() => world?.done());

const patch = (path, value) =>
  ({ jsonPatchOperation: [{ op: 'replace', path, value }] });
const UNKNOWN = '0b5fd9d2-0000-7000-8000-000000000000';

for (const version of Object.keys(VERSIONS)) {
  test(`the SDK of ${version}`, async (t) => {
    const [root, manager, first, second, robot] =
      ['root', 'manager', 'first', 'second', 'robot']
        .map((name) => client(version, people[name]));
    const name = `Source ${version}`;
    let source, id, attribute, record;
    const body = (account, extra) => ({
      nonEmployeeRequestBody: personBody(source, account, 'manager', extra),
    });

    await t.test('sources', async () => {
      const wanted = sourceBody(name, people.root, {
        approvers: [people.first, people.second], managers: [people.manager],
      });
      await fails(400, '400.1.4', root.createNonEmployeeSource({
        nonEmployeeSourceRequestBody: {
          ...wanted, approvers: ['root', 'first', 'second', 'manager']
            .map((who) => ({ id: people[who].id })),
        },
      }));
      await fails(400, '400.1', root.createNonEmployeeSource(
        { nonEmployeeSourceRequestBody: { name } }));
      source = (await root.createNonEmployeeSource(
        { nonEmployeeSourceRequestBody: wanted })).data;
      id = source.id;
      assert.match(source.cloudExternalId, /^[0-9]+$/);
      await fails(400, '400.1.409', root.createNonEmployeeSource(
        { nonEmployeeSourceRequestBody: wanted }));
      const list = await root.listNonEmployeeSources(
        { nonEmployeeCount: true, count: true, sorters: '-created' });
      assert.equal(list.data[0].id, id);
      assert.equal(list.headers['x-total-count'], String(list.data.length));
      const mine = await manager.listNonEmployeeSources(
        { requestedFor: 'me' });
      assert.ok(mine.data.some((item) => item.id === id));
      await fails(403, '403', manager.listNonEmployeeSources(
        { requestedFor: people.root.id }));
      assert.equal((await root.getNonEmployeeSource(
        { sourceId: source.sourceId })).data.id, id);
      await fails(404, '404',
        root.getNonEmployeeSource({ sourceId: UNKNOWN }));
      const changed = await root.patchNonEmployeeSource(
        { sourceId: id, ...patch('/description', 'changed') });
      assert.equal(changed.data.description, 'changed');
      await fails(400, '400.1.1', root.patchNonEmployeeSource(
        { sourceId: id, ...patch('/created', 'x') }));
    });

    await t.test('schema attributes', async () => {
      const list = await root.getNonEmployeeSourceSchemaAttributes(
        { sourceId: id });
      assert.equal(list.data.length, 8);
      const made = (technicalName, type = 'TEXT') =>
        root.createNonEmployeeSourceSchemaAttributes({
          sourceId: id, nonEmployeeSchemaAttributeBody: {
            type, label: 'Account team', technicalName,
            helpText: 'which team', placeholder: 'team',
          },
        });
      attribute = (await made('team')).data;
      await fails(400, '400.1.409', made('team'));
      await fails(400, '400.1.3', made('day', 'DATE'));
      const one = { sourceId: id, attributeId: attribute.id };
      assert.deepEqual((await root.getNonEmployeeSchemaAttribute(one)).data,
        attribute);
      await fails(404, '404', root.getNonEmployeeSchemaAttribute(
        { sourceId: id, attributeId: UNKNOWN }));
      const changed = await root.patchNonEmployeeSchemaAttribute(
        { ...one, ...patch('/label', 'Team') });
      assert.equal(changed.data.label, 'Team');
      const gone = (await made('gone')).data;
      await root.deleteNonEmployeeSchemaAttribute(
        { sourceId: id, attributeId: gone.id });
      await fails(400, '400.1.1', root.deleteNonEmployeeSchemaAttribute(
        { sourceId: id, attributeId: list.data[0].id }));
      await fails(403, '403', manager.deleteNonEmployeeSchemaAttribute(one));
      const template =
        await root.exportNonEmployeeSourceSchemaTemplate({ id });
      assert.equal(template.data, `${HEADER},team\n`);
    });

    await t.test('records', async () => {
      record = (await root.createNonEmployeeRecord(
        body('abby.smith', { data: { team: 'audit' } }))).data;
      assert.deepEqual(record.data, { team: 'audit' });
      await fails(400, '400.1.409',
        root.createNonEmployeeRecord(body('Abby.Smith')));
      await fails(400, '400.1', root.createNonEmployeeRecord(
        { nonEmployeeRequestBody: { sourceId: id } }));
      await fails(403, '403',
        manager.createNonEmployeeRecord(body('never.made')));
      const list = await root.listNonEmployeeRecords(
        { filters: `sourceId eq "${id}"`, limit: 10, offset: 0 });
      assert.deepEqual(list.data, [record]);
      await fails(400, '400.1.3', root.listNonEmployeeRecords({ limit: 251 }));
      await fails(400, '400.1.3',
        root.listNonEmployeeRecords({ filters: 'phone eq "1"' }));
      assert.deepEqual(
        (await root.getNonEmployeeRecord({ id: record.id })).data, record);
      await fails(404, '404', root.getNonEmployeeRecord({ id: UNKNOWN }));
      const patched = await manager.patchNonEmployeeRecord({
        id: record.id, ...patch('/endDate', '2019-08-23T18:40:35.772Z'),
      }).catch((error) => error.response);
      assert.equal(patched.data.detailCode, '400.1.3 Illegal value');
      record = (await manager.patchNonEmployeeRecord(
        { id: record.id, ...patch('/endDate', '2031-08-23T18:40:35.772Z') }))
        .data;
      assert.equal(record.endDate, '2031-08-23T18:40:35.772Z');
      await fails(403, '403', robot.patchNonEmployeeRecord(
        { id: record.id, ...patch('/phone', '1') }));
      record = (await root.updateNonEmployeeRecord({
        id: record.id,
        nonEmployeeRequestBody: { ...record, phone: '5125550000' },
      })).data;
      assert.equal(record.phone, '5125550000');
      const csv = await root.exportNonEmployeeRecords({ id });
      assert.equal(csv.data, `${HEADER},team\n${csvLine(record, ['audit'])}`);
      const others = [];
      for (const account of ['one.gone', 'two.gone'])
        others.push((await robot.createNonEmployeeRecord(body(account)))
          .data.id);
      await fails(400, '400.1.404', root.deleteNonEmployeeRecordsInBulk(
        { deleteNonEmployeeRecordsInBulkRequest: { ids: [UNKNOWN] } }));
      await root.deleteNonEmployeeRecordsInBulk(
        { deleteNonEmployeeRecordsInBulkRequest: { ids: others } });
      await robot.deleteNonEmployeeRecord({ id: record.id });
      await fails(404, '404', robot.deleteNonEmployeeRecord(
        { id: record.id }));
    });

    await t.test('requests and approvals', async () => {
      const asked = (await manager.createNonEmployeeRequest(
        body('new.comer', { data: { team: 'tax' } }))).data;
      await fails(400, '400.1.409',
        manager.createNonEmployeeRequest(body('new.comer')));
      await fails(403, '403',
        first.createNonEmployeeRequest(body('not.mine')));
      const [one, two] = asked.approvalItems;
      const list = await manager.listNonEmployeeRequests(
        { requestedFor: 'me', filters: `sourceId eq "${id}"` });
      assert.deepEqual(list.data.map((item) => item.id), [asked.id]);
      await fails(403, '403', manager.listNonEmployeeRequests(
        { requestedFor: people.first.id }));
      assert.equal((await manager.getNonEmployeeRequest(
        { id: asked.id })).data.approvalStatus, 'PENDING');
      await fails(404, '404', root.getNonEmployeeRequest({ id: UNKNOWN }));
      const open = await first.listNonEmployeeApprovals(
        { requestedFor: 'me', filters: 'approvalStatus eq "Pending"' });
      assert.deepEqual(open.data.map((item) => item.id), [one.id]);
      const detail = (await first.getNonEmployeeApproval(
        { id: one.id, includeDetail: true })).data;
      assert.equal(detail.nonEmployeeRequest.startDate, '2024-01-01');
      assert.equal(
        detail.nonEmployeeRequest.nonEmployeeSource.schemaAttributes.length, 9);
      await fails(403, '403', robot.getNonEmployeeApproval({ id: one.id }));
      await fails(403, '403', root.approveNonEmployeeRequest(
        { id: one.id, nonEmployeeApprovalDecision: {} }));
      await fails(400, '400.1', second.approveNonEmployeeRequest(
        { id: two.id, nonEmployeeApprovalDecision: {} }));
      await first.approveNonEmployeeRequest(
        { id: one.id, nonEmployeeApprovalDecision: { comment: 'fine' } });
      await fails(400, '400.1', second.rejectNonEmployeeRequest(
        { id: two.id, nonEmployeeRejectApprovalDecision: { comment: ' ' } }));
      const refused = await second.rejectNonEmployeeRequest({
        id: two.id, nonEmployeeRejectApprovalDecision: { comment: 'no' },
      });
      assert.equal(refused.data.approvalStatus, 'REJECTED');
      const summary = await manager.getNonEmployeeRequestSummary(
        { requestedFor: 'me' });
      assert.ok(summary.data.rejected >= 1);
      await fails(403, '403', first.getNonEmployeeRequestSummary(
        { requestedFor: people.manager.id }));
      assert.ok((await root.getNonEmployeeApprovalSummary(
        { requestedFor: people.second.id })).data.rejected >= 1);
      await root.listNonEmployeeRequests(
        { requestedFor: people.manager.id, sorters: '-created' });
      await root.deleteNonEmployeeRequest({ id: asked.id });
      await fails(404, '404',
        root.deleteNonEmployeeRequest({ id: asked.id }));
    });

    await t.test('bulk upload', async () => {
      const status = async () =>
        (await root.getNonEmployeeBulkUploadStatus({ id })).data.status;
      const upload = (text) => root.importNonEmployeeRecordsInBulk(
        { id, data: new File([text], 'people.csv') });
      assert.equal(await status(), null);
      await fails(400, '400.1.3', upload(''));
      await fails(400, '400.1', upload(`${HEADER}\na,b,c\n`));
      const rows = ['x.one', 'x.two'].map((account) =>
        csvLine(personBody(source, account, 'manager'))).join('');
      const answer = await upload(`${HEADER}\n${rows}`);
      assert.equal(answer.status, 202);
      let now;
      for (let turn = 0; turn < 200; turn++) {
        now = await status();
        if (now !== 'PENDING' && now !== 'IN_PROGRESS')
          break;
        await sleep(25);
      }
      assert.equal(now, 'COMPLETED');
      assert.equal((await root.exportNonEmployeeRecords({ id })).data,
        `${HEADER},team\n${rows.replaceAll('\n', ',\n')}`);
    });

    await t.test('the end', async () => {
      await root.deleteNonEmployeeSourceSchemaAttributes({ sourceId: id });
      await fails(403, '403', manager.deleteNonEmployeeSource(
        { sourceId: id }));
      await root.deleteNonEmployeeSource({ sourceId: id });
      await fails(404, '404', root.deleteNonEmployeeSource({ sourceId: id }));
      await fails(404, '404', root.exportNonEmployeeRecords({ id }));
    });

    await t.test('answers have the published shapes', () => {
      assert.deepEqual(wrong.splice(0), []);
    });
  });
}

test('the paginator of the SDK gets everything once', async () => {
  const { clientId, clientSecret } = people.root;
  const api = new sdk.NonEmployeeLifecycleManagementApi(
    configuration({ clientId, clientSecret }));
  const { data: source } = await api.createNonEmployeeSource({
    nonEmployeeSourceRequestBody: sourceBody('Many', people.root),
  });
  await world.import(source, HEADER + '\n' + Array.from({ length: 501 },
    (_, n) => csvLine(personBody(source, `page.n${n}`, 'manager'))).join(''));
  const all = await sdk.Paginator.paginate(api, api.listNonEmployeeRecords,
    { sorters: 'accountName' });
  assert.equal(all.data.length, 501);
  assert.equal(new Set(all.data.map(({ id }) => id)).size, 501);
});

test('without a token an answer still has the published shape', async () => {
  const answer = await axios.get(`${server.base}/v3/non-employee-sources`,
    { validateStatus: null });
  assert.equal(answer.status, 401);
  assert.deepEqual(wrong.splice(0), []);
});

test('every operation was called, and it was refused too', () => {
  assert.equal(operations.length, 32);
  const missing = (status) => operations.map(({ id }) => id)
    .filter((id) => !seen.has(`${id} ${status}`));
  assert.deepEqual(missing('2xx'), []);
  assert.deepEqual(missing('4xx').filter((id) => ![
    // Refused in the tests of rights; the SDK has no other way to fail here.
    'getNonEmployeeApprovalSummary', 'getNonEmployeeBulkUploadStatus',
    'getNonEmployeeSourceSchemaAttributes', 'listNonEmployeeApprovals',
    'deleteNonEmployeeSourceSchemaAttributes', 'updateNonEmployeeRecord',
    'patchNonEmployeeSchemaAttribute', 'exportNonEmployeeSourceSchemaTemplate',
  ].includes(id)), []);
});
