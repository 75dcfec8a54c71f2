// Tokens of a real OpenID provider, not of one that we wrote: the worked
// example of docs/manual/oidc.md.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { check401, checkDownload, downloadPath } from './lib/http.js';
import { ABSENT, Glewlwyd } from './lib/glewlwyd.js';
import { decode } from './lib/jwt.js';
import { UNLIMITED, World, sleep } from './lib/nelm.js';

const AUDIENCE = 'https://nelm.example.com';
const READ = 'idn:nelm:read';
const ALL = 'sp:scopes:all';

let world, provider, server, source;

before(async () => {
  if (ABSENT)
    return;
  provider = await Glewlwyd.create(AUDIENCE);
  await provider.setUp([READ, ALL]);
  await provider.addUser('ann', ['staff', 'nelm-admins']);
  await provider.addUser('bob', ['staff']);
  await provider.addUser('eve', ['nelm-admins']);
  world = await World.create();
  source = await world.source('People from outside');
  for (const alias of ['ann', 'bob', 'app'])
    await world.identity(alias);
  server = await world.serve([...UNLIMITED, '--issuer', provider.issuer,
    '--issuer-audience', AUDIENCE,
    '--issuer-subject-claim', 'preferred_username',
    '--issuer-levels', 'nelm-admins=ORG_ADMIN']);
});
after(async () => {
  await world?.done();
  await provider?.done();
});

const download = (token, on = server) =>
  on.get(downloadPath(source.id), { token });

test('somebody signs in there and works here', { skip: ABSENT }, async () => {
  const token = await provider.tokenOf('ann', READ);
  const { header, payload } = decode(token);
  assert.equal(header.alg, 'RS256');
  assert.equal(header.typ, 'at+jwt');
  assert.equal(payload.iss, provider.issuer);
  assert.equal(payload.preferred_username, 'ann');
  checkDownload(await download(token));
  assert.equal((await server.get(`/v3/non-employee-sources/${source.id}`,
    { token, method: 'DELETE' })).status, 403, 'the scope is for reading');
});

test('the group gives the level', { skip: ABSENT }, async () => {
  const ann = await provider.tokenOf('ann', ALL);
  assert.equal((await server.get('/v3/oauth-clients', { token: ann })).status,
    200);
  const bob = await provider.tokenOf('bob', ALL);
  assert.equal((await download(bob)).status, 403);
  assert.deepEqual((await server.get('/v3/non-employee-sources',
    { token: bob })).json, []);
});

test('who is not known here is not let in', { skip: ABSENT }, async () => {
  check401(await download(await provider.tokenOf('eve', ALL)),
    'JWT validation failed: subject is unknown');
});

test('a program comes for itself', { skip: ABSENT }, async () => {
  const token = await provider.tokenOfClient(READ);
  assert.equal(decode(token).payload.sub, 'app');
  const node = await world.serve([...UNLIMITED, '--issuer', provider.issuer,
    '--issuer-audience', AUDIENCE]);
  assert.deepEqual((await node.get('/v3/non-employee-sources',
    { token })).json, []);
  check401(await download(token),
    'JWT validation failed: JWT is malformed'); // no such claim there
});

test('it changes its key, and the kind of key', { skip: ABSENT }, async () => {
  const old = await provider.tokenOf('ann', READ);
  checkDownload(await download(old));
  await provider.useKey('ecdsa');
  await sleep(5_100);
  const token = await provider.tokenOf('ann', READ);
  assert.equal(decode(token).header.alg, 'ES256');
  checkDownload(await download(token));
  // The old key is not published any more; what was verified by it counts for
  // a minute.
  checkDownload(await download(old));
  check401(await download(`${old.slice(0, -4)}AAAA`),
    'JWT validation failed: signature is invalid');
});
