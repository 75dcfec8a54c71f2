// 200 clients download a source that changes all the time: each of them gets
// a state that existed, whole, and never an older one than it could know of.

import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import http from 'node:http';
import { after, before, test } from 'node:test';
import { Worker } from 'node:worker_threads';

import { parseCsv } from '../api/lib/csv.js';
import { downloadPath, request } from '../api/lib/http.js';
import { MemoryWatch, mib } from '../api/lib/memory.js';
import { HEADER, NELM, UNLIMITED, World, line } from '../api/lib/nelm.js';

const CLIENTS = 200;
const ROWS = 2000;
const SECONDS = 15;

let world, server, token, source;

before(async () => {
  world = await World.create();
  await world.identity('boss');
  source = await world.source('Restless');
  let csv = `${HEADER}\n`;
  for (let n = 0; n < ROWS; n++)
    csv += line(n, 0, 'boss');
  await world.import(source, csv);
  server = await world.serve(UNLIMITED);
  token = await world.token(server);
});
after(() => world?.done());

// Generation g changed row g mod ROWS. So a state is known by its number:
// row n was last changed by the greatest g that fits.
const STEP = 7; // far apart, so that changes hit many parts of the file
const target = (g) => (g * STEP) % ROWS;

function generations(count) {
  const rows = Array.from({ length: ROWS }, (_, n) => line(n, 0, 'boss'));
  const changes = [];
  const digests = new Map();
  for (let g = 0; g <= count; g++) {
    if (g > 0) {
      rows[target(g)] = line(target(g), g, 'boss');
      changes.push(`${HEADER}\n${rows[target(g)]}`);
    }
    digests.set(crypto.createHash('sha256')
      .update(`${HEADER}\n${rows.join('')}`).digest('base64'), g);
  }
  return { changes, digests };
}

// One import after the other, in a thread of its own, since this one has its
// hands full; `shared[0]` is the generation that is there for certain.
const WRITER = `
  const { spawnSync } = require('node:child_process');
  const { workerData: { shared, changes, nelm, source, env } } =
    require('node:worker_threads');
  for (let g = 1; g <= changes.length && !Atomics.load(shared, 1); g++) {
    const { status, stderr } = spawnSync(nelm, ['import', '--source', source,
      '-'], { input: changes[g - 1], env });
    if (status !== 0)
      throw new Error('generation ' + g + ': ' + stderr);
    Atomics.store(shared, 0, g);
  }`;

test(`${CLIENTS} downloads at once while the source changes`, async (t) => {
  const { changes, digests } = generations(1500);
  const shared = new Int32Array(new SharedArrayBuffer(8));
  const committed = () => Atomics.load(shared, 0);
  let running = true;
  const seen = new Set();
  let downloads = 0;
  let unchanged = 0;
  let resumed = 0;

  async function read(number) {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    let last = -1;
    let etag;
    let lastBody;
    while (running) {
      const known = Math.max(committed(), last);
      const headers = number % 4 === 1 && etag
        ? { 'If-None-Match': etag } : {};
      const answer = await request(server, {
        path: downloadPath(source.id), token, agent, headers,
      });
      downloads++;
      let { body } = answer;
      if (answer.status === 304) {
        unchanged++;
        assert.equal(answer.headers.etag, etag);
        body = lastBody;
      } else {
        assert.equal(answer.status, 200, answer.text.slice(0, 300));
        assert.ok(!answer.truncated);
        assert.equal(answer.headers['content-length'], String(body.length));
        assert.equal(answer.headers['x-total-count'], String(ROWS));
      }
      const sum = crypto.createHash('sha256').update(body).digest('base64');
      if (answer.status === 200)
        assert.equal(answer.headers['repr-digest'], `sha-256=:${sum}:`);
      const g = digests.get(sum);
      assert.ok(g !== undefined, 'a state that never existed: ' +
        `${parseCsv(body).length} rows, ${body.length} bytes`);
      assert.ok(g >= known, `generation ${g} after ${known} was there`);
      seen.add(g);
      last = g;
      // Some go on with a range of what they have seen, if it still stands.
      if (number % 4 === 2) {
        const part = await request(server, {
          path: downloadPath(source.id), token, agent,
          headers: { Range: 'bytes=1000-', 'If-Range': answer.headers.etag },
        });
        if (part.status === 206) {
          resumed++;
          assert.ok(part.body.equals(body.subarray(1000)));
        } else {
          assert.equal(part.status, 200);
        }
      }
      ({ etag } = answer.headers);
      lastBody = body;
    }
    agent.destroy();
  }

  const watch = new MemoryWatch(server.pid, 20);
  const timer = setTimeout(() => { running = false; }, SECONDS * 1000);
  const writer = new Worker(WRITER, { eval: true, workerData: { shared,
    changes, nelm: NELM, source: source.id,
    env: { PATH: process.env.PATH, ...world.env() } } });
  const written = new Promise((resolve, reject) => {
    writer.on('error', reject);
    writer.on('exit', resolve);
  });
  try {
    await Promise.all(
      Array.from({ length: CLIENTS }, (_, number) => read(number)));
  } finally {
    running = false;
    clearTimeout(timer);
    Atomics.store(shared, 1, 1);
    await written;
  }
  const memory = watch.stop();
  t.diagnostic(`${downloads} downloads (${unchanged} unchanged, ` +
    `${resumed} resumed), ${committed()} changes, ${seen.size} ` +
    `different states seen, ${mib(memory.anonymous - memory.idle)} ` +
    'above idle');
  assert.ok(downloads >= 2 * CLIENTS);
  assert.ok(committed() >= 20, `only ${committed()} changes`);
  assert.ok(seen.size >= 10, `only ${seen.size} states seen`);
  assert.ok(memory.anonymous - memory.idle < 64 * 1048576);
});
