// HEAD, conditional requests and ranges (contract 16.2, RFC 9110).

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import {
  REVALIDATED, checkCommon, checkDownload, digest, downloadPath, exchange,
  splitAnswers, templatePath,
} from './lib/http.js';
import { HEADER, World, line, sleep } from './lib/nelm.js';

let world, server, token, path, template, whole;

before(async () => {
  world = await World.create();
  await world.identity('boss');
  const source = await world.source('Ranges');
  const rows = Array.from({ length: 500 }, (_, n) => line(n, 1, 'boss'));
  await world.import(source, `${HEADER}\n${rows.join('')}`);
  server = await world.serve();
  token = await world.token(server);
  path = downloadPath(source.id);
  template = templatePath(source.id);
  // Last-Modified is the end of the change's second once that is over.
  await sleep(1100);
  whole = await server.get(path, { token });
  checkDownload(whole, { rows: 500 });
});
after(() => world?.done());

const get = (headers = {}, options = {}) =>
  server.get(path, { token, headers, ...options });

const SAME = ['content-type', 'content-length', 'content-disposition', 'etag',
  'last-modified', 'repr-digest', 'x-total-count', 'vary', 'cache-control',
  'accept-ranges', 'content-encoding'];

test('HEAD has the fields of GET and no body', async (t) => {
  for (const url of [path, template]) {
    for (const accept of ['identity', 'gzip', 'zstd']) {
      await t.test(`${url} ${accept}`, async () => {
        const headers = { 'Accept-Encoding': accept };
        const got = await server.get(url, { token, headers });
        const head = await server.get(url, { token, headers, method: 'HEAD' });
        assert.equal(head.status, 200);
        assert.equal(head.body.length, 0);
        checkCommon(head, { cacheControl: REVALIDATED });
        for (const name of SAME)
          assert.equal(head.headers[name], got.headers[name], name);
      });
    }
  }
  await t.test('HEAD first, with nothing rendered yet', async () => {
    const fresh = await world.source('Fresh');
    const head = await server.get(downloadPath(fresh.id),
      { token, method: 'HEAD' });
    assert.equal(head.headers['content-length'], String(HEADER.length + 1));
    assert.equal(head.headers['repr-digest'],
      digest(Buffer.from(`${HEADER}\n`)));
  });
  await t.test('of errors', async () => {
    for (const [url, auth, status] of [['/v3/nothing', token, 404],
      [path, undefined, 401], [`${path}?bom=x`, token, 400]]) {
      const head = await server.get(url, { token: auth, method: 'HEAD' });
      assert.equal(head.status, status);
      assert.equal(head.body.length, 0);
      checkCommon(head);
    }
  });
});

test('many answers over one connection keep their frames', async () => {
  const ask = (method, url, extra = '') =>
    `${method} ${url} HTTP/1.1\r\nHost: x\r\n` +
    `Authorization: Bearer ${token}\r\n${extra}\r\n`;
  const calls = [['HEAD', path], ['GET', path], ['HEAD', '/v3/nothing'],
    ['GET', path, `If-None-Match: ${whole.headers.etag}\r\n`],
    ['GET', path, 'Range: bytes=0-9\r\n'],
    ['GET', path, 'Range: bytes=99999999-\r\n'],
    ['GET', '/v3/nothing'], ['DELETE', path], ['HEAD', path],
    ['GET', template, 'Connection: close\r\n']];
  const { bytes, closed } = await exchange(server,
    calls.map((call) => ask(...call)).join(''), { quiet_ms: 10_000 });
  assert.ok(closed, 'Connection: close is not honoured');
  const { answers, rest } = splitAnswers(bytes, calls.map(([m]) => m));
  assert.deepEqual(answers.map(({ status }) => status),
    [200, 200, 404, 304, 206, 416, 404, 405, 200, 200]);
  assert.equal(rest.length, 0, 'bytes that belong to no answer');
  assert.ok(answers[1].body.equals(whole.body));
  assert.equal(answers[9].body.toString(), `${HEADER}\n`);
});

const earlier = () => new Date(
  Date.parse(whole.headers['last-modified']) - 1000).toUTCString();

test('conditional requests', async (t) => {
  const tag = whole.headers.etag;
  const when = whole.headers['last-modified'];
  const rows = [
    ['its ETag', { 'If-None-Match': tag }, 304],
    ['its ETag, weak', { 'If-None-Match': `W/${tag}` }, 304],
    ['in a list', { 'If-None-Match': `"a", W/"b",${tag} , "c"` }, 304],
    ['any', { 'If-None-Match': '*' }, 304],
    ['another ETag', { 'If-None-Match': '"nothing"' }, 200],
    ['without its quotes', { 'If-None-Match': tag.slice(1, -1) }, 200],
    ['a part of it', { 'If-None-Match': `${tag.slice(0, -2)}"` }, 200],
    ['a date: the newest change', { 'If-Modified-Since': when }, 304],
    ['a date: now', { 'If-Modified-Since': new Date().toUTCString() }, 304],
    ['a date: before it', { 'If-Modified-Since': earlier() }, 200],
    ['no date', { 'If-Modified-Since': 'yesterday' }, 200],
    ['ETag wins over date: other ETag',
      { 'If-None-Match': '"nothing"', 'If-Modified-Since': when }, 200],
    ['ETag wins over date: old date',
      { 'If-None-Match': tag, 'If-Modified-Since': earlier() }, 304],
    ['before a range', { 'If-None-Match': tag, Range: 'bytes=0-1' }, 304],
  ];
  for (const [name, headers, status] of rows) {
    for (const method of ['GET', 'HEAD']) {
      await t.test(`${method}, ${name}`, async () => {
        const answer = await get(headers, { method });
        assert.equal(answer.status, status);
        checkCommon(answer, { cacheControl: REVALIDATED });
        assert.equal(answer.headers.etag, tag);
        assert.match(answer.headers.vary, /accept-encoding/i);
        if (status === 304) {
          assert.equal(answer.body.length, 0);
        } else if (method === 'GET') {
          assert.ok(answer.body.equals(whole.body));
        }
      });
    }
  }
  await t.test('the template', async () => {
    const full = await server.get(template, { token });
    const answer = await server.get(template,
      { token, headers: { 'If-None-Match': full.headers.etag } });
    assert.equal(answer.status, 304);
    assert.notEqual(full.headers.etag, tag);
  });
  await t.test('a 304 renders nothing: the cache may be gone', async () => {
    const fs = await import('node:fs');
    const cache = `${world.dir}/cache-of-304`;
    const other = await world.serve(
      ['--rate-limit', 'off', '--cache-dir', cache]);
    const answer = await other.get(path,
      { token, headers: { 'If-None-Match': tag } });
    assert.equal(answer.status, 304);
    const files = fs.existsSync(cache)
      ? fs.readdirSync(cache, { recursive: true }) : [];
    let bytes = 0;
    for (const file of files) {
      const stat = fs.statSync(`${cache}/${file}`);
      bytes += stat.isFile() ? stat.size : 0;
    }
    assert.ok(bytes < whole.body.length, files.join(' '));
    await other.stop();
  });
  await t.test('no right, no 304', async () => {
    await world.identity('stranger');
    const mine = await world.token(server, await world.pat('stranger'));
    const answer = await server.get(path,
      { token: mine, headers: { 'If-None-Match': tag } });
    assert.equal(answer.status, 403);
  });
});

test('ranges', async (t) => {
  const size = whole.body.length;
  const tag = whole.headers.etag;
  const rows = [
    ['bytes=0-99', 0, 99], ['bytes=0-0', 0, 0], ['bytes=100-', 100, size - 1],
    ['bytes=-50', size - 50, size - 1], ['bytes=-1', size - 1, size - 1],
    [`bytes=-${size}`, 0, size - 1], [`bytes=-${size * 2}`, 0, size - 1],
    [`bytes=${size - 1}-`, size - 1, size - 1],
    [`bytes=10-${size * 2}`, 10, size - 1],
    ['bytes=5-18446744073709551615', 5, size - 1],
    ['bytes= 0-99', 0, 99, 'maybe'], ['BYTES=0-99', 0, 99, 'maybe'],
  ];
  for (const [range, first, last, maybe] of rows) {
    await t.test(range, async () => {
      const answer = await get({ Range: range });
      if (maybe && answer.status === 200)
        return; // whoever does not know a range ignores it
      assert.equal(answer.status, 206);
      checkCommon(answer, { cacheControl: REVALIDATED });
      assert.equal(answer.headers['content-range'],
        `bytes ${first}-${last}/${size}`);
      assert.equal(answer.headers['content-length'], String(last - first + 1));
      assert.equal(answer.headers['content-type'], 'text/csv; charset=utf-8');
      assert.equal(answer.headers.etag, tag);
      assert.equal(answer.headers['repr-digest'],
        whole.headers['repr-digest']);
      assert.ok(answer.body.equals(whole.body.subarray(first, last + 1)));
    });
  }
  for (const range of ['bytes=5-2', 'bytes=', 'bytes=-', 'bytes=a-b',
    'bytes=0-1,5-6', 'bytes=0-1, -1', 'lines=0-1', '0-1', 'bytes=1-2-3',
    'bytes=0x0-1', 'bytes=+1-2', 'bytes']) {
    await t.test(`${range} is ignored`, async () => {
      const answer = await get({ Range: range });
      checkDownload(answer, { rows: 500, bytes: whole.body });
    });
  }
  for (const range of [`bytes=${size}-`, `bytes=${size * 9}-`, 'bytes=-0',
    'bytes=18446744073709551615-']) {
    await t.test(`${range} cannot be satisfied`, async () => {
      const answer = await get({ Range: range });
      assert.equal(answer.status, 416);
      assert.equal(answer.body.length, 0);
      assert.equal(answer.headers['content-range'], `bytes */${size}`);
      assert.equal(answer.headers['content-length'], '0');
      checkCommon(answer,
        { cacheControl: answer.headers['cache-control'] });
    });
  }
  const conditions = [
    ['its ETag', () => tag, 206], ['another ETag', () => '"other"', 200],
    ['its ETag, weak', () => `W/${tag}`, 200],
    ['an older date', earlier, 200],
    ['its date, which two states may share',
      () => whole.headers['last-modified'], 200],
    ['a later date', () => new Date(Date.now() + 9e6).toUTCString(), 200],
    ['nonsense', () => 'nonsense', 200],
  ];
  for (const [name, value, status] of conditions) {
    await t.test(`If-Range: ${name}`, async () => {
      const answer = await get({ Range: 'bytes=7-', 'If-Range': value() });
      assert.equal(answer.status, status);
      assert.ok(answer.body.equals(status === 206
        ? whole.body.subarray(7) : whole.body));
    });
  }
  await t.test('If-Range makes an unsatisfiable range harmless', async () => {
    const answer = await get(
      { Range: `bytes=${size}-`, 'If-Range': '"other"' });
    checkDownload(answer, { bytes: whole.body });
  });
  await t.test('pieces of any size join to the whole', async () => {
    for (const step of [997, 4096, 10_000, size - 1]) {
      const pieces = [];
      for (let at = 0; at < size; at += step) {
        const answer = await get({ Range: `bytes=${at}-${at + step - 1}`,
          'If-Range': tag });
        assert.equal(answer.status, 206);
        pieces.push(answer.body);
      }
      assert.equal(digest(Buffer.concat(pieces)),
        whole.headers['repr-digest']);
    }
  });
});

test('a resumed download notices that the source changed', async () => {
  const source = await world.source('Changing');
  const url = downloadPath(source.id);
  await world.import(source, `${HEADER}\n${line(1, 1, 'boss')}`);
  const first = await server.get(url,
    { token, headers: { Range: 'bytes=0-20' } });
  await world.import(source, `${HEADER}\n${line(1, 2, 'boss')}`);
  const second = await server.get(url, { token, headers: {
    Range: 'bytes=21-', 'If-Range': first.headers.etag } });
  checkDownload(second, { rows: 1,
    bytes: Buffer.from(`${HEADER}\n${line(1, 2, 'boss')}`) });
});

test('a change is seen also within the second of another', async () => {
  const source = await world.source('Twice a second');
  const url = downloadPath(source.id);
  for (let i = 1; i <= 8; i++) {
    const before = await server.get(url, { token });
    const when = before.headers['last-modified'];
    await world.import(source, `${HEADER}\n${line(1, i, 'boss')}`);
    const since = await server.get(url,
      { token, headers: { 'If-Modified-Since': when } });
    assert.equal(since.status, 200);
    assert.ok(!since.body.equals(before.body));
  }
});
