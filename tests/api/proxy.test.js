// Behind a proxy: what it says of the client counts when it is trusted and
// from nobody else; and plain HTTP is not spoken to other machines unasked.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { World } from './lib/nelm.js';

let world, trusting, plain;

const LIMIT = ['--token-address-rate-limit', '3/60s'];

before(async () => {
  world = await World.create();
  trusting = await world.serve(
    [...LIMIT, '--trusted-proxy', '127.0.0.1,10.0.0.0/8']);
  plain = await world.serve(LIMIT);
});
after(() => world?.done());

const guess = async (server, headers) => (await server.get('/oauth/token', {
  method: 'POST', headers,
  body: 'grant_type=client_credentials&client_id=x&client_secret=y',
})).status;
const urls = async (server, headers) =>
  (await server.get('/oauth/info', { headers })).json.tokenEndpoint;

const SAYS = {
  'X-Forwarded': (peer) => ({
    'X-Forwarded-For': peer, 'X-Forwarded-Proto': 'https',
    'X-Forwarded-Host': 'nelm.example.com',
  }),
  Forwarded: (peer) => ({
    Forwarded: `for="${peer}:4711";proto=https;host=nelm.example.com`,
  }),
};

for (const [name, headers] of Object.entries(SAYS)) {
  test(`${name} of a trusted proxy is believed`, async () => {
    const last = name === 'Forwarded' ? 1 : 2;
    const one = headers(`192.0.2.${last}`);
    for (let i = 0; i < 3; i++)
      assert.equal(await guess(trusting, one), 401);
    assert.equal(await guess(trusting, one), 429);
    // Another client of the same proxy is not held up by the first.
    assert.equal(await guess(trusting, headers(`198.51.100.${last}`)), 401);
    assert.equal(await urls(trusting, one),
      'https://nelm.example.com/oauth/token');
  });

  test(`${name} of anybody else is ignored`, async () => {
    assert.equal(await urls(plain, headers('192.0.2.1')),
      `http://127.0.0.1:${plain.port}/oauth/token`);
  });
}

test('whoever invents addresses is still counted as who he is', async () => {
  const invent = (i) => ({ 'X-Forwarded-For': `203.0.113.${i}, 192.0.2.77` });
  for (let i = 0; i < 3; i++)
    assert.equal(await guess(trusting, invent(i)), 401);
  assert.equal(await guess(trusting, invent(9)), 429);
  // Without a trusted proxy all of this comes from one address.
  for (let i = 0; i < 3; i++)
    await guess(plain, { 'X-Forwarded-For': `192.0.2.${i}` });
  assert.equal(await guess(plain, { 'X-Forwarded-For': '192.0.2.99' }), 429);
});

test('a proxy that says two things is refused', async () => {
  const answer = await trusting.get('/oauth/info', {
    headers: { Forwarded: 'for=192.0.2.1', 'X-Forwarded-For': '192.0.2.2' },
  });
  assert.equal(answer.status, 400);
  assert.match(answer.text, /do not agree/);
  assert.equal((await plain.get('/oauth/info', {
    headers: { Forwarded: 'for=192.0.2.1', 'X-Forwarded-For': '192.0.2.2' },
  })).status, 200);
});

test('cookies are secure when the client came over TLS', async () => {
  const client = await world.client('web', { grants: ['AUTHORIZATION_CODE'] });
  const page = '/oauth/authorize?response_type=code&client_id=' +
    `${client.clientId}&redirect_uri=http://127.0.0.1:1/back`;
  const cookies = async (server) => (await server.get(page,
    { headers: SAYS['X-Forwarded']('192.0.2.1') })).headers['set-cookie'];
  assert.match((await cookies(trusting))[0], /^__Host-nelm_.*; Secure/);
  assert.doesNotMatch((await cookies(plain))[0], /Secure|__Host/);
});

test('other machines are not served plain HTTP unasked', async (t) => {
  for (const listen of ['0.0.0.0:0', '[::]:0'])
    await t.test(listen, async () => {
      const { stderr } = await world.cli(['serve', '--listen', listen],
        { code: 1 });
      assert.match(stderr, /^nelm: cannot serve plain HTTP on .*tls-cert.*trusted-proxy.*insecure\n$/);
    });
  await t.test('with --insecure it is said in the log', async () => {
    const server = await world.serve(['--listen=0.0.0.0:0', '--insecure'],
      { listen: false });
    assert.match(server.log, /level=warn event=insecure /);
    await server.stop();
  });
  await t.test('a trusted proxy is enough', async () => {
    const server = await world.serve(
      ['--listen=0.0.0.0:0', '--trusted-proxy', '10.0.0.0/8'],
      { listen: false });
    assert.doesNotMatch(server.log, /insecure/);
    await server.stop();
  });
  await t.test('a list that is none', async () => {
    const { stderr } = await world.cli(
      ['serve', '--trusted-proxy', '10.0.0.0/99'], { code: 2 });
    assert.match(stderr, /setting trusted-proxy: "10.0.0.0\/99" from /);
  });
});
