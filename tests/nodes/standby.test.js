// Exports and lists are read from a hot standby when it shows all that is
// committed, whichever node it was committed on, and from the primary when it
// does not.

import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { downloadPath } from '../api/lib/http.js';
import { UNLIMITED, World, sleep } from '../api/lib/nelm.js';
import { personBody } from '../api/lib/registry.js';
import { Cluster, missing } from './lib/cluster.js';

const AWAY_MS = 3000; // so long a standby that failed is left alone

let cluster, world, source, token;
const nodes = [];
let people = 0;

const standbyUrl = (name) =>
  `postgresql://nelm@127.0.0.1:${cluster.standby.port}/${name}`;

before(async () => {
  if (missing)
    return;
  cluster = await Cluster.create();
  world = new World(cluster.database('people'));
  world.admin = await world.json('init');
  await world.identity('boss');
  source = await world.source('People');
  for (const n of [0, 1])
    nodes.push(await world.serve([...UNLIMITED,
      '--cache-dir', path.join(world.dir, `cache-${n}`),
      '--spool-dir', path.join(world.dir, `spool-${n}`), '--database-read',
      standbyUrl('people')]));
  token = await world.token(nodes[0]);
}, { timeout: 60_000 });
after(async () => {
  await world?.done();
  await cluster?.done();
});

// A new record, by way of one node.
async function hire(node) {
  const name = `person${people++}`;
  const { status, text } = await node.get('/v3/non-employee-records', {
    method: 'POST', token, headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(personBody(source, name, 'boss')),
  });
  assert.equal(status, 200, text);
}

// Everybody is in the export and in the list of the other node. Which server
// showed them?
async function seen(node) {
  const before = await counts(node);
  const { status, text, body } =
    await node.get(downloadPath(source.id), { token });
  assert.equal(status, 200, text);
  assert.equal(body.toString().split('\n').length - 2, people);
  const list = await node.get('/v3/non-employee-records', { token });
  assert.equal(list.status, 200, list.text);
  assert.equal(JSON.parse(list.text).length, people);
  const after = await counts(node);
  return { standby: after.reads - before.reads,
    primary: after.misses - before.misses };
}

async function counts(node) {
  const { text } = await node.get('/metrics');
  const of = (name) => Number(
    new RegExp(`^nelm_database_standby_${name}_total (\\d+)$`, 'm').exec(text)[1]);
  return { reads: of('reads'), misses: of('misses') };
}

const FROM_STANDBY = { standby: 2, primary: 0 };
const FROM_PRIMARY = { standby: 0, primary: 2 };

test('a standby that keeps up is read', { skip: missing }, async () => {
  for (let turn = 0; turn < 4; turn++) {
    await hire(nodes[turn % 2]);
    assert.deepEqual(await seen(nodes[1 - turn % 2]), FROM_STANDBY);
  }
});

test('one that is behind is not, and the writes of another node are seen',
  { skip: missing }, async () => {
    cluster.standby.sql('SELECT pg_wal_replay_pause()');
    for (let turn = 0; turn < 4; turn++) {
      await hire(nodes[turn % 2]);
      assert.deepEqual(await seen(nodes[1 - turn % 2]), FROM_PRIMARY);
    }
    cluster.standby.sql('SELECT pg_wal_replay_resume()');
    await sleep(AWAY_MS);
    await hire(nodes[0]);
    assert.deepEqual(await seen(nodes[1]), FROM_STANDBY);
  });

test('another database of the same standby is never read', { skip: missing },
  async () => {
    const other = new World(cluster.database('other'));
    try {
      other.admin = await other.json('init');
      const node = await world.serve([...UNLIMITED,
        '--cache-dir', path.join(world.dir, 'cache-other'),
        '--spool-dir', path.join(world.dir, 'spool-other'),
        '--database-read', standbyUrl('other')]);
      assert.deepEqual(await seen(node), FROM_PRIMARY);
      await node.stop();
    } finally {
      await other.done();
    }
  });

test('one that becomes a primary of its own is not read', { skip: missing },
  async () => {
    cluster.primary.sql('ALTER SYSTEM RESET synchronous_standby_names');
    cluster.primary.sql('SELECT pg_reload_conf()');
    cluster.standby.promote();
    await hire(nodes[0]);
    assert.deepEqual(await seen(nodes[1]), FROM_PRIMARY);
  });

test('one that is gone costs nobody an answer', { skip: missing }, async () => {
  await cluster.standby.kill();
  await hire(nodes[1]);
  assert.deepEqual(await seen(nodes[0]), FROM_PRIMARY);
  assert.doesNotMatch(nodes[0].log, /level=error/);
});
