// Requests that two programs could read in two ways are refused, and clients
// that never finish are dropped (design section 3).

import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import { after, before, test } from 'node:test';

import {
  downloadPath, exchange, splitAnswers, templatePath,
} from './lib/http.js';
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

// ---- one documented answer each ------------------------------------------

const HOST = 'Host: x\r\n';
const post = (headers, body = '', version = 'HTTP/1.1') =>
  `POST /oauth/token ${version}\r\n${HOST}${headers}\r\n${body}`;
const get = (target = '/oauth/info', headers = '') =>
  `GET ${target} HTTP/1.1\r\n${HOST}${headers}\r\n`;
const chunked = (body) => post('Transfer-Encoding: chunked\r\n', body);
const many = (count, make, between = '') =>
  Array.from({ length: count }, (_, i) => make(i)).join(between);

// What docs/manual/http.md says to each of these is what is tested.
const CASES = {
  // Two lengths, or none that can be told.
  'two different lengths':
    post('Content-Length: 3\r\nContent-Length: 4\r\n', 'abcd'),
  'two equal lengths':
    post('Content-Length: 3\r\nContent-Length: 3\r\n', 'a=b'),
  'a list of lengths': post('Content-Length: 3, 3\r\n', 'a=b'),
  'a length and chunks': post(
    'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'),
  'chunks and a length': post(
    'Transfer-Encoding: chunked\r\nContent-Length: 5\r\n', '0\r\n\r\n'),
  'a length with a plus': post('Content-Length: +5\r\n', 'abcde'),
  'a negative length': post('Content-Length: -5\r\n'),
  'a hexadecimal length': post('Content-Length: 0x5\r\n', 'abcde'),
  'an empty length': post('Content-Length:\r\n'),
  'a length with a word behind': post('Content-Length: 5x\r\n', 'abcde'),
  'a length over 64 bits': post('Content-Length: 99999999999999999999\r\n'),
  'two transfer codings': post(
    'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n',
    '0\r\n\r\n'),
  'a list of transfer codings':
    post('Transfer-Encoding: chunked, chunked\r\n', '0\r\n\r\n'),
  'an unknown transfer coding': post('Transfer-Encoding: unknown\r\n', 'abc'),
  'the coding "identity"':
    post('Transfer-Encoding: identity\r\n', '0\r\n\r\n'),
  'a coding in quotes': post('Transfer-Encoding: "chunked"\r\n', '0\r\n\r\n'),
  'a coding behind a control character':
    post('Transfer-Encoding: \x0bchunked\r\n', '0\r\n\r\n'),
  'chunks with HTTP/1.0':
    post('Transfer-Encoding: chunked\r\n', '0\r\n\r\n', 'HTTP/1.0'),
  // Chunks.
  'a chunk size over 64 bits': chunked('fffffffffffffffff\r\nabc\r\n'),
  'a chunk size that is no number': chunked('zz\r\nabc\r\n'),
  'a chunk size with a sign': chunked('-1\r\nabc\r\n'),
  'a chunk size with 0x': chunked('0x3\r\nabc\r\n0\r\n\r\n'),
  'a chunk size with a blank': chunked('3 \r\na=b\r\n0\r\n\r\n'),
  'a chunk longer than its size': chunked('3\r\nabcd\r\n0\r\n\r\n'),
  'a chunk without its end': chunked('3\r\nabcXX0\r\n\r\n'),
  'chunks': chunked('3\r\na=b\r\n0\r\n\r\n'),
  'chunks with extensions': chunked('3;a=b\r\na=b\r\n0;c\r\n\r\n'),
  'chunks whose lines end in LF': chunked('3;a\na=b\n0\n\n'),
  'fields behind the chunks':
    chunked('3\r\na=b\r\n0\r\nHost: y\r\nContent-Length: 3\r\n\r\n'),
  // Heads.
  'a blank before the colon': 'GET /oauth/info HTTP/1.1\r\nHost : x\r\n\r\n',
  'a blank before the colon of another field':
    get('/oauth/info', 'Content-Length : 0\r\n'),
  'a coding with a blank before the colon':
    post('Transfer-Encoding : chunked\r\n', '0\r\n\r\n'),
  'no Host': 'GET /oauth/info HTTP/1.1\r\n\r\n',
  'no Host with HTTP/1.0': 'GET /oauth/info HTTP/1.0\r\n\r\n',
  'two Hosts': get('/oauth/info', 'Host: y\r\n'),
  'a Host with a path': 'GET /oauth/info HTTP/1.1\r\nHost: x/y\r\n\r\n',
  'a Host with a user': 'GET /oauth/info HTTP/1.1\r\nHost: a@x\r\n\r\n',
  'NUL in a value': get('/oauth/info', 'X-A: a\0b\r\n'),
  'a bare CR in a value': get('/oauth/info', 'X-A: a\rb\r\n'),
  'a bare LF between fields': get('/oauth/info', 'X-A: a\nX-B: b\r\n'),
  'a line folded on': get('/oauth/info', 'X-A: a\r\n b\r\n'),
  'a head of 100 kB': get('/oauth/info', `X-A: ${'a'.repeat(100_000)}\r\n`),
  'three thousand fields':
    get('/oauth/info', many(3000, (i) => `X-${i}: a\r\n`)),
  'two Authorizations':
    get('/v3/non-employee-sources', 'Authorization: Bearer a\r\n' +
      'Authorization: Bearer b\r\n'),
  'an unknown Expect':
    post('Expect: 200-ok\r\nContent-Length: 3\r\n', 'a=b'),
  'an upgrade to h2c': get('/oauth/info',
    'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n' +
    'HTTP2-Settings: AAA\r\n'),
  // First lines.
  'HTTP/9.1': 'GET /oauth/info HTTP/9.1\r\nHost: x\r\n\r\n',
  'the preface of HTTP/2': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  'HTTP/0.9': 'GET /oauth/info\r\n',
  'TLS to a plain port':
    Buffer.from('16030100c8010000c40303', 'hex').toString('latin1'),
  'no request line': '\r\n\r\nnonsense\r\n\r\n',
  'a target of 200 kB': get(`/${'a'.repeat(200_000)}`),
  'a target with a blank': get('/oauth/in fo'),
  'a target with a fragment': get('/oauth/info#a'),
  'a target without a slash': get('oauth/info'),
  'CONNECT': `CONNECT x:443 HTTP/1.1\r\n${HOST}\r\n`,
  'OPTIONS *': `OPTIONS * HTTP/1.1\r\n${HOST}\r\n`,
  'an absolute target': get('http://x/oauth/info'),
  'an absolute target of another scheme': get('ftp://x/oauth/info'),
  'an absolute target with a user': get('http://a@x/oauth/info'),
  'a method that is no token': `G@T /oauth/info HTTP/1.1\r\n${HOST}\r\n`,
  'an unknown method': `BREW /oauth/info HTTP/1.1\r\n${HOST}\r\n`,
  'TRACE': `TRACE /oauth/info HTTP/1.1\r\n${HOST}\r\n`,
  'a method in lower case': `get /oauth/info HTTP/1.1\r\n${HOST}\r\n`,
  'three hundred query parameters':
    get(`/oauth/info?${many(300, (i) => `a${i}=1`, '&')}`),
  // Paths.
  'NUL in a path': get('/oauth/in%00fo'),
  'an encoded slash between segments': get('/oauth%2finfo'),
  'an encoded slash in an id': get('/v3/non-employee-sources/..%2fx',
    'Authorization: Bearer TOKEN\r\n'),
  'dot segments': get('/v3/../oauth/info'),
  'encoded dot segments': get('/v3/%2e%2e/oauth/info'),
  'a backslash': get('/oauth\\info'),
  'an escape that is none': get('/oauth/%zz'),
  'bytes that are no ASCII': get('/oauth/\xc3\xa9'),
  'double and trailing slashes': get('//oauth///info/'),
  'a body with GET': `${get('/oauth/info', 'Content-Length: 3\r\n')}a=b`,
  'lower-case field names': 'GET /oauth/info HTTP/1.1\r\nhost: x\r\n\r\n',
};

const manual = fs.readFileSync(
  new URL('../../docs/manual/http.md', import.meta.url), 'utf8');
const DOCUMENTED = new Map(
  [...manual.matchAll(/^\| ([^|]+) \| (\d{3}|none)( closed)? \|/gm)]
    .map(([, name, status, closed]) =>
      [name.replaceAll('`', ''), { status, closed: Boolean(closed) }]));

test('whatever comes has its one documented answer', async (t) => {
  await t.test('and nothing is documented that is not tested', () => {
    assert.deepEqual([...DOCUMENTED.keys()].sort(), Object.keys(CASES).sort());
  });
  for (const [name, bytes] of Object.entries(CASES))
    await t.test(name, async () => {
      const want = DOCUMENTED.get(name);
      // Another request waits behind: when the connection is to end, it must
      // never be answered. When it is not, it is the last.
      const { bytes: got, closed } = await exchange(server,
        Buffer.from(bytes.replace('TOKEN', token) +
          get('/healthz', 'Connection: close\r\n'), 'latin1'),
        { quiet_ms: 10_000 });
      const text = got.toString('latin1');
      assert.ok(closed, 'the connection is still open');
      const statuses = [...text.matchAll(/HTTP\/1\.1 (\d+) /g)]
        .map(([, status]) => status);
      assert.equal(statuses[0] ?? 'none', want.status, text);
      if (!want.closed)
        assert.deepEqual(statuses, [want.status, '200']);
      // Where libmicrohttpd 0.9.75 refuses a length by itself, it sends the
      // head of that answer twice.
      else
        assert.ok(statuses.every((status) => status === want.status) &&
          statuses.length <= 2, text);
      assert.equal(text.includes('\r\n\r\nok\n'), !want.closed);
    });
});

test('an absolute target counts, whatever Host says', async () => {
  const { bytes } = await exchange(server,
    get('http://named.example/oauth/info', 'Connection: close\r\n'));
  const text = bytes.toString('latin1');
  assert.match(text, /"http:\/\/named\.example\/oauth\/token"/);
});

test('names of sources stay inside their header', async (t) => {
  const names = {
    'quotes and parameters': 'a"; filename="evil.exe',
    'a line end': 'a\r\nX-Evil: yes\r\n\r\n<html>',
    'a line separator': 'a\u2028\u2029\u0085b',
    'path parts': '../../etc/passwd\\..\\x',
    'percent signs': '%0d%0aX-Evil: yes',
    'not ASCII, and long': '\u{1F600}'.repeat(128),
    'every ASCII character': Array.from({ length: 95 },
      (_, i) => String.fromCharCode(32 + i)).join('').trim(),
  };
  for (const [what, name] of Object.entries(names))
    await t.test(what, async () => {
      const made = await server.get('/v3/non-employee-sources', {
        token, method: 'POST', headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({
          name, description: 'd',
          owner: { type: 'IDENTITY', id: world.admin.identity.id },
        }),
      });
      // A name with a control character is no name.
      if (made.status === 400) {
        assert.match(name, /[\r\n\u0085]/);
        return;
      }
      assert.equal(made.status, 200, made.text);
      for (const where of [downloadPath(made.json.id),
        templatePath(made.json.id)]) {
        const answer = await server.get(where, { token });
        assert.equal(answer.status, 200, answer.text);
        assert.equal(answer.headers['x-evil'], undefined);
        assert.match(answer.headers['content-disposition'],
          /^attachment; filename="[\w.@ -]+"(; filename\*=UTF-8''[\w.%-]+)?$/);
      }
    });
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
  for (let i = 0; i < 12 && sockets.some(({ closed }) => !closed); i++) {
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
