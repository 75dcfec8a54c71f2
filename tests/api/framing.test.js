// Requests that two programs could read in two ways are refused, and clients
// that never finish are dropped (design section 3).

import assert from 'node:assert/strict';
import net from 'node:net';
import { after, before, test } from 'node:test';

import { downloadPath, exchange, splitAnswers } from './lib/http.js';
import { UNLIMITED, World, sleep } from './lib/nelm.js';

let world, server, token, path;

before(async () => {
  world = await World.create();
  const source = await world.source('Frames');
  server = await world.serve();
  token = await world.token(server);
  path = downloadPath(source.id);
});
after(() => world?.done());

const post = (headers, body = '') =>
  `POST /oauth/token HTTP/1.1\r\nHost: x\r\n${headers}\r\n${body}`;
const get = (headers, version = 'HTTP/1.1') =>
  `GET /oauth/info ${version}\r\n${headers}\r\n`;

const REFUSED = [
  ['two different lengths',
    post('Content-Length: 3\r\nContent-Length: 4\r\n', 'abcd')],
  ['length and chunks',
    post('Content-Length: 5\r\nTransfer-Encoding: chunked\r\n',
      '0\r\n\r\n')],
  ['length with a plus', post('Content-Length: +5\r\n', 'abcde')],
  ['negative length', post('Content-Length: -5\r\n')],
  ['length that is no number', post('Content-Length: 5x\r\n', 'abcde')],
  ['length over 64 bits', post('Content-Length: 99999999999999999999\r\n')],
  ['blank before the colon', get('Host : x\r\n')],
  ['blank before the colon of another field',
    get('Host: x\r\nContent-Length : 0\r\n')],
  ['no Host', get('')],
  ['two Hosts', get('Host: x\r\nHost: y\r\n')],
  ['NUL in a value', get('Host: x\r\nX-A: a\0b\r\n')],
  ['bare CR in a value', get('Host: x\r\nX-A: a\rb\r\n')],
  ['HTTP/9.1', get('Host: x\r\n', 'HTTP/9.1')],
  ['unknown transfer coding',
    post('Transfer-Encoding: unknown\r\n', 'abc')],
  ['chunked twice',
    post('Transfer-Encoding: chunked, chunked\r\n', '0\r\n\r\n')],
  ['chunk size over 64 bits',
    post('Transfer-Encoding: chunked\r\n', 'fffffffffffffffff\r\nabc\r\n')],
  ['chunk size that is no number',
    post('Transfer-Encoding: chunked\r\n', 'zz\r\nabc\r\n')],
  ['a head of 100 kB', get(`Host: x\r\nX-A: ${'a'.repeat(100_000)}\r\n`)],
  ['a line folded on', get('Host: x\r\nX-A: a\r\n b\r\n')],
  ['no request line', '\r\n\r\nnonsense\r\n\r\n'],
];

test('ambiguous or broken requests are refused and the connection closed',
  async (t) => {
    for (const [name, bytes] of REFUSED) {
      await t.test(name, async () => {
        // A second request waits behind: it must never be answered.
        const { bytes: got, closed } = await exchange(server,
          `${bytes}${get('Host: smuggled\r\n')}`, { quiet_ms: 5000 });
        const text = got.toString('latin1');
        assert.ok(closed, `still open after: ${text}`);
        // Where libmicrohttpd 0.9.75 refuses a length by itself, it sends
        // the head of that answer twice; the connection ends all the same.
        for (const status of text.match(/HTTP\/1\.1 \d+/g) ?? [])
          assert.match(status, /(400|413|414|431|501|505)$/);
        assert.ok(!text.includes('authorizeEndpoint'), text);
      });
    }
    await t.test('and the server is well', async () => {
      assert.equal((await server.get('/oauth/info')).status, 200);
    });
  });

test('a long path is refused', async () => {
  const { bytes } = await exchange(server,
    `GET /${'a'.repeat(200_000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
    { quiet_ms: 5000 });
  assert.match(bytes.toString('latin1'), /^HTTP\/1\.1 (400|404|414|431) |^$/);
});

test('harmless oddities pass', async (t) => {
  const rows = [
    ['a body on GET', `GET /oauth/info HTTP/1.1\r\nHost: x\r\n` +
      'Content-Length: 3\r\n\r\nabc'],
    ['absolute form', 'GET http://x/oauth/info HTTP/1.1\r\nHost: x\r\n\r\n'],
    ['HTTP/1.0 without Host', 'GET /oauth/info HTTP/1.0\r\n\r\n'],
    ['lower-case field names', 'GET /oauth/info HTTP/1.1\r\nhost: x\r\n\r\n'],
    ['chunks', 'POST /oauth/token?grant_type=x HTTP/1.1\r\nHost: x\r\n' +
      'Transfer-Encoding: chunked\r\n\r\n3\r\na=b\r\n0\r\n\r\n'],
    ['Expect: 100-continue', 'POST /oauth/token HTTP/1.1\r\nHost: x\r\n' +
      'Expect: 100-continue\r\nContent-Length: 3\r\n\r\na=b'],
  ];
  for (const [name, bytes] of rows) {
    await t.test(name, async () => {
      const { bytes: got } = await exchange(server, bytes,
        { quiet_ms: 1000 });
      const text = got.toString('latin1')
        .replace(/^HTTP\/1\.1 100 Continue\r\n\r\n/, '');
      assert.match(text, /^HTTP\/1\.[01] (200|401) /);
    });
  }
});

test('a client that drips its head is dropped', async () => {
  const strict = await world.serve([...UNLIMITED, '--header-timeout', '1s']);
  const sockets = Array.from({ length: 20 }, () => {
    const socket = net.connect(strict.port, strict.host);
    const state = { socket, closed: false };
    socket.on('close', () => { state.closed = true; });
    socket.on('error', () => {});
    socket.on('data', () => {});
    socket.write('GET /oauth/info HTTP/1.1\r\nHost: x\r\n');
    return state;
  });
  for (let i = 0; i < 12; i++) {
    await sleep(400);
    for (const { socket } of sockets) {
      if (!socket.destroyed)
        socket.write('X');
    }
  }
  const open = sockets.filter(({ closed }) => !closed).length;
  for (const { socket } of sockets)
    socket.destroy();
  assert.equal(open, 0, `${open} of 20 still open after 4.8 s`);
  assert.equal((await strict.get('/oauth/info')).status, 200);
  await strict.stop();
});

test('a client that goes away in the middle costs nothing', async () => {
  for (let i = 0; i < 50; i++) {
    await new Promise((resolve) => {
      const socket = net.connect(server.port, server.host, () => {
        socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n` +
          `Authorization: Bearer ${token}\r\n\r\n`, () => {
          socket.resetAndDestroy();
          resolve();
        });
      });
      socket.on('error', resolve);
    });
  }
  assert.equal((await server.get(path, { token })).status, 200);
});

test('two requests in one packet get two answers', async () => {
  const one = `GET ${path} HTTP/1.1\r\nHost: x\r\n` +
    `Authorization: Bearer ${token}\r\n`;
  const { bytes } = await exchange(server,
    `${one}\r\n${one}Connection: close\r\n\r\n`, { quiet_ms: 5000 });
  const { answers, rest } = splitAnswers(bytes, ['GET', 'GET']);
  assert.deepEqual(answers.map(({ status }) => status), [200, 200]);
  assert.equal(rest.length, 0);
  assert.notEqual(answers[0].headers['slpt-request-id'],
    answers[1].headers['slpt-request-id']);
});
