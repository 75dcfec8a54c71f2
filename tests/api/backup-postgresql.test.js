// A registry of 100 000 people with history goes from SQLite to PostgreSQL and
// back, as a backup and as a copy: every export stays the same to the byte.
//
// Runs where tests/run.js has started PostgreSQL, and has databases of its own
// whatever the world's is.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import crypto from 'node:crypto';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { HEADER, World, line } from './lib/nelm.js';

const PEOPLE = 100_000;
const SERVER = process.env.NELM_TEST_POSTGRESQL;
const skip = SERVER ? false : 'there is no PostgreSQL';

let world;
const made = [];

const psql = (statement) => execFileSync('psql',
  ['-XAtq', '-v', 'ON_ERROR_STOP=1', `${SERVER}/postgres`, '-c', statement]);

// Databases that are not there, or empty.
const sqlite = (name) => `sqlite:${path.join(world.dir, name)}`;
function postgresql() {
  const name = `nelm_${crypto.randomBytes(8).toString('hex')}`;
  psql(`CREATE DATABASE ${name}`);
  made.push(name);
  return `${SERVER}/${name}`;
}

const people = (from, to, generation) => `${HEADER}\n${Array.from(
  { length: to - from },
  (_, i) => line(from + i, generation, 'jim.smith')).join('')}`;

before(async () => {
  if (SERVER)
    world = await World.create();
});
after(async () => {
  for (const name of made)
    psql(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
  await world?.done();
});

// Revisions and digests, as the exports themselves have them.
async function digests(database) {
  const list = await world.json('source', 'list', '--database', database);
  const file = path.join(world.dir, 'export.csv');
  const found = [];
  for (const { id } of list)
    found.push(await world.json('export', '--source', id, '--output', file,
      '--database', database));
  return found;
}

test('SQLite to PostgreSQL and back', { skip }, async (t) => {
  const first = sqlite('first.db');
  const on = (database, ...args) =>
    world.json(...args, '--database', database);
  const load = async (id, csv) => world.cli(
    ['import', '--source', id, '-', '--database', first], { input: csv });
  await on(first, 'init');
  await on(first, 'identity', 'create', '--alias', 'jim.smith',
    '--name', 'Jim', '--email', 'jim@example.com');
  const ids = [];
  for (const name of ['Large', 'Small', 'Empty'])
    ids.push((await on(first, 'source', 'create', '--name', name,
      '--description', '', '--owner', 'admin')).id);
  await load(ids[0], people(0, PEOPLE - 1000, 1));
  await load(ids[0], people(0, 20_000, 2));
  await load(ids[0], people(10_000, 30_000, 3));
  await load(ids[1], people(0, 1000, 1));
  const want = await digests(first);
  assert.deepEqual(want.map(({ rows }) => rows), [PEOPLE - 1000, 1000, 0]);
  assert.equal((await on(first, 'check')).problems, 0);

  const sound = async (database) => {
    assert.deepEqual(await digests(database), want);
    assert.equal((await on(database, 'check')).problems, 0);
    // New rows get numbers behind those that came.
    await on(database, 'identity', 'create', '--alias', 'later',
      '--name', 'Later', '--email', 'later@example.com');
  };
  const timed = async (label, work) => {
    const began = Date.now();
    const result = await work();
    t.diagnostic(`${label}: ${Date.now() - began} ms`);
    return result;
  };

  await t.test('as a backup', async () => {
    const [there, back] = [postgresql(), sqlite('back.db')];
    const files = ['there', 'back'].map((name) =>
      path.join(world.dir, `${name}.tar.zst`));
    const { rows } = await timed('backup of SQLite', () =>
      on(first, 'backup', '--output', files[0]));
    assert.ok(rows > PEOPLE + 40_000, `${rows} rows`);
    await timed('restore into PostgreSQL', () =>
      on(there, 'restore', files[0]));
    await timed('backup of PostgreSQL', () =>
      on(there, 'backup', '--output', files[1]));
    await timed('restore into SQLite', () => on(back, 'restore', files[1]));
    await sound(there);
    await sound(back);
  });

  await t.test('as a copy', async () => {
    const [there, back] = [postgresql(), sqlite('copied.db')];
    await timed('copy to PostgreSQL', () =>
      world.json('copy', '--from', first, '--to', there));
    await timed('copy to SQLite', () =>
      world.json('copy', '--from', there, '--to', back));
    await sound(there);
    await sound(back);
  });
});
