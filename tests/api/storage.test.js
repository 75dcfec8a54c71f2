// What the database stands on fails: no room, read-only, locked, damaged, of
// another version, no descriptors. Each is a clear error, and what was
// acknowledged before is there afterwards.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { after, test } from 'node:test';

import { skipOnPostgresql } from './lib/database.js';
import { checkDownload, checkError, digest, downloadPath, request }
  from './lib/http.js';
import { HEADER, UNLIMITED, World, line, sleep } from './lib/nelm.js';
import { admin, personBody } from './lib/registry.js';

const worlds = [];
after(() => Promise.all(worlds.map((world) => world.done())));

// A world whose database is on a small disk of its own, or undefined.
async function onDisk(size) {
  if (process.getuid() !== 0)
    return undefined;
  const world = new World();
  worlds.push(world);
  const at = path.join(world.dir, 'disk');
  fs.mkdirSync(at);
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', at])
    .status !== 0)
    return undefined;
  world.cleanup(() => spawnSync('umount', ['--lazy', at]));
  world.remount = (options) => assert.equal(
    spawnSync('mount', ['-o', `remount,${options}`, at]).status, 0, options);
  world.useFile(at);
  world.admin = await world.json('init');
  await world.identity('boss');
  return world;
}

async function newWorld() {
  const world = await World.create();
  worlds.push(world);
  await world.identity('boss');
  return world;
}

const csvOf = (count, generation) => `${HEADER}\n` +
  Array.from({ length: count }, (_, n) => line(n, generation, 'boss')).join('');

// Calls that Caller would take for faults of the server.
const call = (server, token, method, url, body, type = 'application/json') =>
  request(server, { method, path: `/v3${url}`, token,
    headers: body === undefined ? {} : { 'Content-Type': type }, body });

async function names(server, token, source) {
  const answer = await server.get(downloadPath(source.id), { token });
  assert.equal(answer.status, 200, answer.text);
  assert.equal(answer.headers['repr-digest'], digest(answer.body));
  return answer.text.trim().split('\n').slice(1)
    .map((row) => row.split(',')[0]);
}

const onFile = { skip: skipOnPostgresql('about a file of SQLite') };

test('a full disk: creations and uploads are refused, none is lost', onFile,
async (t) => {
  const world = await onDisk('6m');
  if (world === undefined)
    return t.skip('needs root and a tmpfs');
  const source = await world.source('Full');
  const cache = ['--cache-dir', path.join(world.dir, 'cache')];
  const server = await world.serve([...UNLIMITED, ...cache]);
  const token = await world.token(server);
  const made = [];
  const create = (n) => call(server, token, 'POST', '/non-employee-records',
    JSON.stringify(personBody(source, `user.${n}`, 'boss')));
  const uploadPath =
    `/non-employee-sources/${source.id}/non-employee-bulk-upload`;
  const upload = () => call(server, token, 'POST', uploadPath,
    '--b\r\nContent-Disposition: form-data; name="data"\r\n\r\n' +
    `${csvOf(9000, 1)}\r\n--b--\r\n`, 'multipart/form-data; boundary=b');
  let refused = 0;
  for (let n = 0; refused < 20; n += 16) {
    const answers = await Promise.all(
      Array.from({ length: 16 }, (_, i) => create(n + i)));
    for (const [i, answer] of answers.entries())
      if (answer.status === 200) {
        made.push(`user.${n + i}`);
      } else {
        checkError(answer, 503, '503.0 Service Unavailable');
        assert.match(answer.headers['retry-after'], /^[1-9]/);
        refused++;
      }
    assert.ok(n < 50_000, 'the disk never got full');
  }
  assert.deepEqual((await names(server, token, source)).sort(), made.sort());
  checkError(await upload(), 503, '503.0 Service Unavailable');
  // Reading goes on, also in a new process; with room so does writing.
  assert.equal((await call(server, token, 'GET', '/non-employee-sources'))
    .status, 200);
  world.remount('size=64m');
  assert.equal((await create(1_000_000)).status, 200);
  made.push('user.1000000');
  assert.equal((await upload()).status, 202);
  const job = await (await admin(world, server)).settled(source);
  assert.equal(job.status, 'COMPLETED');
  await server.stop('SIGKILL');
  const again = await world.serve([...UNLIMITED, ...cache]);
  const all = new Set(await names(again, token, source));
  assert.ok(made.every((name) => all.has(name)));
  t.diagnostic(`${made.length} creations fitted, ${refused} were refused`);
  await world.store.checkIntact();
  return again.stop();
});

test('an import that outgrows the disk waits for room', onFile, async (t) => {
  const world = await onDisk('9m');
  if (world === undefined)
    return t.skip('needs root and a tmpfs');
  const source = await world.source('Growing');
  const cache = ['--cache-dir', path.join(world.dir, 'cache')];
  let server = await world.serve([...UNLIMITED, ...cache]);
  let api = await admin(world, server);
  // The file fits, its records do not.
  const answer = await api.upload(source, csvOf(20_000, 1));
  assert.equal(answer.status, 202, answer.text);
  await sleep(1500);
  const url = `/non-employee-sources/${source.id}/non-employee-bulk-upload`;
  assert.match((await api.get(`${url}/status`)).status, /PENDING|IN_PROGRESS/);
  assert.match(server.log, /job_fault/);
  await server.stop('SIGKILL');
  world.remount('size=128m');
  server = await world.serve([...UNLIMITED, ...cache]);
  api = await admin(world, server);
  const job = await api.settled(source);
  assert.deepEqual([job.id, job.status, job.recordsCreated],
    [answer.json.id, 'COMPLETED', 20_000]);
  return server.stop();
});

test('a read-only disk: one clear line', onFile, async (t) => {
  const world = await onDisk('16m');
  if (world === undefined)
    return t.skip('needs root and a tmpfs');
  const source = await world.source('Fixed');
  await world.import(source, csvOf(10, 1));
  world.remount('ro');
  for (const args of [['serve', '--listen', '127.0.0.1:0'],
    ['import', '--source', source.id, world.file(csvOf(10, 2))],
    ['source', 'list']]) {
    const { stderr } = await world.cli(args, { code: 1 });
    assert.match(stderr, /^nelm: [^\n]+\n$/, args.join(' '));
    t.diagnostic(`${args[0]}: ${stderr.trim()}`);
  }
  world.remount('rw');
  assert.equal(String(await world.export(source)), csvOf(10, 1));
});

test('a database that another process locks: writes wait, reads go on', onFile,
  async () => {
    const world = await newWorld();
    const source = await world.source('Locked');
    const server = await world.serve();
    const token = await world.token(server);
    const file = world.database.replace('sqlite:', '');
    const locker = spawn('sqlite3', [file], { stdio: ['pipe', 'pipe', 'inherit'] });
    locker.stdin.write('BEGIN IMMEDIATE; SELECT 1;\n');
    await new Promise((resolve) => locker.stdout.once('data', resolve));
    let written = false;
    const writing = call(server, token, 'POST', '/non-employee-records',
      JSON.stringify(personBody(source, 'jo.doe', 'boss')))
      .then((answer) => { written = true; return answer; });
    for (let n = 0; n < 20; n++) {
      checkDownload(await server.get(downloadPath(source.id), { token }),
        { rows: 0 });
      await sleep(25);
    }
    assert.equal(written, false);
    locker.stdin.end('COMMIT;\n');
    assert.equal((await writing).status, 200);
    assert.deepEqual(await names(server, token, source), ['jo.doe']);
    await server.stop();
  });

test('a damaged database: an error, not a wrong file', onFile, async (t) => {
  const world = await newWorld();
  const source = await world.source('Damaged');
  await world.import(source, csvOf(20_000, 1));
  const whole = await world.export(source);
  await world.sql('PRAGMA wal_checkpoint(TRUNCATE)');
  const file = world.database.replace('sqlite:', '');
  const size = fs.statSync(file).size;
  const sound = fs.readFileSync(file);
  const ends = new Map();
  // One page after the other from the middle on: rows, indexes, free pages.
  for (let part = 1; part < 48; part++) {
    const bytes = Buffer.from(sound);
    const at = Math.floor(size / 4096 * part / 48) * 4096;
    bytes.fill(part % 2 ? 0 : 0xa5, at, at + 4096);
    fs.writeFileSync(file, bytes);
    const result = await world.start(['export', '--source', source.id]);
    if (result.code === 0) {
      assert.ok(result.stdout.equals(whole), `page at ${at}: wrong bytes`);
    } else {
      assert.equal(result.code, 1, `${result.code} ${result.signal}`);
      assert.match(result.stderr, /^nelm: [^\n]+\n$/);
    }
    ends.set(result.code, (ends.get(result.code) ?? 0) + 1);
  }
  t.diagnostic(`exports: ${ends.get(0) ?? 0} right, ${ends.get(1)} refused`);
  assert.ok(ends.get(1) > 0, 'no damage was hit: nothing is proved');
  const server = await world.serve();
  const token = await world.token(server);
  const answer = await server.get(downloadPath(source.id), { token });
  if (answer.status !== 200)
    checkError(answer, 500, '500.0 Internal Fault');
  else
    assert.ok(answer.body.equals(whole));
  await server.stop();
  // No database at all.
  fs.writeFileSync(file, 'hello'.repeat(4000));
  fs.rmSync(`${file}-wal`, { force: true });
  const { stderr } = await world.cli(['serve', '--listen', '127.0.0.1:0'],
    { code: 1 });
  assert.match(stderr, /^nelm: [^\n]+\n$/);
});

test('a database of a newer version', async () => {
  const world = await newWorld();
  await world.sql('INSERT INTO schema_migration SELECT max(version) + 1, ' +
    '\'9999_future.sql\', 0 FROM schema_migration');
  for (const args of [['serve', '--listen', '127.0.0.1:0'], ['source', 'list']]) {
    const { stderr } = await world.cli(args, { code: 1 });
    assert.match(stderr, /^nelm: [^\n]*newer[^\n]*\n$/, stderr);
  }
});

test('out of descriptors: 503 or later, and all is well afterwards', async () => {
  const world = await newWorld();
  const source = await world.source('Few');
  await world.import(source, csvOf(500, 1));
  const server = await world.serve(UNLIMITED,
    { prefix: ['sh', '-c', 'ulimit -n 64; exec "$@"', 'sh'] });
  const token = await world.token(server);
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const sockets = [];
  for (let n = 0; n < 120; n++) {
    const socket = net.connect(server.port, server.host);
    socket.on('error', () => {});
    sockets.push(socket);
  }
  await sleep(300);
  const ticks = () => fs.readFileSync(`/proc/${server.pid}/stat`, 'utf8')
    .split(' ').slice(13, 15).reduce((sum, n) => sum + Number(n), 0);
  const before = ticks();
  await sleep(500);
  assert.ok(ticks() - before < 25, 'it spins while it cannot accept');
  for (const socket of sockets)
    socket.destroy();
  for (let turn = 0; ; turn++) {
    const answer = await request(server,
      { path: downloadPath(source.id), token, agent }).catch(() => undefined);
    if (answer?.status === 200) {
      checkDownload(answer, { bytes: Buffer.from(csvOf(500, 1)) });
      break;
    }
    assert.ok(answer === undefined || answer.status === 503, answer?.text);
    assert.ok(turn < 100, 'it never recovers');
    await sleep(50);
  }
  agent.destroy();
  await server.stop();
});
