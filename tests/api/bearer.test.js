// Bearer tokens: what is published about them, and every abuse we can think
// of (contract 2.4, 2.5; RFC 8725).

import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { after, before, test } from 'node:test';

import {
  check401, checkCommon, checkJson, downloadPath, exchange,
} from './lib/http.js';
import { b64, decode, es256, hs256, newKey, verifies } from './lib/jwt.js';
import { World, sleep } from './lib/nelm.js';

let world, server, source, token, parts, jwk, jwks, realKey, brief, briefEnd;

before(async () => {
  world = await World.create();
  source = await world.source('Bearers');
  server = await world.serve();
  // Lives for 15 seconds; looked at again at the end of this file.
  brief = await world.token(server, await world.json('token', 'create',
    '--identity', world.admin.identity.alias, '--name', 'brief',
    '--validity', '15'));
  briefEnd = Date.now() + 15_000;
  token = await world.token(server);
  parts = decode(token);
  jwks = await server.get('/.well-known/jwks.json');
  jwk = jwks.json.keys.find(({ kid }) => kid === parts.header.kid);
  // The server's own key, for tokens that are signed well and still wrong.
  const der = Buffer.from(await world.sql(
    'SELECT hex(private_der) FROM signing_key ' +
    'ORDER BY created_ms DESC LIMIT 1'), 'hex');
  for (const type of ['pkcs8', 'sec1']) {
    try {
      realKey ??= crypto.createPrivateKey({ key: der, format: 'der', type });
    } catch {
      // the other encoding, then
    }
  }
});
after(() => world?.done());

const call = (authorization) => server.get(downloadPath(source.id),
  { headers: authorization === undefined
    ? {} : { Authorization: authorization } });

test('the published keys verify an access token', () => {
  assert.equal(parts.header.alg, 'ES256');
  checkCommon(jwks, { cacheControl: jwks.headers['cache-control'] });
  checkJson(jwks);
  assert.ok(jwk, 'no key with the token\'s kid');
  assert.equal(jwk.kty, 'EC');
  assert.equal(jwk.crv, 'P-256');
  assert.ok(verifies(token, jwk));
  for (const key of jwks.json.keys)
    assert.ok(!('d' in key), 'a private key is published');
});

test('the claims are those of contract 2.1', () => {
  const { payload } = parts;
  const now = Date.now() / 1000;
  assert.ok(Math.abs(payload.exp - now - 43200) < 60);
  assert.ok(Math.abs(payload.iat - now) < 60);
  assert.ok(payload.iss && payload.aud);
  assert.deepEqual(payload.scope, ['sp:scopes:all']);
  assert.equal(payload.client_id, world.admin.clientId);
  assert.equal(payload.identity_id, world.admin.identity.id);
  assert.equal(payload.user_name, world.admin.identity.alias);
  assert.ok(payload.authorities.includes('ORG_ADMIN'));
  assert.match(payload.jti, /^[0-9a-f-]{36}$/);
  for (const name of ['tenant_id', 'internal', 'pod', 'org', 'strong_auth',
    'enabled', 'accessType', 'strong_auth_supported', 'user_id'])
    assert.ok(name in payload, name);
});

test('GET /oauth/info needs no token', async () => {
  const answer = await server.get('/oauth/info');
  assert.equal(answer.status, 200);
  checkCommon(answer, { cacheControl: answer.headers['cache-control'] });
  checkJson(answer);
  const info = answer.json;
  assert.equal(info.authorizeEndpoint, `${server.base}/oauth/authorize`);
  assert.equal(info.tokenEndpoint, `${server.base}/oauth/token`);
  assert.equal(info.cloudDomainUrl, server.base);
  assert.equal(info.logoutUrl, `${server.base}/logout`);
  assert.equal(info.tenantId, parts.payload.tenant_id);
  assert.equal(info.tenantName, parts.payload.org);
  assert.equal(info.pod, parts.payload.pod);
});

test('the scheme is matched without regard to case', async () => {
  for (const scheme of ['Bearer', 'bearer', 'BEARER', 'bEaReR']) {
    const answer = await call(`${scheme} ${token}`);
    assert.equal(answer.status, 200, scheme);
  }
});

const INVALID = 'JWT validation failed: signature is invalid';
const MALFORMED = 'JWT validation failed: JWT is malformed';
const FAILED = /^JWT validation failed: (JWT is malformed|signature is invalid)$/;
const NONE = 'JWT is required';

const later = () => Math.floor(Date.now() / 1000) + 600;

const ABUSES = [
  ['no header', () => undefined, NONE],
  ['Basic instead', () => 'Basic YTpi', /^JWT /],
  ['scheme alone', () => 'Bearer', /^JWT /],
  ['scheme and a blank', () => 'Bearer ', /^JWT /],
  ['a word', () => 'Bearer nonsense', MALFORMED],
  ['two dots and nothing', () => 'Bearer ..', MALFORMED],
  ['two parts', () => `Bearer ${parts.signed}`, MALFORMED],
  ['empty signature', () => `Bearer ${parts.signed}.`, FAILED],
  ['five parts', () => `Bearer ${token}.a.b`, MALFORMED],
  ['no JSON inside', () => `Bearer ${b64('{')}.${b64('}')}.${b64('x')}`,
    FAILED],
  ['20 kB of it', () => `Bearer ${'a'.repeat(20_000)}`, MALFORMED],
  ['alg none, no signature',
    () => `Bearer ${b64({ alg: 'none', kid: parts.header.kid })}.` +
      `${b64(parts.payload)}.`, FAILED],
  ['alg None, old signature',
    () => `Bearer ${b64({ alg: 'None', kid: parts.header.kid })}.` +
      `${token.split('.').slice(1).join('.')}`, FAILED],
  ['alg missing',
    () => `Bearer ${es256({ kid: parts.header.kid }, parts.payload,
      newKey().privateKey)}`, FAILED],
  ['HS256 with the public key as PEM',
    () => `Bearer ${hs256({ alg: 'HS256', kid: parts.header.kid },
      parts.payload, crypto.createPublicKey({ key: jwk, format: 'jwk' })
        .export({ type: 'spki', format: 'pem' }))}`, FAILED],
  ['HS256 with the public key as DER',
    () => `Bearer ${hs256({ alg: 'HS256', kid: parts.header.kid },
      parts.payload, crypto.createPublicKey({ key: jwk, format: 'jwk' })
        .export({ type: 'spki', format: 'der' }))}`, FAILED],
  ['HS256 with an empty key',
    () => `Bearer ${hs256({ alg: 'HS256', kid: parts.header.kid },
      parts.payload, '')}`, FAILED],
  ['our key, unknown kid',
    () => `Bearer ${es256({ ...parts.header, kid: 'unknown' },
      parts.payload, newKey().privateKey)}`, INVALID],
  ['kid that is a path',
    () => `Bearer ${es256({ ...parts.header, kid: '../../dev/null' },
      parts.payload, newKey().privateKey)}`, INVALID],
  ['kid with SQL in it',
    () => `Bearer ${es256({ ...parts.header, kid: '\' OR 1=1 --' },
      parts.payload, newKey().privateKey)}`, INVALID],
  ['another key under the right kid',
    () => `Bearer ${es256(parts.header, parts.payload,
      newKey().privateKey)}`, INVALID],
  ['a key of the attacker in the header',
    () => {
      const { privateKey, publicKey } = newKey();
      return `Bearer ${es256({ alg: 'ES256',
        jwk: publicKey.export({ format: 'jwk' }) }, parts.payload,
      privateKey)}`;
    }, FAILED],
  ['payload changed',
    () => `Bearer ${token.split('.')[0]}.` +
      `${b64({ ...parts.payload, exp: later() + 1e6 })}.` +
      `${token.split('.')[2]}`, INVALID],
  ['last character changed',
    () => `Bearer ${token.slice(0, -2)}` +
      `${token.at(-2) === 'A' ? 'B' : 'A'}${token.at(-1)}`, FAILED],
  ['signature all zero (CVE-2022-21449)',
    () => `Bearer ${parts.signed}.${b64(Buffer.alloc(64))}`, INVALID],
  ['signature in DER',
    () => `Bearer ${parts.signed}.${b64(crypto.sign('sha256',
      Buffer.from(parts.signed), newKey().privateKey))}`, FAILED],
  ['signed well but expired',
    () => `Bearer ${es256(parts.header,
      { ...parts.payload, exp: Math.floor(Date.now() / 1000) - 100 },
      realKey)}`, 'JWT validation failed: JWT is expired'],
  ['signed well, never expires',
    () => {
      const { exp, ...rest } = parts.payload;
      return `Bearer ${es256(parts.header, rest, realKey)}`;
    }, /^JWT validation failed: /],
  ['signed well, exp is text',
    () => `Bearer ${es256(parts.header,
      { ...parts.payload, exp: 'tomorrow' }, realKey)}`,
    /^JWT validation failed: /],
  ['signed well, for somebody else',
    () => `Bearer ${es256(parts.header,
      { ...parts.payload, aud: 'https://elsewhere.example' }, realKey)}`,
    /^JWT validation failed: /],
  ['signed well, by another issuer',
    () => `Bearer ${es256(parts.header,
      { ...parts.payload, iss: 'https://elsewhere.example' }, realKey)}`,
    /^JWT validation failed: /],
  ['signed well, client unknown',
    () => `Bearer ${es256(parts.header,
      { ...parts.payload, client_id: '0'.repeat(32) }, realKey)}`,
    /^JWT validation failed: /],
];

test('abuse gets 401 and the text of contract 2.5', async (t) => {
  for (const [name, authorization, text] of ABUSES) {
    await t.test(name, async () => {
      check401(await call(authorization()), text);
    });
  }
  await t.test('the control: our own forgery with the real key passes',
    async () => {
      const forged = es256(parts.header, { ...parts.payload }, realKey);
      assert.equal((await call(`Bearer ${forged}`)).status, 200);
    });
  await t.test('the untouched token still works', async () => {
    assert.equal((await call(`Bearer ${token}`)).status, 200);
  });
});

test('a token in the query is no token', async () => {
  const answer = await server.get(
    `${downloadPath(source.id)}?access_token=${token}`);
  check401(answer, NONE);
});

test('two Authorization headers are never both believed', async () => {
  for (const two of [[token, 'nonsense'], ['nonsense', token]]) {
    const lines = two.map((text) => `Authorization: Bearer ${text}\r\n`);
    const { bytes } = await exchange(server,
      `GET ${downloadPath(source.id)} HTTP/1.1\r\nHost: x\r\n` +
      `${lines.join('')}Connection: close\r\n\r\n`);
    assert.match(bytes.toString(), /^HTTP\/1\.1 40[01] /);
  }
});

const REVOKED = 'JWT validation failed: JWT is revoked';

test('revocation bites at once, while the server runs', async (t) => {
  await t.test('nelm token delete', async () => {
    const pat = await world.pat(world.admin.identity.alias);
    const mine = await world.token(server, pat);
    assert.equal((await call(`Bearer ${mine}`)).status, 200);
    await world.cli(['token', 'delete', pat.id ?? pat.clientId]);
    check401(await call(`Bearer ${mine}`), REVOKED);
  });
  await t.test('nelm client delete', async () => {
    const client = await world.client('short-lived',
      { scopes: ['idn:nelm:read'] });
    const mine = await world.token(server, client);
    assert.equal((await call(`Bearer ${mine}`)).status, 200);
    await world.cli(['client', 'delete', client.id ?? client.clientId]);
    check401(await call(`Bearer ${mine}`), REVOKED);
  });
  await t.test('nelm identity delete', async () => {
    await world.identity('leaver', { levels: ['SOURCE_ADMIN'] });
    const pat = await world.pat('leaver');
    const mine = await world.token(server, pat);
    assert.equal((await call(`Bearer ${mine}`)).status, 200);
    await world.cli(['identity', 'delete', 'leaver']);
    check401(await call(`Bearer ${mine}`), REVOKED);
  });
  await t.test('other tokens are not touched', async () => {
    assert.equal((await call(`Bearer ${token}`)).status, 200);
  });
});

test('a token outlives a restart of the server', async () => {
  const other = await world.serve();
  const answer = await other.get(downloadPath(source.id), { token });
  assert.equal(answer.status, 200);
  await other.stop();
});

test('a token that was good is refused once it expires', async () => {
  assert.equal(decode(brief).payload.exp, decode(brief).payload.iat + 15);
  if (Date.now() < briefEnd - 2000)
    assert.equal((await call(`Bearer ${brief}`)).status, 200);
  await sleep(Math.max(0, briefEnd + 1500 - Date.now()));
  check401(await call(`Bearer ${brief}`),
    'JWT validation failed: JWT is expired');
});
