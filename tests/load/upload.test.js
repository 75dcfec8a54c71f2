// A long upload over HTTP: in little memory, while others are served.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { MemoryWatch, mib } from '../api/lib/memory.js';
import { NELM, UNLIMITED, World, sleep } from '../api/lib/nelm.js';

const ROWS = Number(process.env.NELM_LOAD_ROWS ?? 1_000_000);
const CEILING = 64 * 1048576;

let world, server, token, source, sample;

before(async () => {
  world = await World.create();
  source = await world.source('Long');
  sample = path.join(world.dir, 'sample.csv');
  const out = fs.openSync(sample, 'w');
  const made = spawnSync(NELM, ['sample', '--rows', String(ROWS)],
    { stdio: ['ignore', out, 'inherit'] });
  fs.closeSync(out);
  assert.equal(made.status, 0);
  await world.sampleManagers();
  server = await world.serve(UNLIMITED);
  token = await world.token(server);
});
after(() => world?.done());

// Send pieces as the server takes them; resolves to { status, json, ms }.
function upload(pieces, query = '') {
  const begun = process.hrtime.bigint();
  return new Promise((resolve, reject) => {
    const call = http.request({
      host: server.host, port: server.port, method: 'POST', agent: false,
      path: `/v3/non-employee-sources/${source.id}/non-employee-bulk-upload` +
        query,
      headers: { Authorization: `Bearer ${token}`,
        'Content-Type': 'multipart/form-data; boundary=b' },
    }, (answer) => {
      let text = '';
      answer.on('data', (piece) => { text += piece; });
      answer.on('end', () => resolve({ status: answer.statusCode,
        json: JSON.parse(text),
        ms: Number(process.hrtime.bigint() - begun) / 1e6 }));
    });
    call.on('error', reject);
    (async () => {
      call.write('--b\r\nContent-Disposition: form-data; name="data"\r\n\r\n');
      for await (const piece of pieces)
        if (!call.write(piece))
          await new Promise((ready) => call.once('drain', ready));
      call.end('\r\n--b--\r\n');
    })().catch(reject);
  });
}

// The slowest of small calls while something else goes on.
async function slowestCall(until) {
  let slowest = 0;
  let calls = 0;
  let over = false;
  until.finally(() => { over = true; });
  while (!over) {
    const begun = performance.now();
    assert.equal((await server.get('/readyz')).status, 200);
    slowest = Math.max(slowest, performance.now() - begun);
    calls++;
    await sleep(5);
  }
  return { slowest, calls };
}

async function watched(t, name, work) {
  const memory = new MemoryWatch(server.pid);
  const [result, { slowest, calls }] =
    await Promise.all([work, slowestCall(work)]);
  const { anonymous, idle } = memory.stop();
  t.diagnostic(`${name}: ${mib(anonymous - idle)} above idle, slowest of ` +
    `${calls} small calls ${slowest.toFixed(1)} ms` +
    `${result.ms ? `, ${(result.ms / 1000).toFixed(2)} s` : ''}`);
  assert.ok(anonymous - idle < CEILING, `${name}: ${mib(anonymous - idle)}`);
  return result;
}

function* blanks(bytes) {
  yield 'accountName,firstName,lastName,phone,email,manager,startDate,endDate\n';
  const piece = Buffer.alloc(1 << 20, '\n');
  for (let sent = 0; sent < bytes; sent += piece.length)
    yield piece;
}

test('200 MB that hold nothing', async (t) => {
  const { status, json } =
    await watched(t, 'upload', upload(blanks(200 << 20), '?dryRun=true'));
  assert.equal(status, 200);
  assert.equal(json.rows, 0);
});

test(`${ROWS} rows, and again`, async (t) => {
  const size = fs.statSync(sample).size;
  const settled = async () => {
    const url = `/v3/non-employee-sources/${source.id}` +
      '/non-employee-bulk-upload/status';
    for (;;) {
      const job = (await server.get(url, { token })).json;
      if (job.status !== 'PENDING' && job.status !== 'IN_PROGRESS')
        return job;
      await sleep(50);
    }
  };
  for (const created of [ROWS, 0]) {
    const { status } = await watched(t, `upload of ${mib(size)}`,
      upload(fs.createReadStream(sample, { highWaterMark: 1 << 20 })));
    assert.equal(status, 202);
    const job = await watched(t, 'import', settled());
    assert.deepEqual([job.status, job.recordsCreated, job.recordsUpdated],
      ['COMPLETED', created, 0]);
  }
});
