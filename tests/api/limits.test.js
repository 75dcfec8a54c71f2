// Whatever a caller can make grow has a bound, and the bound is a setting.

import assert from 'node:assert/strict';
import net from 'node:net';
import { after, before, test } from 'node:test';

import { checkFramework } from './lib/http.js';
import { HEADER, UNLIMITED, World, line } from './lib/nelm.js';
import { readMetrics, sample } from './lib/prometheus.js';

let world, server, token, source;

before(async () => {
  world = await World.create();
  source = await world.source('Bounded');
  server = await world.serve([...UNLIMITED,
    '--max-header-bytes', '8KiB', '--max-json-bytes', '64KiB',
    '--max-json-depth', '8', '--max-parts', '3', '--spool-bytes', '1MiB',
    '--max-upload-bytes', '2MiB', '--max-renderings', '1']);
  token = await world.token(server);
});
after(() => world?.done());

const create = (body) => server.get('/v3/non-employee-sources', {
  token, method: 'POST', headers: { 'Content-Type': 'application/json' }, body,
});
const nested = (depth, rest = '') => '{"a":'.repeat(depth - 1) + `[${rest}]` +
  '}'.repeat(depth - 1);

test('the head of a request', async () => {
  const ask = (bytes) => server.get('/healthz',
    { headers: { 'X-Long': 'a'.repeat(bytes) } });
  assert.equal((await ask(7000)).status, 200);
  assert.match(String((await ask(9000)).status), /^(400|431)$/);
});

test('JSON: its depth', async () => {
  // As deep as it may be, so that what is missing is what is said.
  const good = await create(nested(8));
  assert.equal(good.status, 400);
  assert.doesNotMatch(good.text, /nested/);
  const deep = await create(nested(9));
  assert.equal(deep.status, 400);
  assert.match(deep.text, /nested more than 8 levels deep/);
  // Brackets in texts are text.
  const text = await create(nested(8, JSON.stringify('[[{{"\\"[[[[')));
  assert.doesNotMatch(text.text, /nested/);
});

test('JSON: its length', async () => {
  const answer = await create(`{"name": "${'x'.repeat(70_000)}"}`);
  assert.equal(answer.status, 413);
  assert.doesNotMatch((await create(`{"name": "${'x'.repeat(60_000)}"}`)).text,
    /Payload/);
});

const path = () =>
  `/v3/non-employee-sources/${source.id}/non-employee-bulk-upload`;
const part = (name, content) => '--b\r\nContent-Disposition: form-data; ' +
  `name="${name}"; filename="f"\r\n\r\n${content}\r\n`;
const upload = (body) => server.get(path(), {
  token, method: 'POST', body,
  headers: { 'Content-Type': 'multipart/form-data; boundary=b' },
});

test('a form: its parts', async () => {
  const data = part('data', `${HEADER}\n${line(1, 1, 'admin')}`);
  const good = await upload(`${part('x', '')}${part('y', '')}${data}--b--\r\n`);
  assert.equal(good.status, 202, good.text);
  const many = await upload(
    `${part('x', '').repeat(3)}${data}--b--\r\n`);
  assert.equal(many.status, 400);
  assert.match(many.text, /more than 3 parts/);
});

test('uploads: their length, and what all of them take at once', async () => {
  const announced = await server.get(path(), {
    token, method: 'POST', headers: {
      'Content-Type': 'multipart/form-data; boundary=b',
      'Content-Length': 3 * 1024 * 1024, Expect: '100-continue',
    },
  });
  checkFramework(announced, 413, announced.json.errorName,
    announced.json.errorMessage);

  // One that arrives slowly holds its room, so another has none.
  const size = 700_000;
  const slow = net.connect(server.port, server.host);
  slow.on('error', () => {});
  slow.write(`POST ${path()} HTTP/1.1\r\nHost: x\r\n` +
    `Authorization: Bearer ${token}\r\nContent-Length: ${size + 10}\r\n` +
    'Content-Type: multipart/form-data; boundary=b\r\n\r\n' +
    part('other', 'x'.repeat(size)).slice(0, size));
  const taken = async () => sample(
    readMetrics((await server.get('/metrics')).text), 'nelm_spool_bytes');
  while (await taken() < 400_000)
    continue;
  const second = await upload(
    `${part('data', 'x'.repeat(900_000))}--b--\r\n`);
  assert.equal(second.status, 503, second.text);
  assert.match(second.headers['retry-after'], /^\d+$/);
  slow.destroy();
  while (await taken() > 0)
    continue;
  const third = await upload(
    `${part('data', `${HEADER}\n${line(2, 1, 'admin')}`)}--b--\r\n`);
  assert.equal(third.status, 202, third.text);
});

test('a bound that makes no sense is refused', async () => {
  for (const [name, value] of [['max-header-bytes', '1KiB'],
    ['max-json-depth', '4096'], ['max-parts', '0'], ['max-renderings', '0'],
    ['spool-bytes', '1']])
    assert.match((await world.cli(['serve', `--${name}`, value], { code: 2 }))
      .stderr, new RegExp(`setting ${name}: `));
});
