// 200 clients download a source that changes all the time: each of them gets
// a state that existed, whole, and never an older one than it could know of.

import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import http from 'node:http';
import { after, before, test } from 'node:test';

import { parseCsv } from '../api/lib/csv.js';
import { downloadPath, request } from '../api/lib/http.js';
import { MemoryWatch, mib } from '../api/lib/memory.js';
import { HEADER, UNLIMITED, World, line } from '../api/lib/nelm.js';

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

class States {
  constructor() {
    this.rows = Array.from({ length: ROWS }, (_, n) => line(n, 0, 'boss'));
    this.digests = [this.#digest()];
  }

  #digest() {
    const text = `${HEADER}\n${this.rows.join('')}`;
    return crypto.createHash('sha256').update(text).digest('base64');
  }

  next() {
    const g = this.digests.length;
    const row = line(target(g), g, 'boss');
    this.rows[target(g)] = row;
    this.digests.push(this.#digest());
    return row;
  }
}

test(`${CLIENTS} downloads at once while the source changes`, async (t) => {
  const states = new States();
  let committed = 0;
  let running = true;
  const generations = new Set();
  let downloads = 0;
  let unchanged = 0;
  let resumed = 0;

  async function write() {
    while (running) {
      const row = states.next();
      await world.import(source, `${HEADER}\n${row}`);
      committed = states.digests.length - 1;
    }
  }

  async function read(number) {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    let last = -1;
    let etag;
    let lastBody;
    while (running) {
      const known = Math.max(committed, last);
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
      const g = states.digests.lastIndexOf(sum);
      assert.ok(g >= 0, 'a state that never existed: ' +
        `${parseCsv(body).length} rows, ${body.length} bytes`);
      assert.ok(g >= known, `generation ${g} after ${known} was there`);
      generations.add(g);
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
  try {
    await Promise.all([write(),
      ...Array.from({ length: CLIENTS }, (_, number) => read(number))]);
  } finally {
    running = false;
    clearTimeout(timer);
  }
  const memory = watch.stop();
  t.diagnostic(`${downloads} downloads (${unchanged} unchanged, ` +
    `${resumed} resumed), ${committed} changes, ${generations.size} ` +
    `different states seen, ${mib(memory.anonymous - memory.idle)} ` +
    'above idle');
  assert.ok(downloads >= 2 * CLIENTS);
  assert.ok(committed >= 20, `only ${committed} changes`);
  assert.ok(generations.size >= 10);
  assert.ok(memory.anonymous - memory.idle < 64 * 1048576);
});
