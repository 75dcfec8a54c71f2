// POST /oauth/token: every encoding that clients use, and every refusal
// (contract 2.1, 2.2).

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { checkCommon, checkFramework, checkJson } from './lib/http.js';
import { World } from './lib/nelm.js';

let world, server, admin, reader, codeOnly, refresher;

before(async () => {
  world = await World.create();
  admin = world.admin;
  reader = await world.client('reader', { scopes: ['idn:nelm:read'] });
  codeOnly = await world.client('web', { grants: ['AUTHORIZATION_CODE'] });
  refresher = await world.client('refresher',
    { grants: ['CLIENT_CREDENTIALS', 'REFRESH_TOKEN'] });
  server = await world.serve();
});
after(() => world?.done());

const FORM = 'application/x-www-form-urlencoded';
const encode = (fields) => new URLSearchParams(fields).toString();
const basic = (user, password) =>
  `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;

function multipart(fields, { name = (text) => `"${text}"`,
  value = (text) => text, boundary = '----nelm-test-7f3a', quoted = false,
} = {}) {
  const parts = Object.entries(fields).map(([field, text]) =>
    `--${boundary}\r\n` +
    `Content-Disposition: form-data; name=${name(field)}\r\n\r\n` +
    `${value(text)}\r\n`);
  const parameter = quoted ? `"${boundary}"` : boundary;
  return {
    headers: { 'Content-Type': `multipart/form-data; boundary=${parameter}` },
    body: `${parts.join('')}--${boundary}--\r\n`,
  };
}

function ask({ query, headers = {}, body } = {}) {
  return server.get(`/oauth/token${query ? `?${query}` : ''}`,
    { method: 'POST', headers, body });
}

const credentials = () => ({
  client_id: admin.clientId, client_secret: admin.clientSecret,
});
const whole = () => ({
  grant_type: 'client_credentials', ...credentials(),
});

const ENCODINGS = {
  'query string, no body': () => ({ query: encode(whole()) }),
  'query string with a JSON content type and no body': () => ({
    query: encode(whole()), headers: { 'Content-Type': 'application/json' },
  }),
  'form body': () => ({
    headers: { 'Content-Type': FORM }, body: encode(whole()),
  }),
  'form body with a charset parameter': () => ({
    headers: { 'Content-Type': `${FORM}; charset=UTF-8` },
    body: encode(whole()),
  }),
  'multipart body': () => multipart(whole()),
  'multipart body with a quoted boundary': () =>
    multipart(whole(), { quoted: true }),
  'multipart with unquoted names (PowerShell, .NET)': () =>
    multipart(whole(), { name: (text) => text }),
  'multipart with unquoted names and values in quotes (shells)': () =>
    multipart(whole(),
      { name: (text) => text, value: (text) => `"${text}"` }),
  'Basic, grant in the form body': () => ({
    headers: {
      'Content-Type': FORM,
      Authorization: basic(admin.clientId, admin.clientSecret),
    },
    body: encode({ grant_type: 'client_credentials' }),
  }),
  'Basic, grant in the query': () => ({
    query: 'grant_type=client_credentials',
    headers: { Authorization: basic(admin.clientId, admin.clientSecret) },
  }),
  'mixed: grant in the query, credentials in the form body': () => ({
    query: 'grant_type=client_credentials',
    headers: { 'Content-Type': FORM }, body: encode(credentials()),
  }),
  'mixed: grant in the query, credentials in a multipart body': () => ({
    query: 'grant_type=client_credentials', ...multipart(credentials()),
  }),
  'mixed: id in the query, secret in the body': () => ({
    query: encode({
      grant_type: 'client_credentials', client_id: admin.clientId,
    }),
    headers: { 'Content-Type': FORM },
    body: encode({ client_secret: admin.clientSecret }),
  }),
  'body wins over query': () => ({
    query: encode({ client_id: 'nobody', client_secret: 'wrong',
      grant_type: 'nonsense' }),
    headers: { 'Content-Type': FORM }, body: encode(whole()),
  }),
  'Basic wins over body and query': () => ({
    query: encode({ client_id: 'nobody', client_secret: 'wrong' }),
    headers: {
      'Content-Type': FORM,
      Authorization: basic(admin.clientId, admin.clientSecret),
    },
    body: encode({ grant_type: 'client_credentials', client_id: 'nobody',
      client_secret: 'wrong' }),
  }),
  'grant_type in capitals': () => ({
    query: encode({ ...whole(), grant_type: 'CLIENT_CREDENTIALS' }),
  }),
  'a stray scope header': () => ({
    query: encode(whole()), headers: { scope: 'sp:scopes:nothing' },
  }),
  'unknown parameters': () => ({
    query: `${encode(whole())}&colour=blue`,
  }),
};

test('every encoding gives a token that works', async (t) => {
  for (const [name, made] of Object.entries(ENCODINGS)) {
    await t.test(name, async () => {
      const answer = await ask(made());
      assert.equal(answer.status, 200, answer.text);
      const { access_token: token } = answer.json;
      const used = await server.get(
        '/v3/non-employee-sources/nothing/non-employees/download', { token });
      assert.equal(used.status, 404, used.text);
    });
  }
});

test('the answer has the fields of contract 2.1', async (t) => {
  await t.test('personal access token', async () => {
    const answer = await ask({ query: encode(whole()) });
    checkCommon(answer, { cacheControl: 'no-store' });
    checkJson(answer);
    const token = answer.json;
    assert.equal(token.token_type, 'bearer');
    assert.ok([43199, 43200].includes(token.expires_in));
    assert.equal(token.scope, 'sp:scopes:all');
    assert.ok(['ONLINE', 'OFFLINE'].includes(token.accessType));
    assert.match(token.tenant_id,
      /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    assert.equal(token.internal, false);
    assert.equal(typeof token.pod, 'string');
    assert.equal(typeof token.org, 'string');
    assert.equal(typeof token.strong_auth, 'boolean');
    assert.equal(typeof token.strong_auth_supported, 'boolean');
    assert.match(token.user_id, /^[0-9]+$/);
    assert.equal(token.identity_id, admin.identity.id);
    assert.match(token.identity_id, /^[0-9a-f]{32}$/);
    assert.equal(token.user_name, admin.identity.alias);
    assert.equal(token.enabled, true);
    assert.match(token.jti, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    assert.ok(!('refresh_token' in token));
  });
  await t.test('API client: no identity', async () => {
    const answer = await ask({ query: encode({
      grant_type: 'client_credentials', client_id: reader.clientId,
      client_secret: reader.clientSecret,
    }) });
    assert.equal(answer.status, 200, answer.text);
    const token = answer.json;
    assert.ok([749, 750].includes(token.expires_in));
    assert.equal(token.scope, 'idn:nelm:read');
    for (const name of ['user_id', 'identity_id', 'user_name'])
      assert.ok(!(name in token), name);
  });
  await t.test('no refresh token for client credentials', async () => {
    const answer = await ask({ query: encode({
      grant_type: 'client_credentials', client_id: refresher.clientId,
      client_secret: refresher.clientSecret,
    }) });
    assert.equal(answer.status, 200, answer.text);
    assert.ok(!('refresh_token' in answer.json));
  });
  await t.test('two tokens of one client are two tokens', async () => {
    const [one, other] = await Promise.all(
      [ask({ query: encode(whole()) }), ask({ query: encode(whole()) })]);
    assert.notEqual(one.json.jti, other.json.jti);
  });
  await t.test('scope narrows', async () => {
    const answer = await ask({
      query: encode({ ...whole(), scope: 'idn:nelm:read' }),
    });
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.json.scope, 'idn:nelm:read');
  });
});

test('client ids and secrets have the lengths that a client checks', () => {
  for (const { clientId, clientSecret } of [admin, reader, codeOnly]) {
    assert.ok([32, 36].includes(clientId.length), clientId);
    assert.match(clientSecret, /^[0-9a-f]{64}$/);
  }
});

const client = (made, more) => ({
  grant_type: 'client_credentials',
  client_id: made.clientId, client_secret: made.clientSecret, ...more,
});

const REFUSALS = [
  ['wrong secret', () => client(admin, { client_secret: 'f'.repeat(64) }),
    401, 'invalid_client', 'Bad client credentials'],
  ['secret in capitals',
    () => client(admin,
      { client_secret: `${admin.clientSecret.slice(0, 63)}G` }),
    401, 'invalid_client', 'Bad client credentials'],
  ['secret cut short',
    () => client(admin, { client_secret: admin.clientSecret.slice(0, 63) }),
    401, 'invalid_client', 'Bad client credentials'],
  ['somebody else\'s secret',
    () => client(admin, { client_secret: reader.clientSecret }),
    401, 'invalid_client', 'Bad client credentials'],
  ['unknown client',
    () => client(admin, { client_id: '00000000000000000000000000000000' }),
    401, 'invalid_client', 'Bad client credentials'],
  ['client id that is no id', () => client(admin, { client_id: 'x\u00e9' }),
    401, 'invalid_client', 'Bad client credentials'],
  ['nothing at all', () => ({}), 401, 'unauthorized',
    'Full authentication is required to access this resource'],
  ['grant but no credentials',
    () => ({ grant_type: 'client_credentials' }), 401, 'unauthorized',
    'Full authentication is required to access this resource'],
  ['unknown grant', () => client(admin, { grant_type: 'password' }),
    400, 'unsupported_grant_type', 'Unsupported grant type: password'],
  ['no grant', () => ({ client_id: admin.clientId,
    client_secret: admin.clientSecret }), 400, 'invalid_request',
  /grant_type/],
  ['no secret', () => ({ grant_type: 'client_credentials',
    client_id: admin.clientId }), 400, 'invalid_request', /client_secret/],
  ['grant that the client does not have', () => client(codeOnly),
    401, 'unauthorized_client', 'Unauthorized grant type: client_credentials'],
  ['refresh grant for a client without it',
    () => client(admin, { grant_type: 'refresh_token', refresh_token: 'x' }),
    401, 'unauthorized_client', 'Unauthorized grant type: refresh_token'],
  ['code grant for a client without it',
    () => client(admin, { grant_type: 'authorization_code', code: 'x',
      redirect_uri: 'http://127.0.0.1/' }),
    401, 'unauthorized_client', 'Unauthorized grant type: authorization_code'],
  ['scope that the client does not have',
    () => client(reader, { scope: 'idn:nelm:manage' }),
    400, 'invalid_scope', /./],
];

test('refusals (contract 2.2)', async (t) => {
  for (const [name, fields, status, error, description] of REFUSALS) {
    await t.test(name, async () => {
      const answer = await ask({
        headers: { 'Content-Type': FORM }, body: encode(fields()),
      });
      checkJson(answer);
      checkCommon(answer, { cacheControl: answer.headers['cache-control'] });
      assert.match(answer.headers['cache-control'], /no-store/);
      assert.equal(answer.status, status, answer.text);
      assert.deepEqual(Object.keys(answer.json).sort(),
        ['error', 'error_description']);
      assert.equal(answer.json.error, error);
      if (description instanceof RegExp)
        assert.match(answer.json.error_description, description);
      else
        assert.equal(answer.json.error_description, description);
      assert.ok(!answer.text.includes(admin.clientSecret));
    });
  }
  await t.test('wrong secret by Basic', async () => {
    const answer = await ask({
      query: 'grant_type=client_credentials',
      headers: { Authorization: basic(admin.clientId, 'wrong') },
    });
    assert.equal(answer.status, 401);
    assert.equal(answer.json.error, 'invalid_client');
  });
  await t.test('Basic that is no base64', async () => {
    const answer = await ask({
      query: 'grant_type=client_credentials',
      headers: { Authorization: 'Basic !!!' },
    });
    assert.equal(answer.status, 401);
  });
  await t.test('a deleted token gives no new access token', async () => {
    const gone = await world.pat(admin.identity.alias);
    await world.cli(['token', 'delete', gone.id ?? gone.clientId]);
    const answer = await ask({ query: encode(client(gone)) });
    assert.equal(answer.status, 401);
    assert.equal(answer.json.error, 'invalid_client');
  });
});

test('broken bodies are refused and leave the server well', async (t) => {
  const boundary = 'multipart/form-data; boundary=b';
  const bodies = {
    'multipart without its end': [boundary,
      '--b\r\nContent-Disposition: form-data; name="grant_type"\r\n\r\nx'],
    'multipart without boundary': ['multipart/form-data', '--b--\r\n'],
    'multipart of nothing': [boundary, ''],
    'form with bad escapes': [FORM, 'grant_type=%zz&client_id=%'],
    'form of ampersands': [FORM, '&'.repeat(10_000)],
    'form with a NUL': [FORM, 'grant_type=client_credentials%00'],
    'form that is no UTF-8': [FORM, 'grant_type=%ff%fe'],
  };
  for (const [name, [type, body]] of Object.entries(bodies)) {
    await t.test(name, async () => {
      const answer = await ask({ headers: { 'Content-Type': type }, body });
      assert.ok([400, 401, 415].includes(answer.status),
        `${answer.status} ${answer.text}`);
    });
  }
  await t.test('two mebibytes', async () => {
    const answer = await ask({
      headers: { 'Content-Type': FORM }, body: 'a'.repeat(2 << 20),
    }).catch((error) => error);
    // The server may answer and close before it has read everything.
    if (!(answer instanceof Error)) {
      checkFramework(answer, 413, 'PayloadTooLargeException',
        'Request body too large');
    }
  });
  const answer = await ask({ query: encode(whole()) });
  assert.equal(answer.status, 200);
});
