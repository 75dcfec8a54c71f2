// Pages of other origins: refused unless listed, and then without cookies
// (contract 1.2); and what every answer tells a browser.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { downloadPath } from './lib/http.js';
import { UNLIMITED, World } from './lib/nelm.js';

const APP = 'https://app.example.com';
const OTHER = 'https://other.example.com:8443';

let world, open, shut, token, source;

before(async () => {
  world = await World.create();
  source = await world.source('Shared');
  open = await world.serve([...UNLIMITED, '--cors-origin', `${APP}, ${OTHER}`]);
  shut = await world.serve();
  token = await world.token(open);
});
after(() => world?.done());

const cors = ({ headers }) => Object.keys(headers)
  .filter((name) => name.startsWith('access-control-'));
const preflight = (server, path, origin, method = 'GET') => server.get(path, {
  method: 'OPTIONS',
  headers: {
    Origin: origin, 'Access-Control-Request-Method': method,
    'Access-Control-Request-Headers': 'authorization, content-type',
  },
});
const words = (text) => text.split(/\s*,\s*/).map((word) => word.toLowerCase());

test('a listed origin may ask', async (t) => {
  const path = `/v3/non-employee-sources/${source.id}`;
  for (const origin of [APP, OTHER])
    await t.test(origin, async () => {
      const answer = await preflight(open, path, origin, 'PATCH');
      assert.equal(answer.status, 204, answer.text);
      assert.equal(answer.headers['access-control-allow-origin'], origin);
      assert.deepEqual(
        words(answer.headers['access-control-allow-methods']).sort(),
        ['delete', 'get', 'head', 'patch']);
      for (const name of ['authorization', 'content-type', 'if-none-match',
        'range', 'idempotency-key'])
        assert.ok(words(answer.headers['access-control-allow-headers'])
          .includes(name), name);
      assert.equal(answer.headers['access-control-allow-credentials'],
        undefined);
      assert.ok(words(answer.headers.vary).includes('origin'));
      assert.match(answer.headers['access-control-max-age'], /^\d+$/);
      assert.match(answer.headers['slpt-request-id'], /^[0-9a-f]{32}$/);
    });
});

test('and read the answers, errors too', async () => {
  for (const [path, status] of [
    [downloadPath(source.id), 200],
    [downloadPath('0'.repeat(32)), 404],
    ['/nowhere', 404],
  ]) {
    const answer = await open.get(path, { token, headers: { Origin: APP } });
    assert.equal(answer.status, status);
    assert.equal(answer.headers['access-control-allow-origin'], APP);
    assert.equal(answer.headers['access-control-allow-credentials'], undefined);
    assert.ok(words(answer.headers.vary).includes('origin'));
    for (const name of ['Retry-After', 'X-Total-Count', 'SLPT-Request-ID',
      'Content-Disposition', 'Date'])
      assert.ok(words(answer.headers['access-control-expose-headers'])
        .includes(name.toLowerCase()), name);
  }
  const unknown = await open.get(downloadPath(source.id),
    { headers: { Origin: APP } });
  assert.equal(unknown.status, 401);
  assert.equal(unknown.headers['access-control-allow-origin'], APP);
});

test('the compression of a download is still varied on', async () => {
  const answer = await open.get(downloadPath(source.id), { token });
  assert.deepEqual(words(answer.headers.vary).sort(),
    ['accept-encoding', 'origin']);
});

test('nobody else gets a word of it', async (t) => {
  const path = `/v3/non-employee-sources/${source.id}`;
  for (const origin of ['https://evil.example.com', 'https://app.example.com.',
    'http://app.example.com', `${APP}:444`, `${APP}/`, 'null', '*', '',
    `${APP}, ${OTHER}`])
    await t.test(JSON.stringify(origin), async () => {
      const asked = await preflight(open, path, origin);
      assert.equal(asked.status, 405);
      assert.deepEqual(cors(asked), []);
      const answer = await open.get(path, { token, headers: { Origin: origin } });
      assert.equal(answer.status, 200);
      assert.deepEqual(cors(answer), []);
    });
  await t.test('unless it is set', async () => {
    const asked = await preflight(shut, path, APP);
    assert.equal(asked.status, 405);
    assert.deepEqual(cors(asked), []);
    const answer = await shut.get(path,
      { token: await world.token(shut), headers: { Origin: APP } });
    assert.deepEqual(cors(answer), []);
    assert.equal(answer.headers.vary, undefined);
  });
  await t.test('OPTIONS that is no preflight', async () => {
    const answer = await open.get(path,
      { method: 'OPTIONS', headers: { Origin: APP } });
    assert.equal(answer.status, 405);
    assert.match(answer.headers.allow, /GET/);
  });
});

test('every answer tells browsers that it is data', async (t) => {
  for (const [name, path, options] of [
    ['a record of the API', `/v3/non-employee-sources/${source.id}`, { token }],
    ['a download', downloadPath(source.id), { token }],
    ['not found', '/nowhere', {}],
    ['not known', downloadPath(source.id), {}],
    ['not allowed', '/oauth/info', { method: 'PUT' }],
    ['health', '/healthz', {}],
    ['the public keys', '/.well-known/jwks.json', {}],
    ['a malformed request', '/oauth/info', { headers: { Host: 'a b' } }],
  ])
    await t.test(name, async () => {
      const { headers } = await shut.get(path, options);
      assert.equal(headers['x-content-type-options'], 'nosniff');
      assert.equal(headers['content-security-policy'],
        "default-src 'none'; frame-ancestors 'none'");
      assert.ok(headers['cache-control']);
      assert.equal(headers['strict-transport-security'], undefined);
    });
  await t.test('a page', async () => {
    const { headers } = await shut.get('/logout');
    assert.equal(headers['x-content-type-options'], 'nosniff');
    assert.match(headers['content-security-policy'], /frame-ancestors 'none'/);
    assert.equal(headers['x-frame-options'], 'DENY');
  });
});
