// The table of routes, docs/api/openapi.yaml and what a server answers are
// the same three times.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { makeCalls, UNKNOWN, pathOf } from './lib/good.js';
import { PREFIXES, request } from './lib/http.js';
import { NELM, UNLIMITED, World, run } from './lib/nelm.js';
import { documented, mismatch } from './lib/openapi.js';
import { Caller, person } from './lib/registry.js';

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'];

let world, server, root, stranger, manager, good, narrow;

before(async () => {
  world = await World.create();
  server = await world.serve([...UNLIMITED, '--max-upload-bytes', '4096']);
  ({ root, manager, good } = await makeCalls(world, server));
  stranger = await person(world, server, 'stranger');
  narrow = [
    await person(world, server, 'narrow', { scopes: ['sp:scopes:default'] }),
    await person(world, server, 'reader', { scopes: ['idn:nelm:read'] }),
  ];
});
after(() => world?.done());

test('the document has the rows of the table', async () => {
  const { stdout } = await run(NELM, ['doc', 'routes']);
  const row = ({ method, path: at, versioned, isPublic, userOnly, body }) =>
    `${versioned ? '/v3' : ''}${at} ${method}` +
    `${isPublic ? ' public' : ''}${userOnly ? ' user only' : ''}` +
    `${body ? ' body' : ''}`;
  const table = JSON.parse(stdout).map((route) => row(
    { ...route, isPublic: route.public, body: route.takesBody }));
  const page = documented.map((operation) => row({
    ...operation, isPublic: operation.security.length === 0,
    userOnly: operation.security.length > 0 &&
      operation.security.every(({ application }) => !application),
  }));
  assert.deepEqual(page.sort(), table.sort());
});

test('a path has the methods that are documented and no others', async (t) => {
  for (const at of new Set(documented.map((operation) => operation.path)))
    await t.test(at, async () => {
      const here = documented.filter((operation) => operation.path === at);
      const api = new Caller(server, root.token,
        here[0].versioned ? '/v3' : '');
      const allowed = here.map(({ method }) => method)
        .flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method]))
        .sort();
      for (const method of METHODS.filter((name) => !allowed.includes(name))) {
        const answer = await api.call(method, pathOf(here[0]));
        // A literal path may be an id of the path beside it.
        if (answer.status === 404 && at.endsWith('/bulk-delete'))
          continue;
        assert.equal(answer.status, 405, `${method} ${answer.text}`);
        assert.deepEqual(answer.headers.allow.split(', ').sort(), allowed);
      }
    });
});

// Answers that no single call here can ask for.
const ELSEWHERE = ['304', '416', '206', '429', '500', '503'];
const RARE = {
  deleteSource: ['400'], // while an upload is in work
  getMetrics: ['404'], // for strangers, in the tests of metrics
  authorize: ['200', '302', '303'], // the tests of signing in go there
};

test('operations answer as documented', async (t) => {
  for (const operation of documented)
    await t.test(`${operation.method} ${operation.path}`, async () => {
      const { method } = operation;
      const seen = new Set();
      const faults = [];
      const make = good[operation.id] ?? (async () => ({}));
      const prefix = operation.versioned ? '/v3' : '';
      const call = async (who, what, { token } = {}) => {
        const answer = operation.versioned
          ? await new Caller(server, token === null ? undefined
            : who.token ?? who.api.token, prefix)
            .call(method, pathOf(operation, what), what.body,
              { type: what.type })
          : await request(server, {
            method, path: pathOf(operation, what), body: what.body,
            headers: what.type ? { 'Content-Type': what.type } : {},
          });
        seen.add(String(answer.status));
        const fault = mismatch(operation, answer);
        if (fault)
          faults.push(fault);
        return answer;
      };
      const fine = await make();
      const by = fine.by ?? root;

      await call(root, fine, { token: null });
      await call(stranger, { ...fine, ...(fine.others
        ? { ids: [manager.id] } : {}) });
      await call(narrow[operation.id === 'listIdentities' ? 1 : 0], fine);
      if (operation.path.includes('{id}'))
        await call(by, { ...fine, ids: [UNKNOWN, UNKNOWN] });
      if (operation.body) {
        await call(by, { ...fine, body: 'a=b', type: 'text/csv' });
        await call(by, { ...fine, body: '{"a":', type: fine.type });
        await call(by, {
          ...fine, body: ''.padEnd(1100000, ' '), type: fine.type,
          ...fine.large,
        });
      } else if (method === 'GET') {
        await call(by, { ...fine, query: 'limit=no&filters=(&sorters=?' });
      }
      if (fine.bad)
        await call(by, { ...fine, ...fine.bad });
      if (fine.also)
        await call(by, { ...fine, ...fine.also });
      const answer = await call(by, fine);
      if (fine.status)
        assert.equal(answer.status, fine.status);
      else
        assert.ok(answer.status < 300, answer.text);

      assert.deepEqual(faults, []);
      assert.deepEqual(Object.keys(operation.responses)
        .filter((status) => !ELSEWHERE.includes(status) &&
          !RARE[operation.id]?.includes(status) && !seen.has(status)),
      [], 'documented and never seen');
    });
});

test('every path stands under every family', async () => {
  for (const operation of documented.filter(({ versioned }) => versioned)) {
    const at = pathOf(operation);
    const [, first, rest] = /^\/([^/]+)(.*)$/.exec(at);
    for (const family of [...PREFIXES, '/v1']) {
      const answer = await request(server, {
        method: operation.method,
        path: family === '/v1' ? `/${first}/v1${rest}` : family + at,
      });
      assert.equal(answer.status, 401, `${operation.method} ${family} ${at}`);
    }
  }
});
