// Rate limits (contract 6).

import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, test } from 'node:test';

import {
  PREFIXES, check429, checkCommon, checkJson, downloadPath,
} from './lib/http.js';
import { World, sleep } from './lib/nelm.js';

let world, source, agent;

before(async () => {
  world = await World.create();
  source = await world.source('Limits');
  agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
});
after(async () => {
  agent?.destroy();
  await world?.done();
});

const call = (server, token, path = downloadPath(source.id)) =>
  server.get(path, { token, agent });

test('the 101st call of a window is refused, by default', async () => {
  const server = await world.serve([]);
  const token = await world.token(server);
  const answers = [];
  for (let i = 0; i < 101; i++)
    answers.push(await call(server, token));
  assert.deepEqual([...new Set(answers.slice(0, 100).map((a) => a.status))],
    [200]);
  check429(answers[100], 10);

  // Other clients and other versions have windows of their own.
  const other = await world.token(server,
    await world.pat(world.admin.identity.alias));
  assert.equal((await call(server, other)).status, 200);
  for (const prefix of PREFIXES.slice(1)) {
    const answer = await call(server, token,
      downloadPath(source.id, prefix));
    assert.equal(answer.status, 200, prefix);
  }
  assert.equal((await call(server, token,
    `/non-employee-sources/v1/${source.id}/non-employees/download`)).status,
  200);
  // The window belongs to the client, not to the token.
  const again = await world.token(server);
  check429(await call(server, again), 10);
  await server.stop();
});

test('all calls that pass the token check count, also refused ones',
  async () => {
    const server = await world.serve(['--rate-limit', '5/60s']);
    const token = await world.token(server);
    for (let i = 0; i < 5; i++) {
      const answer = await call(server, token, downloadPath('nothing'));
      assert.equal(answer.status, 404);
    }
    check429(await call(server, token), 60);
    await server.stop();
  });

test('bad tokens use up nobody\'s window', async () => {
  const server = await world.serve(['--rate-limit', '5/60s']);
  const token = await world.token(server);
  for (let i = 0; i < 20; i++)
    assert.equal((await call(server, `${token}x`)).status, 401);
  assert.equal((await call(server, token)).status, 200);
  await server.stop();
});

test('Retry-After tells the truth', async () => {
  const server = await world.serve(['--rate-limit', '3/2s']);
  const token = await world.token(server);
  for (let i = 0; i < 3; i++)
    assert.equal((await call(server, token)).status, 200);
  const refused = await call(server, token);
  check429(refused, 2);
  await sleep(Number(refused.headers['retry-after']) * 1000);
  for (let i = 0; i < 3; i++)
    assert.equal((await call(server, token)).status, 200);
  check429(await call(server, token), 2);
  await server.stop();
});

test('a burst of parallel calls gets exactly its share', async () => {
  const server = await world.serve(['--rate-limit', '50/60s']);
  const token = await world.token(server);
  const answers = await Promise.all(Array.from({ length: 120 },
    () => server.get(downloadPath(source.id), { token })));
  const passed = answers.filter(({ status }) => status === 200);
  const refused = answers.filter(({ status }) => status === 429);
  assert.equal(passed.length, 50);
  assert.equal(refused.length, 70);
  await server.stop();
});

for (const off of ['off', '0']) {
  test(`--rate-limit ${off} turns it off`, async () => {
    const server = await world.serve(['--rate-limit', off]);
    const token = await world.token(server);
    for (let i = 0; i < 130; i++)
      assert.equal((await call(server, token)).status, 200);
    await server.stop();
  });
}

function ask(server, client) {
  return server.get('/oauth/token', {
    method: 'POST', agent,
    headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ grant_type: 'client_credentials',
      client_id: client.clientId,
      client_secret: client.clientSecret }).toString(),
  });
}

test('the token endpoint: 60 a minute per client', async () => {
  const server = await world.serve([]);
  const other = await world.pat(world.admin.identity.alias);
  for (let i = 0; i < 60; i++)
    assert.equal((await ask(server, world.admin)).status, 200, `call ${i}`);
  const refused = await ask(server, world.admin);
  checkCommon(refused, { cacheControl: refused.headers['cache-control'] });
  checkJson(refused);
  assert.equal(refused.status, 429);
  assert.match(refused.headers['retry-after'], /^[1-9][0-9]?$/);
  assert.equal((await ask(server, other)).status, 200);
  await server.stop();
});

test('the token endpoint: guessing a secret is limited too', async () => {
  const server = await world.serve(['--token-rate-limit', '5/60s']);
  for (let i = 0; i < 5; i++) {
    const answer = await ask(server,
      { ...world.admin, clientSecret: `${i}`.repeat(64) });
    assert.equal(answer.status, 401);
  }
  assert.equal((await ask(server, world.admin)).status, 429);
  await server.stop();
});

test('the token endpoint: off', async () => {
  const server = await world.serve(
    ['--token-rate-limit', 'off', '--token-address-rate-limit', 'off']);
  for (let i = 0; i < 80; i++)
    assert.equal((await ask(server, world.admin)).status, 200);
  await server.stop();
});

test('the token endpoint: 600 a minute per peer address', async () => {
  const server = await world.serve(
    ['--token-rate-limit', 'off', '--token-address-rate-limit', '7/60s']);
  for (let i = 0; i < 7; i++) {
    await ask(server, { clientId: `${i}`.repeat(32), clientSecret: 'x' });
  }
  assert.equal((await ask(server, world.admin)).status, 429);
  await server.stop();
});
