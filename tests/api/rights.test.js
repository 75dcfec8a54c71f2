// Who may call what: every operation by every kind of caller. What to expect
// is computed from the table below and from what each caller is, never from
// the program.

import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { after, before, test } from 'node:test';

import { World } from './lib/nelm.js';
import {
  Caller, HEADER, OPERATIONS, person, personBody, replace, sourceBody,
} from './lib/registry.js';

const R = 'idn:nelm:read';
const M = 'idn:nelm:manage';

// scope, kind of token (U: users only), settings (a sub-admin's), or (who may
// without the general right; "none" in `right` means that it does not help).
const TABLE = {
  listSources: [R, 'UA', 'read'],
  createSource: [M, 'UA', 'create'],
  getSource: [R, 'UA', 'read', 'settings', 'manager', 'owner'],
  patchSource: [M, 'UA', 'update', 'settings'],
  deleteSource: [M, 'UA', 'delete', 'settings'],
  listAttributes: [R, 'UA', 'read', 'settings', 'manager', 'owner'],
  createAttribute: [M, 'UA', 'create', 'settings'],
  deleteAttributes: [M, 'UA', 'delete', 'settings'],
  getAttribute: [R, 'UA', 'read', 'settings', 'manager', 'owner'],
  patchAttribute: [M, 'UA', 'update', 'settings'],
  deleteAttribute: [M, 'UA', 'delete', 'settings'],
  template: [R, 'UA', 'read', 'settings'],
  export: [R, 'UA', 'read'],
  upload: [M, 'UA', 'create'],
  uploadStatus: [R, 'UA', 'read'],
  listRecords: [R, 'UA', 'read'],
  createRecord: [M, 'UA', 'create'],
  getRecord: [R, 'UA', 'read', 'manager', 'owner'],
  putRecord: [M, 'U', 'update', 'manager'],
  patchRecord: [M, 'U', 'update', 'manager'],
  deleteRecord: [M, 'UA', 'delete'],
  bulkDelete: [M, 'UA', 'delete'],
  listRequests: [R, 'UA', 'read'],
  createRequest: [M, 'UA', 'create', 'manager'],
  getRequest: [R, 'UA', 'read', 'requester', 'manager', 'owner'],
  deleteRequest: [M, 'UA', 'delete'],
  requestSummary: [R, 'UA', 'read'],
  listApprovals: [R, 'UA', 'read'],
  getApproval: [R, 'U', 'read', 'approver'],
  approve: [M, 'U', 'none', 'approver'],
  reject: [M, 'U', 'none', 'approver'],
  approvalSummary: [R, 'UA', 'read'],
};

// Lists and summaries are about somebody's things: whose, and the role that
// makes a thing somebody's own.
const OWN = {
  listSources: 'manager', listRecords: 'manager', listRequests: 'manager',
  requestSummary: 'manager', listApprovals: 'approver',
  approvalSummary: 'approver',
};

// What each caller is; `on` is the source in question.
const CALLERS = {
  ORG_ADMIN: { levels: ['ORG_ADMIN'], general: true },
  SOURCE_ADMIN: { levels: ['SOURCE_ADMIN'], general: true },
  'SOURCE_SUBADMIN of the group':
    { levels: ['SOURCE_SUBADMIN'], group: 'ours', roles: ['settings'] },
  'SOURCE_SUBADMIN of another group':
    { levels: ['SOURCE_SUBADMIN'], group: 'theirs' },
  'in the group without the level': { group: 'ours' },
  'account manager': { roles: ['manager'] },
  'account manager of another source': { elsewhere: ['manager'] },
  approver: { roles: ['approver'] },
  'source owner': { roles: ['owner'] },
  requester: { roles: ['requester'] },
  'somebody': {},
  'application, read': { scopes: [R] },
  'application, manage': { scopes: [M] },
  'application, both': { scopes: [R, M] },
  'application, all': { scopes: ['sp:scopes:all'] },
  'administrator, read': { user: true, general: true, scopes: [R] },
  'administrator, manage': { user: true, general: true, scopes: [M] },
  'administrator, default':
    { user: true, general: true, scopes: ['sp:scopes:default'] },
  nobody: { nobody: true },
};
for (const caller of Object.values(CALLERS)) {
  caller.user ??= caller.scopes === undefined;
  caller.general ??= !caller.user;
  caller.roles ??= [];
}

function inScope(caller, scope) {
  return !caller.scopes || caller.scopes.includes(scope) ||
    caller.scopes.includes('sp:scopes:all');
}

// What the caller has to be answered before anything is looked at.
function refused(caller, [scope, kind]) {
  if (caller.nobody)
    return '401';
  if ((kind === 'U' && !caller.user) || !inScope(caller, scope))
    return '403';
  return undefined;
}

// An operation on an object that exists, and on one that does not.
function expected(caller, row, exists) {
  const [, , right, ...or] = row;
  const first = refused(caller, row);
  if (first)
    return first;
  if (caller.general && right !== 'none')
    return exists ? '2xx' : '404';
  return exists && or.some((role) => caller.roles.includes(role))
    ? '2xx' : '403';
}

// A list or summary about nobody in particular, the caller, or another one.
function expectedList(caller, name, whose) {
  const first = refused(caller, TABLE[name]);
  const own = () => {
    if (caller.roles.includes(OWN[name]) ||
        caller.elsewhere?.includes(OWN[name]))
      return 'own';
    // Of lists it is not said whether an owner reads them like a manager.
    return caller.roles.includes('owner') ? 'any' : '[]';
  };
  if (first)
    return first;
  if (whose === 'me')
    return caller.user ? own() : '403';
  if (whose === 'other')
    return caller.general ? 'any' : '403';
  return caller.general ? 'all' : own();
}

let world, server, root, source, elsewhere;
let serial = 0;
const unknown = () => crypto.randomUUID();

async function makeCaller([name, caller]) {
  if (caller.nobody) {
    caller.api = new Caller(server);
    return;
  }
  const alias = `caller.${++serial}`;
  let client;
  if (caller.user && caller.scopes) {
    client = await world.pat(world.admin.identity.alias, ...caller.scopes);
    caller.id = world.admin.identity.id;
  } else if (caller.user) {
    Object.assign(caller,
      await person(world, server, alias, { levels: caller.levels }));
    if (caller.group)
      await world.cli(['workgroup', 'add', '--group', caller.group,
        '--identity', alias]);
    return;
  } else {
    client = await world.client(name, { scopes: caller.scopes });
  }
  caller.api = new Caller(server, await world.token(server, client));
}

const byRole = (role) =>
  Object.values(CALLERS).find(({ roles }) => roles.includes(role));

async function makeSource(name) {
  return root.post('/non-employee-sources', sourceBody(name, byRole('owner'), {
    approvers: [byRole('approver')], managers: [byRole('manager')],
    workgroup: 'ours',
  }));
}

before(async () => {
  world = await World.create();
  server = await world.serve();
  for (const entry of Object.entries(CALLERS))
    await makeCaller(entry);
  root = CALLERS.ORG_ADMIN.api;
  const other = CALLERS['account manager of another source'];
  const decider = await person(world, server, 'decider');
  source = await makeSource('Ours');
  elsewhere = await root.post('/non-employee-sources',
    sourceBody('Elsewhere', world.admin.identity,
      { managers: [other], approvers: [decider], workgroup: 'theirs' }));
  // Who asked stays the requester after the end as account manager.
  const managers = (...people) => root.patch(
    `/non-employee-sources/${source.id}`,
    replace('/accountManagers', people.map(({ id }) => id)));
  const [manager, requester] = [byRole('manager'), byRole('requester')];
  await managers(manager, requester);
  source.asked = await requester.api.post('/non-employee-requests',
    personBody(source, 'asked.once', manager.alias));
  await managers(manager);
  source.record = await newRecord();
  source.attribute = await newAttribute();
  await other.api.post('/non-employee-requests',
    personBody(elsewhere, 'elsewhere.asked', manager.alias));
  await root.post('/non-employee-records',
    personBody(elsewhere, 'elsewhere.one', manager.alias));
});
after(() => world?.done());

const newBody = (extra) => personBody(source, `made.${++serial}`,
  byRole('manager').alias, extra);
const newRecord = () => root.post('/non-employee-records', newBody());
const newRequest = () =>
  byRole('manager').api.post('/non-employee-requests', newBody());
const newAttribute = () => root.post(
  `/non-employee-sources/${source.id}/schema-attributes`, {
    type: 'TEXT', label: 'x', technicalName: `made${++serial}`,
  });
const dropAttribute = (id) => root.call('DELETE',
  `/non-employee-sources/${source.id}/schema-attributes/${id}`);

// Ids for the path and a body; `done` takes away what success leaves.
const FIXTURES = {
  createSource: async () => ({
    body: sourceBody(`Made ${++serial}`, world.admin.identity),
    done: ({ id }) => root.delete(`/non-employee-sources/${id}`),
  }),
  patchSource: async () => ({
    ids: [source.id], body: replace('/description', `seen ${++serial}`),
  }),
  deleteSource: async () => {
    const { id } = await makeSource(`Short ${++serial}`);
    return { ids: [id] };
  },
  createAttribute: async () => ({
    ids: [source.id],
    body: { type: 'TEXT', label: 'x', technicalName: `made${++serial}` },
    done: ({ id }) => dropAttribute(id),
  }),
  deleteAttributes: async () => {
    const { id } = await makeSource(`Plain ${++serial}`);
    return { ids: [id] };
  },
  getAttribute: async () => ({ ids: [source.id, source.attribute.id] }),
  patchAttribute: async () => ({
    ids: [source.id, source.attribute.id],
    body: replace('/label', `label ${++serial}`),
  }),
  deleteAttribute: async () => {
    const { id } = await newAttribute();
    return { ids: [source.id, id], undo: () => dropAttribute(id) };
  },
  createRecord: async () => ({ body: newBody() }),
  getRecord: async () => ({ ids: [source.record.id] }),
  // Nothing but the end date differs: all that an account manager may change.
  putRecord: async () => ({
    ids: [source.record.id],
    body: { ...source.record, endDate: `203${++serial % 10}-01-01T00:00:00Z` },
  }),
  patchRecord: async () => ({
    ids: [source.record.id],
    body: replace('/endDate', `203${++serial % 10}-01-01T00:00:00Z`),
  }),
  deleteRecord: async () => ({ ids: [(await newRecord()).id] }),
  bulkDelete: async () => ({ body: { ids: [(await newRecord()).id] } }),
  createRequest: async () => ({ body: newBody() }),
  getRequest: async () => ({ ids: [source.asked.id] }),
  deleteRequest: async () => ({ ids: [(await newRequest()).id] }),
  getApproval: async () => ({ ids: [source.asked.approvalItems[0].id] }),
  approve: async () =>
    ({ ids: [(await newRequest()).approvalItems[0].id], body: {} }),
  reject: async () => ({
    ids: [(await newRequest()).approvalItems[0].id], body: { comment: 'no' },
  }),
};
const onSource = async () => ({ ids: [source.id] });

function fill(path, ids = []) {
  let at = 0;
  return path.replace(/\{\}/g, () => ids[at++]);
}

const group = (answer) =>
  (answer.status < 300 ? '2xx' : String(answer.status));

async function run(caller, { name, method, path }, { ids, body }) {
  if (name === 'upload')
    return caller.api.upload(ids[0], `${HEADER}\n`);
  return caller.api.call(method, fill(path, ids), body);
}

for (const [name, row] of Object.entries(TABLE).filter(([n]) => !OWN[n])) {
  const operation = OPERATIONS[name];
  test(`${operation.method} ${operation.path}`, async (t) => {
    const make = FIXTURES[name] ?? onSource;
    await t.test('by every kind of caller', async () => {
      const got = {};
      const want = {};
      for (const [who, caller] of Object.entries(CALLERS)) {
        const fixture = await make();
        const answer = await run(caller, operation, fixture);
        got[who] = group(answer);
        want[who] = expected(caller, row, true);
        if (answer.status < 300)
          await fixture.done?.(answer.body.length ? answer.json : {});
        else
          await fixture.undo?.();
      }
      assert.deepEqual(got, want);
    });
    if (!operation.path.includes('{}'))
      return;
    await t.test('on what does not exist', async () => {
      const got = {};
      const want = {};
      const { ids, body } = await make();
      for (const [who, caller] of Object.entries(CALLERS))
        for (const id of [unknown(), 'no-id-at-all']) {
          const answer = await run(caller, operation,
            { ids: [id, ...ids.slice(1)], body });
          got[`${who}, ${id}`] = group(answer);
          want[`${who}, ${id}`] = expected(caller, row, false);
        }
      assert.deepEqual(got, want);
    });
  });
}

// Whose things are in an answer?
function content(name, answer, caller) {
  const got = answer.json;
  if (!Array.isArray(got)) {
    if (Object.values(got).every((number) => number === 0))
      return '[]';
    return 'own';
  }
  if (got.length === 0)
    return '[]';
  const home = caller.elsewhere ? elsewhere : source;
  const mine = {
    listSources: ({ accountManagers }) =>
      accountManagers.some(({ id }) => id === caller.id),
    listRecords: ({ sourceId }) => sourceId === home.sourceId,
    listRequests: ({ sourceId }) => sourceId === home.sourceId,
    listApprovals: ({ approver }) => approver.id === caller.id,
  }[name];
  return got.every(mine) ? 'own' : 'all';
}

for (const name of Object.keys(OWN)) {
  const { method, path } = OPERATIONS[name];
  const summary = path.includes('{}');
  const variants = {
    me: 'me',
    'the own id': 'self',
    'somebody else': 'other',
    ...(summary || name === 'listRequests' ? {} : { nobody: undefined }),
    ...(name === 'listRecords' ? { nobody: undefined } : {}),
  };
  if (name === 'listRecords')
    for (const key of ['me', 'the own id', 'somebody else'])
      delete variants[key];
  test(`${method} ${path}`, async (t) => {
    for (const [label, whose] of Object.entries(variants))
      await t.test(`about ${label}`, async () => {
        const got = {};
        const want = {};
        for (const [who, caller] of Object.entries(CALLERS)) {
          if (whose === 'self' && !caller.id)
            continue;
          const id = {
            me: 'me', self: caller.id, other: unknown(),
          }[whose];
          const answer = await caller.api.call(method, summary
            ? fill(path, [id])
            : path + (id ? `?requested-for=${id}` : ''));
          want[who] = expectedList(caller, name,
            whose === 'self' ? 'me' : whose);
          got[who] = answer.status === 200
            ? content(name, answer, caller) : String(answer.status);
          if (want[who] === 'any' && answer.status === 200)
            got[who] = 'any';
        }
        assert.deepEqual(got, want);
      });
  });
}

test('an account manager changes the end date and nothing else', async () => {
  const { api } = byRole('manager');
  const record = await newRecord();
  const path = `/non-employee-records/${record.id}`;
  const end = '2032-02-02T00:00:00Z';
  for (const field of ['accountName', 'firstName', 'lastName', 'email',
    'phone', 'manager', 'startDate', 'data']) {
    const value = {
      email: 'x@example.com', startDate: '2023-01-01T00:00:00Z', data: {},
      manager: byRole('owner').alias,
    }[field] ?? 'other';
    await api.refuse('403 Forbidden', 'PATCH', path,
      [...replace('/endDate', end), ...replace(`/${field}`, value)]);
    if (field !== 'data')
      await api.refuse('403 Forbidden', 'PUT', path,
        { ...record, endDate: end, [field]: value });
  }
  assert.deepEqual(await root.get(`/non-employee-records/${record.id}`),
    record);
  const sent = await api.put(path, { ...record, endDate: end });
  assert.equal(sent.endDate, end);
});

test('a request for a source that is not there tells strangers nothing',
  async () => {
    for (const [who, caller] of Object.entries(CALLERS)) {
      const body = { ...newBody(), sourceId: unknown() };
      const answer =
        await caller.api.call('POST', '/non-employee-requests', body);
      const want = caller.nobody ? 401
        : caller.general && inScope(caller, M) ? 400 : 403;
      if (!caller.roles.includes('manager') && !caller.elsewhere)
        assert.equal(answer.status, want, `${who}: ${answer.text}`);
    }
  });

test('a right ends when what it stands on ends', async () => {
  const late = await person(world, server, 'late.manager');
  const { id } = await makeSource(`Passing ${++serial}`);
  const path = `/non-employee-sources/${id}`;
  await late.api.refuse('403 Forbidden', 'GET', path);
  await root.patch(path, replace('/accountManagers', [late.id]));
  await late.api.get(path);
  await root.patch(path, replace('/accountManagers', []));
  await late.api.refuse('403 Forbidden', 'GET', path);
});
