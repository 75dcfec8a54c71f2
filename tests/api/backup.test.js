// Backup, verify, restore and copy: everything comes back, and what was done to
// a backup is found and named.

import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { downloadPath } from './lib/http.js';
import { HEADER, World, line, run } from './lib/nelm.js';

const PEOPLE = 300;

let world, sources, backup, summary, unpacked;

const rows = (from, to, generation) => Array.from({ length: to - from },
  (_, i) => line(from + i, generation, 'jim.smith')).join('');

async function ok(program, ...args) {
  const result = await run(program, args);
  assert.equal(result.code, 0, `${program} ${args.join(' ')}: ${result.stderr}`);
  return result;
}

const untar = async (file, dir) => {
  fs.mkdirSync(dir);
  await ok('tar', '--zstd', '-xf', file, '-C', dir);
  return dir;
};

// The pieces of `dir` as a file again, in the order of the list.
const tar = async (dir, name, list) => {
  const file = path.join(world.dir, name);
  await ok('tar', '--zstd', '--format=ustar', '--hard-dereference', '-cf', file, '-C', dir, ...list);
  return file;
};

const pieces = async (file) => (await ok('tar', '--zstd', '-tf', file))
  .stdout.toString().trim().split('\n');

const other = (name) => `sqlite:${path.join(world.dir, name)}`;

// All sources of a database as they are exported.
async function exports(database) {
  const list = await world.json('source', 'list', '--database', database);
  return Promise.all(list.map(async ({ id }) => (await world.cli(
    ['export', '--source', id, '--database', database])).stdout.toString()));
}

const refuse = async (file, reason, ...args) => {
  const { stdout, stderr } = await world.cli(['verify', file, ...args],
    { code: 1 });
  assert.equal(stdout.length, 0);
  assert.match(stderr, reason);
  return stderr;
};

before(async () => {
  world = await World.create();
  // Two who are each other's managers: neither row can be first.
  await world.identity('jim.smith');
  await world.json('identity', 'create', '--alias', 'jane', '--name', 'Jane',
    '--email', 'jane@example.com', '--manager', 'jim.smith');
  await world.client('robot');
  await world.pat('jane', 'idn:nelm:read');
  await world.cli(['workgroup', 'add', '--group', 'g', '--identity', 'jane']);
  sources = [await world.source('Retail'), await world.source('Café \\N')];
  await world.column(sources[0], 'costCenter');
  const header = `${HEADER},costCenter\n`;
  const wide = (text) => text.replaceAll('\n', ',"a\\b\n, c"\n');
  await world.import(sources[0], header + wide(rows(0, PEOPLE, 1)));
  await world.import(sources[0], header + wide(rows(50, 100, 2)));
  await world.import(sources[1], `${HEADER}\n${rows(0, 5, 1)}`);
  const server = await world.serve();
  const token = await world.token(server);
  const list = await server.get(
    `/v3/non-employee-records?limit=1&filters=sourceId eq "${
      sources[0].sourceId}"`.replaceAll(' ', '%20').replaceAll('"', '%22'),
    { token });
  assert.equal(list.status, 200, list.text);
  await server.get(`/v3/non-employee-records/${list.json[0].id}`,
    { token, method: 'DELETE' });
  backup = path.join(world.dir, 'backup.tar.zst');
  summary = await world.json('backup', '--output', backup);
  unpacked = await untar(backup, path.join(world.dir, 'unpacked'));
});
after(() => world?.done());

test('a backup is one file for its owner, with what it says', async () => {
  assert.equal(fs.statSync(backup).mode & 0o777, 0o600);
  assert.equal(summary.sources, 2);
  assert.equal(summary.records, PEOPLE + 5 - 1);
  const manifest = JSON.parse(
    fs.readFileSync(path.join(unpacked, 'manifest.json')));
  const server = world.servers[0];
  const token = await world.token(server);
  for (const [i, source] of sources.entries()) {
    const answer = await server.get(downloadPath(source.id), { token });
    assert.equal(manifest.sources[i].reprDigest,
      answer.headers['repr-digest']);
    assert.equal(manifest.sources[i].id, source.id);
  }
  const { heads } = await world.json('audit', 'verify');
  assert.deepEqual(manifest.heads.map(({ hash }) => hash),
    heads.map(({ hash }) => hash));
  const keys = (await server.get('/.well-known/jwks.json')).json.keys;
  assert.ok(keys.some(({ kid }) => kid === summary.signedBy));
});

test('verify needs no database and knows the key', async () => {
  const verified = await world.json('verify', backup);
  assert.deepEqual(verified, summary);
  const jwks = world.file(
    (await world.servers[0].get('/.well-known/jwks.json')).text, 'jwks.json');
  for (const key of [summary.signedBy, jwks])
    await world.json('verify', backup, '--key', key);
  await refuse(backup, /not the one that was asked for/,
    '--key', 'A'.repeat(43));
  await refuse(backup, /"nobody" is no fingerprint, and no file/,
    '--key', 'nobody');
});

test('a restored registry is the same one', async () => {
  const token = await world.token(world.servers[0]);
  const to = other('restored.db');
  const done = await world.json('restore', backup, '--database', to);
  assert.deepEqual(done, summary);
  assert.deepEqual(await exports(to), await exports(world.database));
  const again = path.join(world.dir, 'again.tar.zst');
  await world.json('backup', '--output', again, '--database', to);
  const dir = await untar(again, path.join(world.dir, 'again'));
  const differ = (await run('diff', ['-rq', unpacked, dir])).stdout.toString()
    .match(/[a-z_]+(?=\/[0-9]+\.tsv and|\.j[a-z]+ and)/g);
  assert.deepEqual(differ.sort(), ['audit', 'chain', 'manifest', 'manifest']);
  const heads = JSON.parse(fs.readFileSync(
    path.join(unpacked, 'manifest.json'))).heads;
  const { problems } = await world.json('audit', 'verify', '--database', to,
    ...heads.flatMap(({ hash }) => ['--head', hash]));
  assert.equal(problems, 0);

  // Tokens stay valid, and ETags are what they were.
  const server = await world.serve(undefined, { env: { NELM_DATABASE: to } });
  const etags = await Promise.all([world.servers[0], server].map(async (node) =>
    (await node.get(downloadPath(sources[0].id), { token })).headers.etag));
  assert.ok(etags[0]);
  assert.equal(etags[0], etags[1]);
  // What is not in a backup is made again.
  const found = await Promise.all([world.servers[0], server].map(
    async (node) => (await node.get(
      '/v3/non-employee-records?search=user.29', { token })).json));
  assert.equal(found[0].length, 11);
  assert.deepEqual(found[1], found[0]);
  await server.stop();
});

test('a database that is not empty stays what it is', async () => {
  const to = other('restored.db');
  const before = await exports(to);
  for (const args of [['restore', backup, '--database', to],
    ['copy', '--from', world.database, '--to', to]]) {
    const { stderr } = await world.cli(args, { code: 1 });
    assert.match(stderr, /not empty/);
    assert.equal(stderr.trim().split('\n').length, 1);
  }
  assert.deepEqual(await exports(to), before);
});

test('without keys nobody signs for the old registry', async () => {
  const file = path.join(world.dir, 'without.tar.zst');
  const to = other('without.db');
  const token = await world.token(world.servers[0]);
  await world.json('backup', '--output', file, '--without-keys');
  assert.ok(!(await pieces(file)).some((name) => /signing_key/.test(name)));
  await world.json('restore', file, '--database', to);
  const server = await world.serve(undefined, { env: { NELM_DATABASE: to } });
  assert.equal((await server.get(downloadPath(sources[0].id), { token })).status,
    401);
  assert.equal((await server.get(downloadPath(sources[0].id),
    { token: await world.token(server) })).status, 200);
  await server.stop();
});

test('a copy is the same database', async () => {
  const to = other('copied.db');
  const done = await world.json('copy', '--from', world.database, '--to', to);
  assert.equal(done.rows, summary.rows);
  assert.deepEqual(await exports(to), await exports(world.database));
  assert.deepEqual(await world.json('audit', 'verify', '--database', to),
    await world.json('audit', 'verify'));
});

test('a cut backup is found wherever it was cut', async () => {
  const bytes = fs.readFileSync(backup);
  for (const part of [0, 0.001, 0.2, 0.5, 0.9, 0.999]) {
    const cut = world.file(bytes.subarray(0, Math.floor(bytes.length * part)),
      `cut-${part}`);
    await refuse(cut, /^nelm: the (archive|file|backup) .*(cut|no archive)/m);
  }
  await refuse(world.file(bytes.subarray(0, bytes.length - 1), 'cut-1'),
    /damaged or was cut|manifest|signature/);
});

test('a flipped bit is found, or changes nothing', async () => {
  const bytes = fs.readFileSync(backup);
  let found = 0;
  for (let i = 0; i < 24; i++) {
    const flipped = Buffer.from(bytes);
    flipped[Math.floor((i + 0.5) * bytes.length / 24)] ^= 1 << (i % 8);
    const file = world.file(flipped, `flipped-${i}`);
    const { code, stderr } = await world.start(['verify', file]);
    if (code === 1 && stderr.length > 0) {
      found++;
      continue;
    }
    // It fell on what fills up the last block of a piece.
    const dir = await untar(file, path.join(world.dir, `flipped-dir-${i}`));
    await ok('diff', '-r', unpacked, dir);
  }
  assert.ok(found >= 20, `${found} of 24`);
});

test('what was changed inside is named', async (t) => {
  const list = await pieces(backup);
  const victim = list.find((name) => /record_history/.test(name));
  const dir = path.join(world.dir, 'changed');
  const change = async (label, reason, edit) => t.test(label, async () => {
    fs.rmSync(dir, { recursive: true, force: true });
    fs.cpSync(unpacked, dir, { recursive: true });
    const order = edit([...list]) ?? list;
    const file = await tar(dir, 'changed.tar.zst', order);
    await refuse(file, reason);
    // Nothing of it gets into a database, which stays good for another try.
    const to = other('empty.db');
    await world.cli(['restore', file, '--database', to], { code: 1 });
    const { stderr } = await world.cli(['source', 'list', '--database', to],
      { code: 1 });
    assert.match(stderr, /no database|not initialised/);
  });
  const write = (name, text) => fs.writeFileSync(path.join(dir, name), text);
  const read = (name) => fs.readFileSync(path.join(dir, name), 'utf8');

  await change('a piece', new RegExp(`"${victim}" was changed`),
    () => write(victim, read(victim).replace('First1', 'First9')));
  await change('a longer piece', new RegExp(`"${victim}" has \\d+ bytes`),
    () => write(victim, `${read(victim)}\n`));
  await change('a missing piece', new RegExp(`"${victim}" is missing`),
    (order) => order.filter((name) => name !== victim));
  await change('one piece more', /"extra.tsv" is not in the manifest/,
    (order) => {
      write('extra.tsv', '1\n');
      return [...order.slice(0, -2), 'extra.tsv', ...order.slice(-2)];
    });
  await change('a piece twice', /is there twice/,
    (order) => [...order.slice(0, -2), victim, ...order.slice(-2)]);
  await change('no manifest', /no manifest/,
    (order) => order.slice(0, -2));
  await change('no signature', /the signature is missing/,
    (order) => order.slice(0, -1));
  await change('another manifest', /the signature is not of this manifest/,
    () => write('manifest.json', read('manifest.json')
      .replace('"revision":', '"revision":1')));
  await change('another key', /the signature is not of this manifest/,
    () => write('manifest.json', read('manifest.json')
      .replace(/"x":"[^"]*","y":"[^"]*"/,
        // A point of P-256 that is not ours: RFC 7515 appendix A.3.
        '"x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",' +
        '"y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"')));
  await change('a newer format', /format version 2 .*use a newer nelm/,
    () => write('nelm-backup.json', read('nelm-backup.json')
      .replace('"version":1', '"version":2')));
  await change('a newer schema', /schema version 1000 .*use a newer nelm/,
    () => write('nelm-backup.json', read('nelm-backup.json')
      .replace(/"schemaVersion":\d+/, '"schemaVersion":1000')));
});

// What a backup of schema version 4 was, made and signed here, without nelm:
// no chains, and no counts of deletions.
async function olderBackup() {
  const dir = path.join(world.dir, 'older');
  fs.cpSync(unpacked, dir, { recursive: true });
  const at = (name) => path.join(dir, name);
  const edit = (name, change) =>
    fs.writeFileSync(at(name), change(fs.readFileSync(at(name), 'utf8')));
  const manifest = JSON.parse(fs.readFileSync(at('manifest.json')));
  const is = (part) => ({ name }) => name.startsWith(`tables/${part}/`);
  const later = ['chain', 'record_gone'];
  for (const table of ['audit', 'record_change'])
    for (const { name } of manifest.pieces.filter(is(table)))
      edit(name, (text) => text.replace(/\t[^\t\n]*\t[^\t\n]*$/gm, ''));
  edit('nelm-backup.json', (text) =>
    text.replace(/"schemaVersion":\d+/, '"schemaVersion":4'));
  manifest.schemaVersion = 4;
  manifest.heads = [];
  manifest.tables = manifest.tables
    .filter(({ name }) => !later.includes(name))
    .map((table) => ({ ...table, columns: table.columns.filter(
      ({ name }) => !['link', 'hash'].includes(name)) }));
  manifest.pieces = manifest.pieces
    .filter((piece) => !later.some((table) => is(table)(piece)))
    .map(({ name }) => {
      const bytes = fs.readFileSync(at(name));
      return { name, bytes: bytes.length, sha256:
        crypto.createHash('sha256').update(bytes).digest('hex') };
    });
  const text = JSON.stringify(manifest);
  const [kid, der] = fs.readFileSync(at('tables/signing_key/000001.tsv'),
    'utf8').split('\t');
  const header = Buffer.from(JSON.stringify(
    { alg: 'ES256', typ: 'nelm-backup+jws', kid })).toString('base64url');
  const signature = crypto.sign('sha256',
    `${header}.${Buffer.from(text).toString('base64url')}`, {
      key: Buffer.from(der.slice(3), 'hex'), format: 'der', type: 'pkcs8',
      dsaEncoding: 'ieee-p1363' });
  fs.writeFileSync(at('manifest.json'), text);
  fs.writeFileSync(at('manifest.jws'),
    `${header}..${signature.toString('base64url')}`);
  return tar(dir, 'older.tar.zst', ['nelm-backup.json',
    ...manifest.pieces.map(({ name }) => name).slice(1), 'manifest.json',
    'manifest.jws']);
}

test('a backup of an older schema is upgraded', async () => {
  const file = await olderBackup();
  const to = other('upgraded.db');
  await world.json('restore', file, '--database', to);
  assert.deepEqual(await exports(to), await exports(world.database));
  const { problems, changes } = await world.json('audit', 'verify',
    '--database', to);
  assert.equal(problems, 0);
  assert.equal(changes, 4);
  assert.equal((await world.json('check', '--database', to)).problems, 0);
  const { stderr } = await world.cli(['restore', file, '--database', to],
    { code: 1 });
  assert.match(stderr, /schema version \d+ already|not empty/);
});

test('what is no backup is refused', async () => {
  await refuse(world.file(fs.readFileSync('/bin/sh'), 'program'),
    /no archive of nelm/);
  await refuse(path.join(world.dir, 'nothing'), /could not read/);
  const file = await tar(unpacked, 'other.tar.zst', ['manifest.json']);
  await refuse(file, /no backup of nelm/);
});

test('to standard output, or no file at all', async () => {
  const { stdout, stderr } = await world.cli(['backup', '--output', '-']);
  const said = JSON.parse(stderr);
  const verified = await world.json('verify', world.file(stdout, 'piped'));
  assert.deepEqual(verified, said);

  const full = path.join(world.dir, 'no-such-directory', 'backup');
  await world.cli(['backup', '--output', full], { code: 1 });
  const { stderr: why } = await world.cli(['backup', '--output', '/dev/full'],
    { code: 1 });
  assert.match(why, /^nelm: could not write the archive: /);
});
