// One million people: in, out, compared field by field, interrupted and
// resumed, in little memory.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { canonicalRow, streamCsv } from '../api/lib/csv.js';
import { checkCommon, REVALIDATED, downloadPath } from '../api/lib/http.js';
import { MemoryWatch, mib } from '../api/lib/memory.js';
import { NELM, World, run } from '../api/lib/nelm.js';

const ROWS = Number(process.env.NELM_LOAD_ROWS ?? 1_000_000);
const CEILING = 64 * 1048576;

let world, server, token, source, sample;

before(async () => {
  world = await World.create();
  source = await world.source('Million');
  sample = path.join(world.dir, 'sample.csv');
  const out = fs.openSync(sample, 'w');
  const made = spawnSync(NELM, ['sample', '--rows', String(ROWS)],
    { stdio: ['ignore', out, 'inherit'] });
  fs.closeSync(out);
  assert.equal(made.status, 0);
  await world.sampleManagers();
});
after(() => world?.done());

function watched(t, name, memory, idle = memory.idle) {
  const used = memory.anonymous - idle;
  t.diagnostic(`${name}: ${mib(used)} above idle ` +
    `(anonymous ${mib(memory.anonymous)}, idle ${mib(idle)}, ` +
    `VmHWM with mapped files ${mib(memory.peak)}, ` +
    `${memory.samples} samples)`);
  assert.ok(memory.samples > 20, 'too few samples to judge by');
  assert.ok(used < CEILING, `${name} took ${mib(used)}`);
}

// A download to a file, its digest made on the way.
function download(headers = {}, file) {
  return new Promise((resolve, reject) => {
    http.get({
      host: server.host, port: server.port, path: downloadPath(source.id),
      agent: false, headers: { Authorization: `Bearer ${token}`, ...headers },
    }, (answer) => {
      const hash = crypto.createHash('sha256');
      const out = file ? fs.openSync(file, 'w') : -1;
      let length = 0;
      answer.on('data', (piece) => {
        hash.update(piece);
        length += piece.length;
        if (file)
          fs.writeSync(out, piece);
      });
      answer.on('error', reject);
      answer.on('end', () => {
        if (file)
          fs.closeSync(out);
        resolve({ status: answer.statusCode, headers: answer.headers, length,
          digest: `sha-256=:${hash.digest('base64')}:` });
      });
    }).on('error', reject);
  });
}

function checkWhole(answer) {
  assert.equal(answer.status, 200);
  checkCommon(answer, { cacheControl: REVALIDATED });
  assert.equal(answer.headers['content-length'], String(answer.length));
  assert.equal(answer.headers['x-total-count'], String(ROWS));
  assert.equal(answer.headers['repr-digest'], answer.digest);
}

test(`import of ${ROWS} rows in little memory`, async (t) => {
  const running = world.start(['import', '--source', source.id, sample]);
  const watch = new MemoryWatch(running.child.pid);
  const began = Date.now();
  const { code, stdout, stderr } = await running;
  const seconds = (Date.now() - began) / 1000;
  assert.equal(code, 0, stderr);
  assert.equal(JSON.parse(stdout.toString()).created, ROWS);
  // A process that has only begun holds next to nothing: all of it counts.
  watched(t, 'import', watch.stop(), 0);
  t.diagnostic(`${Math.round(ROWS / seconds)} rows a second`);
});

const exported = () => path.join(world.dir, 'export.csv');
let whole;

test('export in little memory, in every coding', async (t) => {
  server = await world.serve();
  token = await world.token(server);
  const idle = new MemoryWatch(server.pid).stop().idle;
  for (const coding of ['identity', 'gzip', 'zstd']) {
    const watch = new MemoryWatch(server.pid);
    const answer = await download({ 'Accept-Encoding': coding },
      coding === 'identity' ? exported() : undefined);
    watched(t, `export, ${coding}`, watch.stop(), idle);
    checkWhole(answer);
    if (coding === 'identity')
      whole = answer;
  }
});

test('every field of every row comes back', async () => {
  const given = streamCsv(fs.createReadStream(sample));
  const got = streamCsv(fs.createReadStream(exported()));
  let rows = -1; // the header is none
  for await (const row of given) {
    const { value, done } = await got.next();
    assert.ok(!done, `the export ends after ${rows} rows`);
    const expected = rows < 0 ? row : canonicalRow(row);
    if (expected.join('\0') !== value.join('\0'))
      assert.deepEqual(value, expected, `row ${rows}`);
    rows++;
  }
  assert.ok((await got.next()).done, 'the export has more rows');
  assert.equal(rows, ROWS);
});

test('nelm export writes the same, in little memory', async (t) => {
  const output = path.join(world.dir, 'cli.csv');
  const running = world.start(
    ['export', '--source', source.id, '--output', output]);
  const watch = new MemoryWatch(running.child.pid);
  const { code, stderr } = await running;
  assert.equal(code, 0, stderr);
  watched(t, 'nelm export', watch.stop(), 0);
  const compared = await run('cmp', [output, exported()]);
  assert.equal(compared.code, 0, compared.stdout.toString());
  fs.rmSync(output);
});

test('cut at 40 % and resumed with curl -C -', async (t) => {
  const file = path.join(world.dir, 'resumed.csv');
  const url = `${server.base}${downloadPath(source.id)}`;
  const header = ['-H', `Authorization: Bearer ${token}`];
  const cutAt = Math.floor(whole.length * 0.4);
  // A real interruption: slowed down, then killed when 40 % are there.
  const running = run('curl', ['-sS', ...header, '-o', file,
    '--limit-rate', '200M', url]);
  const timer = setInterval(() => {
    if (fs.existsSync(file) && fs.statSync(file).size >= cutAt)
      running.child.kill('SIGKILL');
  }, 1);
  await running;
  clearInterval(timer);
  const size = fs.statSync(file).size;
  t.diagnostic(`cut at ${(100 * size / whole.length).toFixed(1)} %`);
  if (size >= whole.length)
    fs.truncateSync(file, cutAt); // it was faster than our look at it
  const resumed = await run('curl',
    ['-sSf', ...header, '-C', '-', '-o', file, url]);
  assert.equal(resumed.code, 0, resumed.stderr);
  const hash = crypto.createHash('sha256');
  for await (const piece of fs.createReadStream(file))
    hash.update(piece);
  assert.equal(`sha-256=:${hash.digest('base64')}:`,
    whole.headers['repr-digest']);
  fs.rmSync(file);
});

test('after one change: in little memory, and only that row differs',
  async (t) => {
    const head = fs.readFileSync(exported(), { encoding: 'utf8', flag: 'r' })
      .slice(0, 4000).split('\n');
    const changed = head[1].replace(/^([^,]+,)/, '$1');
    const fields = changed.split(',');
    assert.ok(!changed.includes('"'),
      'the first sample row needs no quotes; choose another if it does');
    fields[3] = '0000';
    await world.import(source, `${head[0]}\n${fields.join(',')}\n`);
    const idle = new MemoryWatch(server.pid).stop().idle;
    const watch = new MemoryWatch(server.pid, 1);
    const began = Date.now();
    const answer = await download({}, path.join(world.dir, 'changed.csv'));
    t.diagnostic(`${Date.now() - began} ms after one change`);
    const memory = watch.stop();
    t.diagnostic(`${mib(memory.anonymous - idle)} above what it held before`);
    assert.ok(memory.anonymous - idle < CEILING);
    checkWhole(answer);
    assert.notEqual(answer.headers.etag, whole.headers.etag);
    const now = streamCsv(
      fs.createReadStream(path.join(world.dir, 'changed.csv')));
    const old = streamCsv(fs.createReadStream(exported()));
    let rows = -1;
    let differ = 0;
    for await (const row of now) {
      const { value } = await old.next();
      if (row.join('\0') !== value.join('\0')) {
        differ++;
        assert.equal(row[3], '0000', `row ${rows}`);
      }
      rows++;
    }
    assert.equal(rows, ROWS);
    assert.equal(differ, 1);
  });

test('importing the whole export again changes nothing, in little memory',
  async (t) => {
    const etag = (await download({ Range: 'bytes=0-0' })).headers.etag;
    const running = world.start(['import', '--source', source.id,
      path.join(world.dir, 'changed.csv')]);
    const watch = new MemoryWatch(running.child.pid);
    const { code, stdout, stderr } = await running;
    assert.equal(code, 0, stderr);
    const { created, updated } = JSON.parse(stdout.toString());
    assert.deepEqual([created, updated], [0, 0]);
    watched(t, 'import without changes', watch.stop(), 0);
    assert.equal((await download({ Range: 'bytes=0-0' })).headers.etag, etag);
  });
