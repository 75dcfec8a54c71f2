// Killed processes and full disks: what is served afterwards is a state that
// was acknowledged, whole, and nothing else.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { skipOnPostgresql } from './lib/database.js';
import {
  checkDownload, checkError, digest, downloadPath,
} from './lib/http.js';
import { HEADER, UNLIMITED, World, line, sleep } from './lib/nelm.js';

const ROWS = 10_000;
const KILLS = 24;

let world;

before(async () => {
  world = await World.create();
  await world.identity('boss');
});
after(() => world?.done());

function generation(rows, number) {
  let csv = `${HEADER}\n`;
  for (let n = 0; n < rows; n++)
    csv += line(n, number, 'boss');
  return Buffer.from(csv);
}

test(`kill -9 during an import leaves before or after, ${KILLS} times`,
  async (t) => {
    const source = await world.source('Killed imports');
    await world.import(source, generation(ROWS, 0));
    let state = generation(ROWS, 1);
    const began = Date.now();
    await world.import(source, state);
    const whole_ms = Date.now() - began;
    let before = 0;
    let after = 0;
    for (let round = 1; round <= KILLS; round++) {
      const next = generation(ROWS, round + 1);
      const file = world.file(next, 'killed.csv');
      const running = world.start(['import', '--source', source.id, file]);
      // Spread over the whole length, a little past its end.
      const delay = whole_ms * 1.3 * (round - Math.random()) / KILLS;
      await sleep(delay);
      running.child.kill('SIGKILL');
      const { code } = await running;
      const now = await world.export(source);
      if (now.equals(next)) {
        after++;
        state = next;
      } else {
        assert.ok(now.equals(state), `round ${round}, killed after ` +
          `${delay.toFixed(1)} ms: neither the state before nor after`);
        before++;
        assert.notEqual(code, 0, 'it said done and the rows are not there');
      }
    }
    t.diagnostic(`killed over ${whole_ms} ms: ${before} before, ` +
      `${after} after`);
    assert.ok(before > 0, 'no kill came in time: the test proves nothing');
    // What is left behind does not stand in the way.
    const last = generation(ROWS, KILLS + 2);
    await world.import(source, last);
    assert.ok((await world.export(source)).equals(last));
    await world.store.checkIntact();
  });

test('kill -9 during rendering: the restart serves the right bytes',
  async (t) => {
    const source = await world.source('Killed renderings');
    const rows = 60_000;
    await world.import(source, generation(rows, 0));
    const cache = path.join(world.dir, 'killed-cache');
    const args = [...UNLIMITED, '--cache-dir', cache];
    let server = await world.serve(args);
    let token = await world.token(server);
    const url = downloadPath(source.id);
    const began = Date.now();
    checkDownload(await server.get(url, { token }), { rows });
    const whole_ms = Date.now() - began;
    let cut = 0;
    for (let round = 1; round <= 12; round++) {
      await world.import(source, `${HEADER}\n${line(round, round, 'boss')}`);
      if (round % 2)
        fs.rmSync(cache, { recursive: true, force: true });
      await server.stop('SIGKILL');
      server = await world.serve(args);
      const coding = ['identity', 'gzip', 'zstd'][round % 3];
      const headers = { 'Accept-Encoding': coding };
      const asked = server.get(url, { token, headers })
        .then((answer) => answer.truncated, () => true);
      await sleep(whole_ms * (round - Math.random()) / 12);
      await server.stop('SIGKILL');
      if (await asked)
        cut++;
      server = await world.serve(args);
      for (const accept of [coding, 'identity']) {
        const answer = await server.get(url,
          { token, headers: { 'Accept-Encoding': accept } });
        checkDownload(answer, { rows });
        if (accept === 'identity')
          assert.ok(answer.body.equals(await world.export(source)));
      }
    }
    t.diagnostic(`rendering took ${whole_ms} ms; ${cut} of 12 were cut`);
    assert.ok(cut > 0, 'no kill came in time: the test proves nothing');
    await server.stop();
  });

test('damaged or foreign files in the cache are never served', async () => {
  const source = await world.source('Damaged cache');
  const bytes = generation(2000, 1);
  await world.import(source, bytes);
  const cache = path.join(world.dir, 'damaged-cache');
  const args = [...UNLIMITED, '--cache-dir', cache];
  const url = downloadPath(source.id);
  let server = await world.serve(args);
  const token = await world.token(server);
  checkDownload(await server.get(url, { token }), { bytes });
  await server.stop();
  for (const name of fs.readdirSync(cache, { recursive: true })) {
    const file = path.join(cache, name);
    if (fs.statSync(file).isFile())
      fs.truncateSync(file, Math.floor(fs.statSync(file).size / 2));
  }
  fs.writeFileSync(path.join(cache, 'stranger'), 'hello');
  server = await world.serve(args);
  checkDownload(await server.get(url, { token }), { bytes });
  await server.stop();
});

test('the cache may be deleted while the server runs', async () => {
  const source = await world.source('Deleted cache');
  const bytes = generation(2000, 1);
  await world.import(source, bytes);
  const cache = path.join(world.dir, 'deleted-cache');
  const server = await world.serve([...UNLIMITED, '--cache-dir', cache]);
  const token = await world.token(server);
  for (let i = 0; i < 3; i++) {
    checkDownload(await server.get(downloadPath(source.id), { token }),
      { bytes });
    // All that is in it; to make it anew is not allowed in the sandbox.
    for (const name of fs.readdirSync(cache))
      fs.rmSync(path.join(cache, name), { recursive: true });
  }
  await server.stop();
});

function tmpfs(at, size) {
  fs.mkdirSync(at, { recursive: true });
  const { status } = spawnSync('mount',
    ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', at]);
  if (status === 0)
    world.cleanup(() => spawnSync('umount', ['--lazy', at]));
  return status === 0;
}

test('a full disk while rendering: 503, never half a file', async (t) => {
  if (process.getuid() !== 0)
    return t.skip('needs root for a small tmpfs');
  const cache = path.join(world.dir, 'small');
  if (!tmpfs(cache, '256k'))
    return t.skip('this machine does not let us mount a tmpfs');
  const big = await world.source('Too big');
  const small = await world.source('Fits');
  const bytes = generation(ROWS, 1);
  await world.import(big, bytes);
  await world.import(small, generation(5, 1));
  const server = await world.serve([...UNLIMITED, '--cache-dir', cache]);
  const token = await world.token(server);
  const get = (source, coding = 'identity') => server.get(
    downloadPath(source.id),
    { token, headers: { 'Accept-Encoding': coding } });
  for (let i = 0; i < 3; i++) {
    const answer = await get(big);
    checkError(answer, 503, '503.0 Service Unavailable');
    assert.match(answer.headers['retry-after'], /^[1-9][0-9]*$/);
    checkDownload(await get(small), { rows: 5 });
  }
  const many = await Promise.all(Array.from({ length: 20 }, () => get(big)));
  for (const answer of many)
    checkError(answer, 503, '503.0 Service Unavailable');
  checkDownload(await get(small, 'gzip'), { rows: 5 });
  assert.equal(spawnSync('mount',
    ['-o', 'remount,size=64m', cache]).status, 0);
  checkDownload(await get(big), { bytes });
  checkDownload(await get(big, 'gzip'), { rows: ROWS });
  await server.stop();
});

test('a full disk while importing: refused, nothing changed', {
  skip: skipOnPostgresql('the disk is the database server\'s'),
}, async (t) => {
  if (process.getuid() !== 0)
    return t.skip('needs root for a small tmpfs');
  const at = path.join(world.dir, 'small-data');
  if (!tmpfs(at, '4m'))
    return t.skip('this machine does not let us mount a tmpfs');
  const little = new World();
  little.useFile(at);
  try {
    little.admin = await little.json('init');
    await little.identity('boss');
    const source = await little.source('Full');
    const before = generation(20, 1);
    await little.import(source, before);
    await little.cli(['import', '--source', source.id,
      world.file(generation(50_000, 2))], { code: 1 });
    assert.ok((await little.export(source)).equals(before));
    await little.import(source, generation(20, 3));
    assert.ok((await little.export(source)).equals(generation(20, 3)));
  } finally {
    await little.done();
  }
});

// Begin a download and read nothing until told.
function slowly(server, url, token) {
  return new Promise((resolve, reject) => {
    const call = http.get({
      host: server.host, port: server.port, path: url, agent: false,
      headers: { Authorization: `Bearer ${token}` },
    }, (answer) => resolve({
      answer,
      finish: () => new Promise((done) => {
        const pieces = [];
        answer.on('data', (piece) => pieces.push(piece));
        answer.on('end', () => done(Buffer.concat(pieces)));
        answer.on('error', () => done(undefined));
      }),
    }));
    call.on('error', reject);
  });
}

test('SIGTERM lets a download finish and takes no new calls', async () => {
  const source = await world.source('Draining');
  const bytes = generation(60_000, 1);
  await world.import(source, bytes);
  const server = await world.serve();
  const token = await world.token(server);
  const url = downloadPath(source.id);
  const { answer, finish } = await slowly(server, url, token);
  server.child.kill('SIGTERM');
  await sleep(300);
  await assert.rejects(server.get('/oauth/info'));
  const got = await finish();
  assert.ok(got?.equals(bytes), 'the download was cut');
  assert.equal(digest(got), answer.headers['repr-digest']);
  assert.deepEqual(await server.ended, { code: 0, signal: null });
});

test('a slow reader keeps the state that it began with', async () => {
  const source = await world.source('Slow reader');
  const bytes = generation(60_000, 1);
  await world.import(source, bytes);
  const server = await world.serve([...UNLIMITED, '--send-timeout', '1h']);
  const token = await world.token(server);
  const { finish } = await slowly(server, downloadPath(source.id), token);
  // Which may take longer on a busy machine than a reader may pause.
  await world.import(source, generation(60_000, 2));
  checkDownload(await server.get(downloadPath(source.id), { token }),
    { bytes: generation(60_000, 2) });
  assert.ok((await finish())?.equals(bytes), 'the download was cut');
  await server.stop();
});
