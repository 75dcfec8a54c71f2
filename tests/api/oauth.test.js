// The authorization code flow as browsers and clients see it (contract 2.1 to
// 2.3).

import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { after, before, test } from 'node:test';

import {
  BACK, Browser, FORM, PASSWORD, authorizePath, encode, pkce,
} from './lib/browser.js';
import { checkCommon } from './lib/http.js';
import { sleep, World } from './lib/nelm.js';

const GRANTS = ['AUTHORIZATION_CODE', 'REFRESH_TOKEN'];

let world, server, app, secretApp, narrow;

async function makeClient(name, ...more) {
  return world.json('client', 'create', '--name', name,
    ...GRANTS.flatMap((grant) => ['--grant', grant]),
    '--redirect-uri', BACK, ...more);
}

async function person(alias, { levels = [], password = PASSWORD } = {}) {
  const made = await world.identity(alias, { levels, name: `Name of ${alias}` });
  await world.cli(['identity', 'set-password', alias], { input: password });
  return made;
}

before(async () => {
  world = await World.create();
  await world.cli(['identity', 'set-password', world.admin.identity.alias],
    { input: PASSWORD });
  await person('ann', { levels: ['ORG_ADMIN'] });
  await person('bob');
  app = await makeClient('<img src=x onerror="alert(1)">\'&', '--type',
    'PUBLIC', '--redirect-uri', 'com.example.app:/back',
    '--redirect-uri', `${BACK}?fixed=1`);
  secretApp = await makeClient('Confidential', '--scope', 'idn:nelm:read');
  narrow = await makeClient('Narrow', '--type', 'PUBLIC',
    '--scope', 'idn:nelm:read', '--scope', 'idn:nelm:manage');
  server = await world.serve();
});
after(() => world?.done());

function token(fields, where = server) {
  return where.get('/oauth/token', {
    method: 'POST', headers: { 'Content-Type': FORM }, body: encode(fields),
  });
}

function redeem(client, code, more = {}) {
  return token({
    grant_type: 'authorization_code', client_id: client.clientId, code,
    redirect_uri: BACK, ...more,
  });
}

function refresh(client, refreshToken, more = {}) {
  return token({
    grant_type: 'refresh_token', client_id: client.clientId,
    refresh_token: refreshToken, ...more,
  });
}

// The whole way to tokens.
async function tokens(client, username, { browser = new Browser(server), scope } = {}) {
  const { verifier, challenge } = pkce();
  const back = await browser.authorize(client, username, { challenge, scope });
  const answer = await redeem(client, back.get('code'), {
    code_verifier: verifier,
    ...(client.clientSecret ? { client_secret: client.clientSecret } : {}),
  });
  assert.equal(answer.status, 200, answer.text);
  return answer.json;
}

const payload = (jwt) =>
  JSON.parse(Buffer.from(jwt.split('.')[1], 'base64url'));

async function works(accessToken) {
  const answer =
    await server.get('/v3/non-employee-sources', { token: accessToken });
  return answer.status === 200;
}

function refused(answer, error, text) {
  assert.equal(answer.status, 400, answer.text);
  assert.equal(answer.json.error, error);
  assert.match(answer.json.error_description, text);
}

async function events(name) {
  return Number(
    await world.sql(`SELECT count(*) FROM audit WHERE event = '${name}'`));
}

// --- the flow ---------------------------------------------------------------

test('a person signs in, agrees, and a client acts for them', async () => {
  const browser = new Browser(server);
  const { verifier, challenge } = pkce();
  const path = authorizePath(app, { challenge, state: 'a b&c=<d>"\u00e9%' });

  const asked = await browser.signIn(path, 'ANN');
  assert.equal(asked.status, 303, asked.text);
  assert.equal(asked.headers.location, path);
  const consent = await browser.go(path);
  assert.match(consent.text, /Name of ann/);
  assert.match(consent.text, /do everything that you may do/);
  const back = await browser.submit(consent, { action: 'allow' });
  assert.equal(back.status, 302);
  const url = new URL(back.headers.location);
  assert.equal(url.origin + url.pathname, BACK);
  assert.equal(url.searchParams.get('state'), 'a b&c=<d>"\u00e9%');

  const answer = await redeem(app, url.searchParams.get('code'),
    { code_verifier: verifier });
  assert.equal(answer.status, 200, answer.text);
  checkCommon(answer, { cacheControl: 'no-store' });
  const given = answer.json;
  assert.equal(given.token_type, 'bearer');
  assert.equal(given.user_name, 'ann');
  assert.equal(given.scope, 'sp:scopes:all');
  const access = payload(given.access_token);
  const again = payload(given.refresh_token);
  assert.equal(access.identity_id, given.identity_id);
  assert.deepEqual(access.authorities, ['ORG_ADMIN']);
  assert.equal(again.ati, access.jti);
  assert.equal(access.ati, undefined);
  assert.ok(await works(given.access_token));
  for (const event of ['USER_SIGNED_IN', 'OAUTH_CONSENT_GIVEN',
    'OAUTH_CODE_ISSUED', 'OAUTH_CODE_REDEEMED'])
    assert.ok(await events(event) > 0, event);
});

test('consent is remembered, but not for more than was agreed', async () => {
  const browser = new Browser(server);
  await browser.authorize(narrow, 'bob',
    { ...pkce(), verifier: undefined, scope: 'idn:nelm:read' });
  const path = (scope) =>
    authorizePath(narrow, { challenge: pkce().challenge, scope });

  assert.equal((await browser.go(path('idn:nelm:read'))).status, 302);
  const more = await browser.go(path('idn:nelm:read idn:nelm:manage'));
  assert.equal(more.status, 200);
  assert.match(more.text, /change non-employees/);
});

test('a confidential client needs its secret, and may do without PKCE',
  async () => {
    const back = await new Browser(server).authorize(secretApp, 'ann');
    const without = await redeem(secretApp, back.get('code'));
    assert.equal(without.status, 401);
    assert.equal(without.json.error, 'invalid_client');
    const answer = await redeem(secretApp, back.get('code'),
      { client_secret: secretApp.clientSecret });
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.json.scope, 'idn:nelm:read');
    const again = await refresh(secretApp, answer.json.refresh_token);
    assert.equal(again.status, 401);
  });

test('a client without the refresh grant gets no refresh token', async () => {
  const client = await world.json('client', 'create', '--name', 'once',
    '--grant', 'AUTHORIZATION_CODE', '--redirect-uri', BACK,
    '--type', 'PUBLIC');
  assert.equal(client.clientSecret, undefined);
  const given = await tokens(client, 'ann');
  assert.equal(given.refresh_token, undefined);
  assert.ok(await works(given.access_token));
});

test('refusing tells the client so', async () => {
  const browser = new Browser(server);
  const path = authorizePath(narrow, { challenge: pkce().challenge });
  await browser.signIn(path, 'ann');
  const answer = await browser.submit(await browser.go(path),
    { action: 'deny' });
  assert.equal(answer.status, 302);
  const { searchParams } = new URL(answer.headers.location);
  assert.equal(searchParams.get('error'), 'access_denied');
  assert.equal(searchParams.get('state'), 'st');
  assert.equal(searchParams.get('code'), null);
  assert.equal(await events('OAUTH_CONSENT_REFUSED'), 1);
});

test('a redirect address keeps its own query, and may be an app\'s', async () => {
  const browser = new Browser(server);
  const kept = await browser.authorize(app, 'bob',
    { challenge: pkce().challenge, redirect_uri: `${BACK}?fixed=1` });
  assert.equal(kept.get('fixed'), '1');
  assert.ok(kept.get('code'));
  const answer = await browser.go(authorizePath(app,
    { challenge: pkce().challenge, redirect_uri: 'com.example.app:/back' }));
  assert.match(answer.headers.location, /^com\.example\.app:\/back\?code=/);
});

// --- what is told to whom ----------------------------------------------------

test('an unknown client or redirect is never redirected to', async (t) => {
  const { challenge } = pkce();
  const good = authorizePath(app, { challenge });
  const paths = {
    'unknown client': authorizePath({ clientId: crypto.randomUUID() }),
    'no client': authorizePath(app, { client_id: undefined }),
    'client that is no id': authorizePath({ clientId: '<script>' }),
    'no redirect': authorizePath(app, { redirect_uri: undefined }),
    'another host': authorizePath(app, { redirect_uri: 'https://evil.test/' }),
    'longer path': authorizePath(app, { redirect_uri: `${BACK}/more` }),
    'shorter path': authorizePath(app, { redirect_uri: BACK.slice(0, -1) }),
    'other case': authorizePath(app, { redirect_uri: BACK.toUpperCase() }),
    'added query': authorizePath(app, { redirect_uri: `${BACK}?x` }),
    'user info': authorizePath(app,
      { redirect_uri: 'http://127.0.0.1:1@evil.test/back' }),
    'two lines': authorizePath(app,
      { redirect_uri: `${BACK}\r\nLocation: http://evil.test` }),
    'two registered ones': authorizePath(app,
      { redirect_uri: `${BACK}\ncom.example.app:/back` }),
    'javascript': authorizePath(app, { redirect_uri: 'javascript:alert(1)' }),
    'client twice': `${good}&client_id=${app.clientId}`,
    'redirect twice': `${good}&redirect_uri=https%3A%2F%2Fevil.test`,
    'broken escape': `${good}%zz`,
  };
  for (const [name, path] of Object.entries(paths))
    await t.test(name, async () => {
      const answer = await server.get(path);
      assert.equal(answer.status, 400);
      assert.equal(answer.headers.location, undefined);
      if (/html/.test(answer.headers['content-type']))
        assert.doesNotMatch(answer.text, /evil|<script/);
    });
});

test('other faults go back to the client', async (t) => {
  const { challenge } = pkce();
  const faults = {
    unsupported_response_type: [app, { challenge, response_type: 'token' }],
    'no type': [app, { challenge, response_type: undefined },
      'invalid_request'],
    'no challenge for a public client': [app, {}, 'invalid_request'],
    'plain challenge': [app,
      { code_challenge: challenge, code_challenge_method: 'plain' },
      'invalid_request'],
    'challenge without method': [app, { code_challenge: challenge },
      'invalid_request'],
    'challenge that is no hash': [secretApp,
      { challenge: 'short' }, 'invalid_request'],
    invalid_scope: [narrow, { challenge, scope: 'sp:scopes:all' }],
  };
  for (const [name, [client, more, error]] of Object.entries(faults))
    await t.test(name, async () => {
      const answer = await server.get(authorizePath(client, more));
      assert.equal(answer.status, 302, answer.text);
      const url = new URL(answer.headers.location);
      assert.equal(url.origin + url.pathname, BACK);
      assert.equal(url.searchParams.get('error'), error ?? name);
      assert.equal(url.searchParams.get('state'), 'st');
    });
  await t.test('unauthorized_client', async () => {
    const client = await world.json('client', 'create', '--name', 'no code',
      '--grant', 'CLIENT_CREDENTIALS', '--redirect-uri', BACK);
    const answer = await server.get(authorizePath(client));
    assert.match(answer.headers.location, /error=unauthorized_client/);
  });
});

// --- codes ----------------------------------------------------------------------

test('a code needs its verifier, its redirect and its client', async (t) => {
  const browser = new Browser(server);
  const { verifier, challenge } = pkce();
  const code = async (client = app, more = { challenge }) =>
    (await browser.authorize(client, 'ann', more)).get('code');
  const tries = {
    'wrong verifier': async () => redeem(app, await code(),
      { code_verifier: pkce().verifier }),
    'no verifier': async () => redeem(app, await code()),
    'short verifier': async () => redeem(app, await code(),
      { code_verifier: 'x' }),
    'verifier without a challenge': async () => redeem(secretApp,
      await code(secretApp, {}),
      { client_secret: secretApp.clientSecret, code_verifier: verifier }),
    'other redirect': async () => redeem(app, await code(),
      { code_verifier: verifier, redirect_uri: `${BACK}?fixed=1` }),
    'other client': async () => redeem(narrow, await code(),
      { code_verifier: verifier }),
    'made up': () => redeem(app, 'f'.repeat(64), { code_verifier: verifier }),
  };
  for (const [name, attempt] of Object.entries(tries))
    await t.test(name, async () => {
      refused(await attempt(), 'invalid_grant', /Invalid authorization code/);
    });
  for (const missing of ['code', 'redirect_uri'])
    await t.test(`no ${missing}`, async () => {
      refused(await redeem(app, 'x', { [missing]: '' }), 'invalid_request',
        new RegExp(missing));
    });
});

test('a code is good once; a second use ends what came from it', async () => {
  const { verifier, challenge } = pkce();
  const back = await new Browser(server).authorize(app, 'ann', { challenge });
  const first = await redeem(app, back.get('code'),
    { code_verifier: verifier });
  assert.ok(await works(first.json.access_token));
  const second = await redeem(app, back.get('code'),
    { code_verifier: verifier });
  refused(second, 'invalid_grant', /already used/);
  assert.equal(await works(first.json.access_token), false);
  refused(await refresh(app, first.json.refresh_token), 'invalid_grant',
    /revoked/);
  assert.equal(await events('OAUTH_CODE_REUSED'), 1);
});

test('of many that bring one code at once, one at most keeps a token',
  async () => {
    const { verifier, challenge } = pkce();
    const back = await new Browser(server).authorize(app, 'ann', { challenge });
    const answers = await Promise.all(Array.from({ length: 8 }, () =>
      redeem(app, back.get('code'), { code_verifier: verifier })));
    assert.ok(answers.filter(({ status }) => status === 200).length <= 1);
  });

test('a code expires', async () => {
  const { verifier, challenge } = pkce();
  const back = await new Browser(server).authorize(app, 'ann', { challenge });
  await world.sql(
    'UPDATE auth_code SET expires_ms = created_ms - 1 WHERE used = 0');
  refused(await redeem(app, back.get('code'), { code_verifier: verifier }),
    'invalid_grant', /expired/);
});

test('a code cannot be read in the database', async () => {
  const back = await new Browser(server).authorize(app, 'ann',
    { challenge: pkce().challenge });
  const rows = await world.sql('SELECT hex(hash) FROM auth_code');
  assert.ok(!rows.toLowerCase().includes(back.get('code')));
});

// --- refresh tokens -----------------------------------------------------------------

test('a refresh token is replaced with each use', async () => {
  const first = await tokens(app, 'ann');
  const second = await refresh(app, first.refresh_token);
  assert.equal(second.status, 200, second.text);
  const third = await refresh(app, second.json.refresh_token);
  assert.equal(third.status, 200, third.text);
  assert.ok(await works(first.access_token));
  assert.ok(await works(third.json.access_token));
  assert.equal(payload(third.json.refresh_token).ati, third.json.jti);
});

test('using a replaced refresh token ends the family', async () => {
  const first = await tokens(app, 'ann');
  const other = await tokens(app, 'ann');
  const second = await refresh(app, first.refresh_token);
  refused(await refresh(app, first.refresh_token), 'invalid_grant', /revoked/);
  refused(await refresh(app, second.json.refresh_token), 'invalid_grant',
    /revoked/);
  assert.equal(await works(second.json.access_token), false);
  assert.ok(await works(other.access_token), 'another family is not touched');
});

test('a refresh may ask for less, and get all again later', async () => {
  const first = await tokens(narrow, 'bob');
  const less = await refresh(narrow, first.refresh_token,
    { scope: 'idn:nelm:read' });
  assert.equal(less.json.scope, 'idn:nelm:read');
  const more = await refresh(narrow, less.json.refresh_token,
    { scope: 'sp:scopes:all' });
  refused(more, 'invalid_scope', /sp:scopes:all/);
  const all = await refresh(narrow, less.json.refresh_token);
  assert.equal(all.json.scope, 'idn:nelm:read idn:nelm:manage');
});

test('what is no refresh token of this client is refused', async (t) => {
  const given = await tokens(app, 'ann');
  const [head, body, signature] = given.refresh_token.split('.');
  const flipped = signature.startsWith('A') ? 'B' : 'A';
  const tries = {
    'an access token': [app, given.access_token],
    'of another client': [narrow, given.refresh_token],
    'a changed one': [app, `${head}.${body}.${flipped}${signature.slice(1)}`],
    'nonsense': [app, 'nonsense'],
  };
  for (const [name, [client, text]] of Object.entries(tries))
    await t.test(name, async () => {
      refused(await refresh(client, text), 'invalid_grant',
        /Invalid refresh token/);
    });
  await t.test('nothing', async () => {
    refused(await refresh(app, ''), 'invalid_request', /refresh_token/);
  });
  assert.ok((await refresh(app, given.refresh_token)).status === 200);
});

test('a refresh token is no access token', async () => {
  const given = await tokens(app, 'ann');
  const answer = await server.get('/v3/non-employee-sources',
    { token: given.refresh_token });
  assert.equal(answer.status, 401);
  assert.match(answer.json.error, /malformed/);
});

test('deleting the client or the identity ends its tokens at once',
  async () => {
    await person('gone');
    const client = await makeClient('gone', '--type', 'PUBLIC');
    const byClient = await tokens(client, 'ann');
    const byIdentity = await tokens(app, 'gone');
    await world.cli(['client', 'delete', client.clientId]);
    await world.cli(['identity', 'delete', 'gone']);
    assert.equal(await works(byClient.access_token), false);
    assert.equal(await works(byIdentity.access_token), false);
    refused(await refresh(app, byIdentity.refresh_token), 'invalid_grant',
      /revoked/);
  });

// --- signing in --------------------------------------------------------------------

test('unknown user, wrong password and no password answer alike', async () => {
  await world.identity('nopassword');
  const seen = new Set();
  for (const [alias, password] of [['nobody at all', 'x'], ['bob', 'wrong'],
    ['nopassword', 'x']]) {
    const browser = new Browser(server);
    const answer = await browser.signIn(
      authorizePath(app, { challenge: pkce().challenge }), alias, password);
    assert.equal(answer.status, 400);
    assert.equal(browser.cookies.has('nelm_session'), false);
    seen.add(answer.text.replaceAll(alias, 'ALIAS')
      .replace(/form_key" value="[^"]*"/, ''));
  }
  assert.equal(seen.size, 1);
});

test('fields that are empty are named at the field', async () => {
  const browser = new Browser(server);
  const answer = await browser.signIn(
    authorizePath(app, { challenge: pkce().challenge }), ' ', '');
  assert.equal(answer.status, 400);
  for (const field of ['username', 'password']) {
    assert.match(answer.text, new RegExp(
      `id="${field}"[^>]*aria-describedby="${field}-problem"`));
    assert.match(answer.text, new RegExp(`id="${field}-problem"`));
  }
  assert.match(answer.text, /<title>Error: /);
});

test('guessing is locked, the same for those who do not exist', async (t) => {
  await person('victim');
  const path = authorizePath(app, { challenge: pkce().challenge });
  for (const alias of ['victim', 'nobody-3f']) {
    await t.test(alias, async () => {
      const browser = new Browser(server);
      for (let i = 0; i < 5; i++)
        assert.equal((await browser.signIn(path, alias, `no ${i}`)).status,
          400);
      const locked = await browser.signIn(path, alias.toUpperCase());
      assert.equal(locked.status, 429);
      assert.match(locked.text, /too many attempts/);
      const wait = Number(locked.headers['retry-after']);
      assert.ok(wait > 20 && wait <= 30, `Retry-After: ${wait}`);
    });
  }
  await t.test('the lock ends, and the next one is longer', async () => {
    await world.sql('UPDATE login_attempt SET locked_ms = 1');
    const browser = new Browser(server);
    assert.equal((await browser.signIn(path, 'victim', 'no')).status, 400);
    const locked = await browser.signIn(path, 'victim');
    assert.equal(locked.status, 429);
    assert.ok(Number(locked.headers['retry-after']) > 50);
  });
  await t.test('the right password begins anew', async () => {
    await world.sql('UPDATE login_attempt SET locked_ms = 1');
    const browser = new Browser(server);
    assert.equal((await browser.signIn(path, 'victim')).status, 303);
    assert.equal(
      (await new Browser(server).signIn(path, 'victim', 'no')).status, 400);
    assert.equal((await new Browser(server).signIn(path, 'victim')).status, 303);
  });
});

test('many guesses at once are counted one by one', async () => {
  await person('target');
  const browser = new Browser(server);
  const page = await browser.go(
    authorizePath(app, { challenge: pkce().challenge }));
  const answers = await Promise.all(Array.from({ length: 20 }, (_, i) =>
    browser.submit(page,
      { action: 'signin', username: 'target', password: `no ${i}` })));
  const tried = answers.filter(({ status }) => status === 400).length;
  assert.equal(tried, 5);
});

test('the session\'s cookie is the browser\'s alone', async () => {
  const browser = new Browser(server);
  const answer = await browser.signIn(
    authorizePath(app, { challenge: pkce().challenge }), 'ann');
  const [line] = answer.headers['set-cookie'];
  assert.match(line, /^nelm_session=[0-9a-f]{64}; Path=\/; HttpOnly; /);
  assert.match(line, /SameSite=Lax/);
  assert.doesNotMatch(line, /Secure/);
  const rows = await world.sql('SELECT hex(hash) FROM login_session');
  assert.ok(!rows.toLowerCase()
    .includes(browser.cookies.get('nelm_session')));
});

test('behind TLS cookies are secure and bound to the host', async () => {
  const secure = await world.serve(
    ['--rate-limit', 'off', '--token-rate-limit', 'off',
      '--public-url', 'https://nelm.example.com']);
  const browser = new Browser(secure);
  const answer = await browser.signIn(
    authorizePath(app, { challenge: pkce().challenge }), 'ann');
  assert.match(answer.headers['set-cookie'][0],
    /^__Host-nelm_session=.*; Path=\/; .*; Secure$/);
});

test('any node knows the session and the code', async () => {
  const other = await world.serve();
  const browser = new Browser(server);
  const { verifier, challenge } = pkce();
  await browser.signIn(authorizePath(narrow, { challenge }), 'ann');
  browser.server = other;
  const back = await browser.authorize(narrow, 'ann', { challenge });
  const answer = await redeem(narrow, back.get('code'),
    { code_verifier: verifier });
  assert.equal(answer.status, 200, answer.text);
});

test('a session ends with its time and with a new password', async () => {
  await person('changer');
  const path = authorizePath(app, { challenge: pkce().challenge });
  const browser = new Browser(server);
  await browser.signIn(path, 'changer');
  assert.match((await browser.go('/logout')).text, /changer/);
  await world.cli(['identity', 'set-password', 'changer'],
    { input: 'another one' });
  assert.doesNotMatch((await browser.go('/logout')).text, /changer/);
  await browser.signIn(path, 'changer', 'another one');
  assert.match((await browser.go('/logout')).text, /changer/);
  await world.sql('UPDATE login_session SET expires_ms = 1');
  assert.doesNotMatch((await browser.go('/logout')).text, /changer/);
});

test('signing out', async () => {
  const path = authorizePath(app, { challenge: pkce().challenge });
  const browser = new Browser(server);
  await browser.signIn(path, 'ann');
  const session = browser.cookies.get('nelm_session');
  const page = await browser.go('/logout');
  assert.match(page.text, /Name of ann/);
  const done = await browser.submit(page, { action: 'signout' });
  assert.match(done.text, /You are signed out/);
  assert.equal(browser.cookies.has('nelm_session'), false);
  browser.cookies.set('nelm_session', session);
  assert.match((await browser.go(path)).text, /type="password"/);
  assert.ok(await events('USER_SIGNED_OUT') > 0);
});

test('somebody else may sign in instead', async () => {
  await person('first');
  const browser = new Browser(server);
  const path = authorizePath(narrow, { challenge: pkce().challenge });
  await browser.signIn(path, 'first');
  const switched = await browser.submit(await browser.go(path),
    { action: 'switch' });
  assert.equal(switched.status, 303);
  assert.match((await browser.go(path)).text, /type="password"/);
});

// --- hostile pages -------------------------------------------------------------------

test('forms of other sites do nothing', async (t) => {
  const path = authorizePath(narrow, { challenge: pkce().challenge });
  await t.test('sign-in without the browser\'s key', async () => {
    const answer = await new Browser(server).go(path, { method: 'POST',
      fields: { action: 'signin', username: 'ann', password: PASSWORD } });
    assert.equal(answer.status, 403);
    assert.doesNotMatch(answer.headers['set-cookie'].join(), /session/);
  });
  await t.test('sign-in with another browser\'s key', async () => {
    const theirs = await new Browser(server).go(path);
    const mine = new Browser(server);
    await mine.go(path);
    const answer = await mine.submit(theirs,
      { action: 'signin', username: 'ann', password: PASSWORD });
    assert.equal(answer.status, 403);
  });
  await t.test('consent and sign-out with a wrong key', async () => {
    await person('csrf');
    const browser = new Browser(server);
    await browser.signIn(path, 'csrf');
    for (const key of ['', 'x', 'f'.repeat(64)]) {
      const answer = await browser.go(path, { method: 'POST',
        fields: { action: 'allow', form_key: key } });
      assert.equal(answer.status, 200);
      assert.equal(answer.headers.location, undefined);
    }
    assert.equal((await browser.go(path)).status, 200, 'nothing was agreed');
    await browser.go('/logout', { method: 'POST',
      fields: { action: 'signout', form_key: 'x' } });
    assert.match((await browser.go('/logout')).text, /csrf/);
  });
  await t.test('the sign-in form\'s key does not agree to anything',
    async () => {
      await person('fixed');
      const browser = new Browser(server);
      const page = await browser.go(path);
      await browser.signIn(path, 'fixed');
      const answer = await browser.submit(page, { action: 'allow' });
      assert.equal(answer.headers.location, undefined);
    });
});

test('a session that somebody plants is not taken over', async () => {
  const browser = new Browser(server);
  browser.cookies.set('nelm_session', 'a'.repeat(64));
  await browser.signIn(authorizePath(app, { challenge: pkce().challenge }),
    'ann');
  assert.notEqual(browser.cookies.get('nelm_session'), 'a'.repeat(64));
});

test('pages escape what they show and allow nothing that runs', async () => {
  const browser = new Browser(server);
  const evil = '"><script>alert(1)</script>';
  const path = authorizePath(app,
    { challenge: pkce().challenge, state: evil, extra: evil });
  const login = await browser.go(path);
  const wrong = await browser.submit(login,
    { action: 'signin', username: evil, password: 'x' });
  await person('xss');
  await browser.signIn(path, 'xss');
  const consent = await browser.go(path);
  for (const page of [login, wrong, consent]) {
    assert.doesNotMatch(page.text, /<script|<img/);
    assert.match(page.text, /&lt;img src=x onerror=&quot;alert/);
    const policy = page.headers['content-security-policy'];
    assert.match(policy, /default-src 'none'/);
    assert.match(policy, /form-action 'self' http:\/\/127\.0\.0\.1:1;/);
    assert.match(policy, /frame-ancestors 'none'/);
    assert.doesNotMatch(policy, /unsafe/);
    assert.equal(page.headers['x-frame-options'], 'DENY');
    assert.equal(page.headers['referrer-policy'], 'no-referrer');
    assert.equal(page.headers['cache-control'], 'no-store');
    assert.equal(page.headers['x-content-type-options'], 'nosniff');
    assert.doesNotMatch(page.text, /(src|href)="(https?:)?\/\//);
  }
  assert.match(wrong.text, /value="&quot;&gt;&lt;script&gt;/);
});

test('the log has no password, code, cookie or name', async () => {
  const browser = new Browser(server);
  await browser.authorize(app, 'ann', { challenge: pkce().challenge });
  await sleep(50);
  for (const text of [PASSWORD, browser.cookies.get('nelm_session'),
    'username', 'ann', 'code='])
    assert.ok(!server.log.includes(text), text);
});

test('forms must be forms', async () => {
  const answer = await server.get(authorizePath(app,
    { challenge: pkce().challenge }), { method: 'POST',
    headers: { 'Content-Type': 'application/json' }, body: '{}' });
  assert.equal(answer.status, 415);
});

test('the style is there and is ours', async () => {
  const answer = await server.get('/oauth/style.css');
  assert.equal(answer.status, 200);
  assert.match(answer.headers['content-type'], /^text\/css/);
  assert.doesNotMatch(answer.text, /url\(|@import/);
  assert.match(answer.text, /prefers-color-scheme: dark/);
});

test('what expired is swept away', async () => {
  await tokens(app, 'ann');
  await world.sql('UPDATE login_session SET expires_ms = 1;' +
    'UPDATE login_attempt SET expires_ms = 1;' +
    'UPDATE auth_code SET expires_ms = 1;' +
    'UPDATE token_family SET expires_ms = 1');
  await tokens(app, 'ann');
  for (const table of ['login_session', 'auth_code', 'token_family'])
    assert.equal(await world.sql(`SELECT count(*) FROM ${table}`), '1', table);
});
