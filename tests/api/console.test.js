// What the console needs from the server: its files, its client, the end of a
// session. How it looks and feels: tests/browser.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import zlib from 'node:zlib';

import {
  BACK, Browser, PASSWORD, authorizePath, encode, FORM, pkce,
} from './lib/browser.js';
import { UNLIMITED, World } from './lib/nelm.js';
import { Caller } from './lib/registry.js';

const CONSOLE = { clientId: '6e656c6d-0000-8000-8000-636f6e736f6c' };

let world;
let server;

before(async () => {
  world = await World.create();
  for (const alias of ['ann', 'bob']) {
    await world.identity(alias);
    await world.cli(['identity', 'set-password', alias],
      { input: `${PASSWORD}\n` });
  }
  server = await world.serve();
});
after(() => world?.done());

const files = (page) =>
  [...page.text.matchAll(/"(\/console\/[^"]+)"/g)].map(([, path]) => path);

test('the page is strict and asked for anew', async () => {
  const page = await server.get('/');
  assert.equal(page.status, 200);
  assert.equal(page.headers['content-type'], 'text/html; charset=utf-8');
  assert.equal(page.headers['cache-control'], 'no-cache');
  const policy = page.headers['content-security-policy'];
  assert.match(policy, /^default-src 'none'; script-src 'self'; style-src/);
  assert.doesNotMatch(policy, /unsafe|https?:|\*/);
  assert.equal(page.headers['referrer-policy'], 'no-referrer');
  assert.doesNotMatch(page.text, /<script>|<style>|style="|onclick|http/);
  const again = await server.get('/',
    { headers: { 'If-None-Match': page.headers.etag } });
  assert.equal(again.status, 304);
  assert.equal(again.body.length, 0);
});

test('files are kept for ever under their version, and no other', async () => {
  const paths = files(await server.get('/'));
  assert.ok(paths.length >= 3);
  for (const path of paths) {
    const plain = await server.get(path);
    assert.equal(plain.status, 200, path);
    assert.equal(plain.headers['cache-control'],
      'public, max-age=31536000, immutable');
    assert.doesNotMatch(plain.text, /@VERSION@/);
    const packed = await server.get(path,
      { headers: { 'Accept-Encoding': 'gzip' } });
    assert.equal(packed.headers['content-encoding'], 'gzip');
    assert.ok(zlib.gunzipSync(packed.body).equals(plain.body));
    assert.notEqual(packed.headers.etag, plain.headers.etag);
    const other = await server.get(path.replace(/\/[0-9a-f]{8}\//, '/old/'));
    assert.equal(other.headers['cache-control'], 'no-store');
    assert.ok(other.body.equals(plain.body));
  }
  for (const path of ['/console/x/index.html', '/console/x/..%2fapp.js',
    '/console/x', '/console/x/y/app.js'])
    assert.equal((await server.get(path)).status, 404, path);
});

// To the code of the console's client; `at` is where the browser believes the
// console to be.
async function consoleCode(browser, at, alias) {
  const { verifier, challenge } = pkce();
  const path = authorizePath(CONSOLE, { challenge, redirect_uri: at });
  let answer = await browser.go(path);
  if (/type="password"/.test(answer.text)) {
    answer = await browser.submit(answer,
      { action: 'signin', username: alias, password: PASSWORD });
    answer = await browser.go(answer.headers.location);
  }
  return { answer, verifier };
}

async function consoleTokens(browser, alias) {
  const at = `${server.base}/`;
  const { answer, verifier } = await consoleCode(browser, at, alias);
  assert.equal(answer.status, 302, 'nobody is asked to agree');
  const { searchParams } = new URL(answer.headers.location);
  const tokens = await server.get('/oauth/token', {
    method: 'POST', headers: { 'Content-Type': FORM },
    body: encode({
      grant_type: 'authorization_code', client_id: CONSOLE.clientId,
      redirect_uri: at, code: searchParams.get('code'),
      code_verifier: verifier,
    }),
  });
  assert.equal(tokens.status, 200, tokens.text);
  return tokens.json;
}

test('its client sends people back to this very server only', async () => {
  const here = `${server.base}/`;
  for (const at of ['http://evil.example/', `${here}x`, server.base, BACK,
    here.replace('http', 'https'), `${here}?x`]) {
    const { answer } = await consoleCode(new Browser(server), at, 'ann');
    assert.equal(answer.status, 400, at);
    assert.equal(answer.headers.location, undefined);
  }
  const { answer } = await consoleCode(new Browser(server), here, 'ann');
  assert.ok(answer.headers.location.startsWith(`${here}?code=`));
});

test('behind a proxy it is where --public-url says', async () => {
  const proxied = await world.serve(
    [...UNLIMITED, '--public-url', 'https://people.example']);
  const at = 'https://people.example/';
  const path = authorizePath(CONSOLE,
    { challenge: pkce().challenge, redirect_uri: at });
  assert.equal((await proxied.get(path)).status, 200);
  assert.equal((await server.get(path)).status, 400);
  await proxied.stop();
});

const revoke = (browser, fields, target = server) =>
  browser.go('/oauth/revoke', { method: 'POST', fields });

test('revoking its token ends the token, and the session', async () => {
  const browser = new Browser(server);
  const tokens = await consoleTokens(browser, 'ann');
  const caller = new Caller(server, tokens.access_token);
  assert.equal((await caller.call('GET', '/public-identities')).status, 200);
  assert.ok(browser.cookies.has('nelm_session'));

  // Another client's word does not count, and says nothing.
  const other = await world.client('other', { grants: ['REFRESH_TOKEN'] });
  assert.equal((await revoke(browser, {
    client_id: other.clientId, client_secret: other.clientSecret,
    token: tokens.refresh_token,
  })).status, 200);
  assert.equal((await caller.call('GET', '/public-identities')).status, 200);
  assert.ok(browser.cookies.has('nelm_session'));

  const answer = await revoke(browser,
    { client_id: CONSOLE.clientId, token: tokens.refresh_token });
  assert.equal(answer.status, 200, answer.text);
  assert.equal((await caller.call('GET', '/public-identities')).status, 401);
  assert.ok(!browser.cookies.has('nelm_session'));
  const page = await browser.go(authorizePath(CONSOLE, {
    challenge: pkce().challenge, redirect_uri: `${server.base}/`,
  }));
  assert.match(page.text, /type="password"/);
  assert.equal((await revoke(browser,
    { client_id: CONSOLE.clientId, token: tokens.refresh_token })).status, 200);
  const events = await world.json('audit', 'list');
  assert.ok(events.some(({ event }) => event === 'OAUTH_TOKEN_REVOKED'));
});

test('a token of one does not end the session of another', async () => {
  const anns = new Browser(server);
  const { access_token: token } = await consoleTokens(anns, 'ann');
  const bobs = new Browser(server);
  await consoleTokens(bobs, 'bob');
  assert.equal((await revoke(bobs,
    { client_id: CONSOLE.clientId, token })).status, 200);
  assert.ok(bobs.cookies.has('nelm_session'));
});

test('tokens of credentials are not revoked this way', async () => {
  const token = await world.token(server);
  const answer = await revoke(new Browser(server), {
    client_id: world.admin.clientId, client_secret: world.admin.clientSecret,
    token,
  });
  assert.equal(answer.status, 400);
  assert.equal(answer.json.error, 'unsupported_token_type');
});

test('a form downloads what a GET does, with the rights of its token',
  async () => {
    const source = await world.source('People');
    await world.cli(['sample', 'identities']);
    await world.import(source, await world.sample(50));
    const path = `/v3/non-employee-sources/${source.id}/non-employees/download`;
    const post = (fields, query = '', headers = {}) =>
      server.get(path + query, {
        method: 'POST', headers: { 'Content-Type': FORM, ...headers },
        body: encode(fields),
      });
    const token = await world.token(server);
    for (const query of ['', '?bom=true&lineEnd=crlf&formulaGuard=true']) {
      const got = await server.get(path + query, { token });
      const form = await post({ access_token: token }, query);
      assert.equal(form.status, 200, form.text);
      assert.ok(form.body.equals(got.body));
      for (const name of ['repr-digest', 'x-total-count',
        'content-disposition', 'content-length'])
        assert.equal(form.headers[name], got.headers[name], name);
    }
    const stranger = (await consoleTokens(new Browser(server), 'ann'))
      .access_token;
    assert.equal((await post({ access_token: stranger })).status, 403);
    assert.equal((await post({ access_token: 'x' })).status, 401);
    assert.equal((await post({})).status, 401);
    assert.equal((await post({ access_token: '' })).status, 401);
    // A header takes the form's place, for worse as for better.
    assert.equal((await post({ access_token: token }, '',
      { Authorization: `Bearer ${stranger}` })).status, 403);
    // No other path takes a token from a form, and none from the address.
    for (const at of ['/v3/non-employee-records/bulk-delete',
      `${path}?access_token=${token}`])
      assert.equal((await server.get(at, {
        method: 'POST', headers: { 'Content-Type': FORM },
        body: at.includes('?') ? '' : encode({ access_token: token }),
      })).status, 401, at);
    assert.doesNotMatch(server.log, new RegExp(token.slice(-40)));
  });

test('everybody has a rate limit of their own', async () => {
  const limited = await world.serve(
    ['--rate-limit', '3/60s', '--token-rate-limit', '1/60s']);
  const main = server;
  server = limited;
  const calls = [];
  for (const alias of ['ann', 'bob']) {
    const { access_token: token } =
      await consoleTokens(new Browser(limited), alias);
    for (let i = 0; i < 4; i++)
      calls.push((await new Caller(limited, token)
        .call('GET', '/public-identities')).status);
  }
  server = main;
  await limited.stop();
  assert.deepEqual(calls, [200, 200, 200, 429, 200, 200, 200, 429]);
});

test('it is switched off and on by its client, as the manual says', async () => {
  const admin = new Caller(server, await world.token(server));
  const enable = (value) => admin.call('PATCH',
    `/oauth-clients/${CONSOLE.clientId}`,
    [{ op: 'replace', path: '/enabled', value }],
    { type: 'application/json-patch+json' });
  const here = `${server.base}/`;
  const { access_token: token } = await consoleTokens(new Browser(server),
    'ann');
  const caller = new Caller(server, token);
  const off = await enable(false);
  assert.equal(off.status, 200, off.text);
  assert.equal((await caller.call('GET', '/public-identities')).status, 401);
  assert.equal((await consoleCode(new Browser(server), here, 'ann'))
    .answer.status, 400);
  assert.equal((await enable(true)).status, 200);
  await consoleTokens(new Browser(server), 'ann');
});
