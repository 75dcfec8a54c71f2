// Access tokens of an outside OpenID issuer (docs/manual/oidc.md): what is
// accepted, what is not, and what becomes of us when the issuer is slow, away
// or hostile.

import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { skipOnPostgresql } from './lib/database.js';
import { check401, checkDownload, checkError, downloadPath }
  from './lib/http.js';
import { AUDIENCE, Issuer, jwkOf, makeToken, newKey } from './lib/issuer.js';
import { b64, hs256 } from './lib/jwt.js';
import { UNLIMITED, World, sleep } from './lib/nelm.js';
import { readMetrics, sample } from './lib/prometheus.js';

const MALFORMED = 'JWT validation failed: JWT is malformed';
const FORGED = 'JWT validation failed: signature is invalid';
const EXPIRED = 'JWT validation failed: JWT is expired';
const STRANGER = 'JWT validation failed: subject is unknown';
const FORBIDDEN = '403 Forbidden';
const UNAVAILABLE = '503.0 Service Unavailable';

let world, issuer, server, source, nobody;
const others = [];

before(async () => {
  world = await World.create();
  source = await world.source('Outsiders');
  await world.identity('boss', { levels: ['ORG_ADMIN'] });
  nobody = await world.identity('nobody');
  await world.identity('Ann');
  issuer = await Issuer.create({ path: '/realms/main' });
  server = await world.serve([...UNLIMITED, ...issuer.settings]);
});
after(async () => {
  await world?.done();
  await issuer?.stop();
  await Promise.all(others.map((other) => other.stop()));
});

const download = (token, on = server) => on.get(downloadPath(source.id),
  { token });
const list = (token, on = server) => on.get('/v3/non-employee-sources',
  { token });

// A server of its own for an issuer that is not as it should be.
async function serveWith(other, ...more) {
  others.push(other);
  return world.serve([...UNLIMITED, ...other.settings, ...more]);
}

async function until(condition, what) {
  for (let tries = 0; tries < 200; tries++) {
    if (await condition())
      return;
    await sleep(50);
  }
  assert.fail(`not in time: ${what}`);
}

test('a token of the issuer is as good as ours', async () => {
  checkDownload(await download(issuer.token('boss')));
  checkDownload(await download(await world.token(server)));
  assert.deepEqual(issuer.asked, { configuration: 1, keys: 1 });
});

test('each algorithm, and plain JWTs as well as RFC 9068', async () => {
  const other = await Issuer.create();
  other.keys = ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA']
    .map((alg) => newKey(alg, `key of ${alg}`));
  const node = await serveWith(other);
  for (const key of other.keys)
    for (const typ of ['at+jwt', 'application/at+jwt', 'JWT', undefined])
      checkDownload(await download(
        other.token('boss', {}, { key, header: { typ } }), node));
});

test('an issuer with a slash at its end, and keys behind a query', async () => {
  const other = await Issuer.create({ path: '/tenant/' });
  other.configurationAnswer = (response) => response.end(JSON.stringify(
    { issuer: other.url, jwks_uri: `${other.origin}/keys?of=tenant` }));
  const node = await serveWith(other);
  checkDownload(await download(other.token('boss'), node));
});

test('every abuse gets 401', async (t) => {
  const stranger = newKey('RS256', 'first');
  const { publicKey } = issuer.key;
  const spki = publicKey.export({ type: 'spki', format: 'pem' });
  const header = { alg: 'HS256', kid: 'first', typ: 'at+jwt' };
  const now = Math.floor(Date.now() / 1000);
  const good = issuer.token('boss');
  const ABUSES = {
    'alg none': [`${b64({ ...header, alg: 'none' })}.` +
      `${b64(issuer.claims('boss'))}.`, FORGED],
    'HS256 with the public key as PEM':
      [hs256(header, issuer.claims('boss'), spki), FORGED],
    'HS256 with the JWK':
      [hs256(header, issuer.claims('boss'), JSON.stringify(jwkOf(issuer.key))),
        FORGED],
    'another key under the right kid':
      [issuer.token('boss', {}, { key: stranger }), FORGED],
    'the key in the header':
      [issuer.token('boss', {}, { key: stranger, header:
        { jwk: jwkOf(stranger), jku: `${issuer.origin}/keys` } }), FORGED],
    'the right key for another algorithm': [makeToken(
      { ...issuer.key, alg: 'PS256' }, issuer.claims('boss')), FORGED],
    'no kid': [issuer.token('boss', {}, { header: { kid: undefined } }),
      FORGED],
    'crit': [issuer.token('boss', {}, { header: { crit: ['exp'] } }),
      MALFORMED],
    'a token for signing out':
      [issuer.token('boss', {}, { header: { typ: 'logout+jwt' } }), MALFORMED],
    'an ID token': [issuer.token('boss', { at_hash: 'x' }), MALFORMED],
    'a token bound to a key': [issuer.token('boss', { cnf: { jkt: 'x' } }),
      MALFORMED],
    'for somebody else': [issuer.token('boss', { aud: 'https://x.example' }),
      MALFORMED],
    'for nobody': [issuer.token('boss', { aud: undefined }), MALFORMED],
    'of another issuer': [issuer.token('boss', { iss: `${issuer.url}/` }),
      /^JWT validation failed: /],
    'of ours, by name': [issuer.token('boss', { iss: 'nelm:x' }),
      /^JWT validation failed: /],
    'expired': [issuer.token('boss', { exp: now - 1 }), EXPIRED],
    'without an end': [issuer.token('boss', { exp: undefined }), MALFORMED],
    'not yet': [issuer.token('boss', { nbf: now + 120 }), MALFORMED],
    'issued tomorrow': [issuer.token('boss', { iat: now + 86400 }), MALFORMED],
    'payload changed': [good.replace(/\.[^.]*\./,
      `.${b64(issuer.claims('admin'))}.`), FORGED],
    'signature cut': [good.slice(0, -40), /^JWT validation failed: /],
    'too long': [issuer.token('boss', { pad: 'x'.repeat(13_000) }), MALFORMED],
    'no subject': [issuer.token(undefined), MALFORMED],
    'nobody we know': [issuer.token('stranger'), STRANGER],
    'nearly somebody we know': [issuer.token('ann'), STRANGER],
  };
  for (const [name, [token, text]] of Object.entries(ABUSES))
    await t.test(name, async () => check401(await download(token), text));
  await t.test('the control', async () => {
    checkDownload(await download(good));
    assert.equal((await list(issuer.token('Ann'))).status, 200);
    checkDownload(await download(
      issuer.token('boss', { pad: 'x'.repeat(9_000) })));
  });
});

test('scopes are those of the token, levels those of the identity', async () => {
  const path = downloadPath(source.id);
  for (const [scope, get, remove] of [
    ['openid idn:nelm:read', 200, 403], ['idn:nelm:manage', 403, 404],
    ['openid profile', 403, 403], [undefined, 403, 403],
    [['idn:nelm:read'], 200, 403]]) {
    const token = issuer.token('boss', { scope });
    assert.equal((await server.get(path, { token })).status, get, scope);
    assert.equal((await server.get(`/v3/non-employee-sources/${'0'.repeat(32)}`,
      { token, method: 'DELETE' })).status, remove, scope);
  }
  checkError(await download(issuer.token('nobody')), 403, FORBIDDEN);
  assert.deepEqual((await list(issuer.token('nobody'))).json, []);
});

test('a deleted identity is out at once', async () => {
  await world.identity('leaver', { levels: ['SOURCE_ADMIN'] });
  const token = issuer.token('leaver');
  checkDownload(await download(token));
  await world.cli(['identity', 'delete', 'leaver']);
  check401(await download(token), STRANGER);
});

test('levels by groups: whoever comes with a token has what it says',
  async (t) => {
    const node = await world.serve([...UNLIMITED, ...issuer.settings,
      '--issuer-levels-claim', 'realm_access.roles', '--issuer-levels',
      'nelm-admins=ORG_ADMIN, nelm-sources=SOURCE_ADMIN,nelm-sub=' +
      'SOURCE_SUBADMIN', '--issuer-subject-claim', 'preferred_username']);
    const ours = await world.source('Ours', { workgroup: 'Helpers' });
    await world.cli(['workgroup', 'add', '--group', 'Helpers',
      '--identity', 'nobody']);
    const as = (alias, ...roles) => issuer.token(crypto.randomUUID(),
      { preferred_username: alias, realm_access: { roles } });
    const clients = (token) => node.get('/v3/oauth-clients', { token });
    const rename = (token, id) => node.get(`/v3/non-employee-sources/${id}`, {
      token, method: 'PATCH', body: JSON.stringify([{
        op: 'replace', path: '/description', value: 'by a group' }]),
      headers: { 'Content-Type': 'application/json-patch+json' },
    });
    // Export, list of clients, own workgroup's source, another source.
    const ROWS = [
      ['nobody', ['nelm-admins'], [200, 200, 200, 200]],
      ['nobody', ['x', 'nelm-sources'], [200, 403, 200, 200]],
      ['nobody', ['nelm-sub'], [403, 403, 200, 403]],
      ['nobody', ['Nelm-Admins', 'nelm'], [403, 403, 403, 403]],
      ['nobody', [], [403, 403, 403, 403]],
      ['boss', [], [403, 403, 403, 403]],
      ['boss', ['nelm-sources'], [200, 403, 200, 200]],
    ];
    for (const [alias, roles, want] of ROWS)
      await t.test(`${alias}: ${roles.join(' ')}`, async () => {
        const token = as(alias, ...roles);
        assert.deepEqual([
          (await download(token, node)).status,
          (await clients(token)).status,
          (await rename(token, ours.id)).status,
          (await rename(token, source.id)).status,
        ], want);
      });
    // It would have the levels of the identity, for as long as it likes.
    await t.test('no personal access token comes of one', async () => {
      const body = JSON.stringify({ name: 'mine', scope: ['sp:scopes:all'] });
      for (const token of [as('boss'), issuer.token('boss', {
        preferred_username: 'boss', scope: 'sp:scopes:all',
        realm_access: { roles: ['nelm-admins'] } })])
        checkError(await node.get('/v3/personal-access-tokens', {
          token, method: 'POST', body,
          headers: { 'Content-Type': 'application/json' } }), 403, FORBIDDEN);
      const own = await world.token(node, await world.pat('boss'));
      assert.equal((await node.get('/v3/personal-access-tokens', {
        token: own, method: 'POST', body,
        headers: { 'Content-Type': 'application/json' } })).status, 200);
    });
    await t.test('our own tokens keep the levels of the identity', async () => {
      const token = await world.token(node, await world.pat('boss'));
      checkDownload(await download(token, node));
    });
    await t.test('what they do is written down as theirs', async () => {
      const { stdout } = await world.cli(['audit', 'list']);
      assert.ok(stdout.toString().includes(nobody.id));
    });
  });

test('keys change while we run', async () => {
  const other = await Issuer.create({ alg: 'ES256' });
  const node = await serveWith(other);
  const old = other.token('boss');
  checkDownload(await download(old, node));
  other.keys.push(newKey('RS256', 'second'));
  await sleep(5_100); // made-up keys would make us ask no sooner either
  const token = other.token('boss');
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => download(token, node)));
  for (const answer of answers)
    checkDownload(answer);
  assert.equal(other.asked.keys, 2);
  checkDownload(await download(old, node));
});

test('made-up keys do not make us ask', async () => {
  const other = await Issuer.create();
  const node = await serveWith(other);
  checkDownload(await download(other.token('boss'), node));
  const began = Date.now();
  for (let i = 0; i < 200; i++)
    check401(await download(other.token('boss', {},
      { header: { kid: `made-up ${i}` } }), node), FORGED);
  const most = 2 + Math.floor((Date.now() - began) / 5_000);
  assert.ok(other.asked.keys <= most, `${other.asked.keys} > ${most}`);
  checkDownload(await download(other.token('boss'), node));
});

test('an issuer that is away keeps nobody else from anything', async (t) => {
  const other = await Issuer.create();
  await other.stop();
  const node = await serveWith(other);
  await t.test('we start, say so, and are ready', async () => {
    await until(() => /issuer_failed/.test(node.log),
      'a line in the log');
    assert.match(node.log, /could not get http:\S+openid-configuration: /);
    assert.equal((await node.get('/readyz')).status, 200);
    checkDownload(await download(await world.token(node), node));
  });
  await t.test('its tokens get 503 while there were no keys yet', async () => {
    const answer = await download(other.token('boss'), node);
    checkError(answer, 503, UNAVAILABLE);
    assert.match(answer.headers['retry-after'], /^[1-9]/);
  });
  await t.test('it comes back', async () => {
    await other.listen();
    await sleep(5_100);
    checkDownload(await download(other.token('boss'), node));
    assert.match(node.log, /issuer_keys count=1/);
  });
  await t.test('it goes again: the keys that we have are good', async () => {
    await other.stop();
    checkDownload(await download(other.token('boss'), node));
    await sleep(5_100);
    checkError(await download(other.token('boss', {},
      { header: { kid: 'new' } }), node), 503, UNAVAILABLE);
    checkDownload(await download(other.token('boss'), node));
    const metrics = readMetrics((await node.get('/metrics')).text);
    assert.ok(sample(metrics, 'nelm_issuer_failures_total') >= 2);
    assert.ok(sample(metrics, 'nelm_issuer_fetches_total') >
      sample(metrics, 'nelm_issuer_failures_total'));
    assert.equal(sample(metrics, 'nelm_issuer_keys'), 1);
    await other.listen();
  });
});

test('a slow issuer holds up nobody but its own', async () => {
  const other = await Issuer.create();
  other.keysAnswer = () => {}; // it takes the request and says nothing
  const node = await serveWith(other, '--workers', '1', '--event-threads', '1');
  const ours = await world.token(node);
  const waiting = Array.from({ length: 50 }, () =>
    download(other.token('boss'), node));
  await until(() => other.asked.keys === 1, 'a request for keys');
  // Some lose their patience.
  for (let i = 0; i < 50; i++)
    http.get({ host: node.host, port: node.port, path: downloadPath(source.id),
      headers: { Authorization: `Bearer ${other.token('boss')}` } })
      .on('error', () => {}).setTimeout(500, function leave() {
        this.destroy();
      });
  const began = Date.now();
  for (let i = 0; i < 20; i++)
    checkDownload(await download(ours, node));
  assert.ok(Date.now() - began < 2_000, `${Date.now() - began} ms`);
  for (const answer of await Promise.all(waiting))
    checkError(answer, 503, UNAVAILABLE);
  assert.match(node.log, /timed out/i);
  assert.equal(other.asked.keys, 1);
  // Nor does it hold up the end of the server.
  other.configurationAnswer = () => {};
  await sleep(5_100);
  const last = download(other.token('boss'), node).catch(() => undefined);
  await until(() => other.asked.configuration === 2, 'another request');
  const ended = Date.now();
  await node.stop('SIGTERM');
  assert.ok(Date.now() - ended < 8_000, `${Date.now() - ended} ms`);
  await last;
});

test('an issuer that is not as it should be is not believed', async (t) => {
  const evil = await Issuer.create();
  others.push(evil);
  const ANSWERS = {
    'keys without end': [{ keysAnswer: (response) => {
      response.write('{"keys":[');
      const more = setInterval(() => response.write(' '.repeat(65536)), 1);
      response.on('close', () => clearInterval(more));
    } }, /is longer than 262144 bytes/],
    'keys drop by drop': [{ keysAnswer: (response) => {
      const more = setInterval(() => response.write(' '), 200);
      response.on('close', () => clearInterval(more));
    } }, /timed out/],
    'keys zipped': [{ keysAnswer: (response) => {
      response.setHeader('Content-Encoding', 'gzip');
      response.end(Buffer.from('1f8b08', 'hex'));
    } }, /no JSON object/],
    'keys elsewhere': [{ keysAnswer: (response) => {
      response.writeHead(302, { Location: `${evil.origin}/keys` });
      response.end();
    } }, /status 302/],
    'a configuration elsewhere': [{ configurationAnswer: (response) => {
      response.writeHead(301, { Location: 'file:///etc/passwd' });
      response.end();
    } }, /status 301/],
    'a configuration of another issuer': [{ configurationAnswer: (response) => {
      response.end(JSON.stringify({ issuer: 'https://evil.example',
        jwks_uri: `${evil.origin}/keys` }));
    } }, /of the issuer .*evil\.example/],
    'keys by plain HTTP': [{ configurationAnswer: (response, { url }) => {
      response.end(JSON.stringify({ issuer: url,
        jwks_uri: 'http://192.0.2.1/keys' }));
    } }, /which is not https/],
    'keys in a file': [{ configurationAnswer: (response, { url }) => {
      response.end(JSON.stringify({ issuer: url,
        jwks_uri: 'file:///etc/passwd' }));
    } }, /which is not https/],
    'an error': [{ configurationAnswer: (response) => {
      response.statusCode = 500;
      response.end('{}');
    } }, /status 500/],
    'no keys': [{ keysAnswer: (response) => response.end('{"keys":[]}') },
      /none of the issuer's keys/],
    'a page': [{ keysAnswer: (response) => response.end('<html>') },
      /no JSON object/],
  };
  for (const [name, [answers, reason]] of Object.entries(ANSWERS))
    await t.test(name, async () => {
      const other = await Issuer.create();
      for (const [which, answer] of Object.entries(answers))
        other[which] = (response) => answer(response, other);
      const node = await serveWith(other);
      await until(() => /issuer_failed/.test(node.log), 'a line in the log');
      assert.match(node.log, reason);
      checkError(await download(other.token('boss'), node), 503, UNAVAILABLE);
      checkDownload(await download(await world.token(node), node));
      assert.equal(evil.asked.keys, 0);
      await node.stop('SIGKILL');
      await other.stop();
    });
});

test('by TLS, with a certificate of somebody we trust', async () => {
  const file = (name) => path.join(world.dir, name);
  const openssl = (...args) => execFileSync('openssl', args,
    { stdio: ['ignore', 'ignore', 'ignore'] });
  openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2',
    '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost',
    '-keyout', file('issuer.key'), '-out', file('issuer.pem'));
  const tls = { key: fs.readFileSync(file('issuer.key')),
    cert: fs.readFileSync(file('issuer.pem')) };
  const other = await Issuer.create({ tls });
  const trusting = await serveWith(other, '--issuer-ca', file('issuer.pem'));
  checkDownload(await download(other.token('boss'), trusting));
  const strict = await world.serve([...UNLIMITED, ...other.settings]);
  await until(() => /issuer_failed/.test(strict.log), 'a line in the log');
  assert.match(strict.log, /certificate/);
  checkError(await download(other.token('boss'), strict), 503, UNAVAILABLE);
  // Nor does it send us on without TLS.
  other.configurationAnswer = (response) => response.end(JSON.stringify(
    { issuer: other.url, jwks_uri: `${issuer.origin}/keys` }));
  const sent = await world.serve([...UNLIMITED, ...other.settings,
    '--issuer-ca', file('issuer.pem')]);
  await until(() => /issuer_failed/.test(sent.log), 'a line in the log');
  assert.match(sent.log, /which is not https/);
});

// In a network of its own, where whoever is asked for names never answers.
const SILENCE = `ip link set lo up && mount --bind "$1" /etc/resolv.conf && {
  "$2" -e "const s = require('dgram').createSocket('udp4');
    s.bind(53, '127.0.0.53'); setTimeout(() => process.exit(), 20000)" > /dev/null 2>&1 &
  sleep 1; shift 2; exec "$@"; }`;
const namespaces = spawnSync('unshare', ['-mn', 'sh', '-c',
  'ip link set lo up && mount --bind /dev/null /etc/resolv.conf']).status === 0;

test('the server ends at once while a name is looked up',
  { skip: namespaces ? skipOnPostgresql('which is not in its namespace')
    : 'needs root and namespaces' }, async () => {
    const resolver = world.file('nameserver 127.0.0.53\n');
    const node = await world.serve([...UNLIMITED, '--issuer',
      'https://id.example.test', '--issuer-audience', 'x'], { prefix: [
      'unshare', '-mn', 'sh', '-c', SILENCE, 'sh', resolver,
      process.execPath] });
    await sleep(1000);
    assert.doesNotMatch(node.log, /issuer_failed/);
    const began = performance.now();
    await node.stop();
    assert.ok(performance.now() - began < 3000);
  });

test('settings that cannot work are refused at the start', async () => {
  const start = ['serve', '--listen', '127.0.0.1:0'];
  for (const [settings, reason] of [
    [['--issuer', issuer.url], /issuer and issuer-audience go together/],
    [['--issuer-audience', AUDIENCE], /issuer and issuer-audience go together/],
    [['--issuer', 'http://id.example', '--issuer-audience', 'x'],
      /issuer must be an https/],
    [['--issuer', 'https://id.example?x', '--issuer-audience', 'x'],
      /issuer must be an https/],
    [[...issuer.settings, '--issuer-levels', 'a=BOSS'],
      /names a level that there is not/],
    [[...issuer.settings, '--issuer-levels', 'a'], /VALUE=LEVEL/],
    [[...issuer.settings, '--issuer-ca', '/no/such/file'],
      /could not read issuer-ca/]]) {
    const { code, stderr } = await world.start([...start, ...settings]);
    assert.notEqual(code, 0, settings.join(' '));
    assert.match(stderr, reason);
  }
});
