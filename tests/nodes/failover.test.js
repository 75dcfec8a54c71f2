// Two nodes on a PostgreSQL primary with a synchronous standby, with callers
// that write, upload and export. The primary is killed and the standby
// promoted, a node is killed: what was acknowledged is there, no export is
// wrong, and service comes back by itself.

import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { UNLIMITED, World, sleep } from '../api/lib/nelm.js';
import { Cluster, missing } from './lib/cluster.js';
import { Load } from './lib/load.js';

let cluster, world, load;
const nodes = [];

const serve = (n) => world.serve([...UNLIMITED,
  '--cache-dir', path.join(world.dir, `cache-${n}`),
  '--spool-dir', path.join(world.dir, `spool-${n}`)]);

before(async () => {
  if (missing)
    return;
  cluster = await Cluster.create();
  world = new World({ url: cluster.url, env: {}, drop() {} });
  world.admin = await world.json('init');
  await world.identity('boss');
  nodes.push(await serve(0), await serve(1));
  const token = await world.token(nodes[0]);
  let turn = 0;
  load = new Load({
    server: () => nodes[turn++ % nodes.length], token: () => token,
    source: await world.source('People'),
    fileSource: await world.source('File'),
  });
}, { timeout: 60_000 });
after(async () => {
  await world?.done();
  await cluster?.done();
});

// Service is what somebody gets done: a write that is acknowledged.
function report(t) {
  t.diagnostic(`${load}; 0 lost; ${(load.gaps_ms / 1000).toFixed(2)} s ` +
    'without service');
  assert.ok(load.total > 50, 'hardly anything was written');
  assert.ok(load.exports > 0, 'no export was judged');
}

async function verifyAll() {
  for (const node of nodes)
    await load.verify(node);
}

for (const round of [1, 2])
  test(`the primary is killed, the standby takes over (${round})`,
    { skip: missing }, async (t) => {
      load.reset();
      load.start();
      await sleep(1500);
      await cluster.primary.kill();
      // As long as somebody needs to notice.
      await sleep(500);
      const refused = load.total;
      cluster.promote();
      const promoted = performance.now();
      while (load.total === refused && performance.now() - promoted < 20_000)
        await sleep(10);
      const back_ms = performance.now() - promoted;
      await sleep(1500);
      await load.stop();
      await verifyAll();
      t.diagnostic(`back ${(back_ms / 1000).toFixed(2)} s after the promotion`);
      report(t);
      assert.ok(load.unknown + (load.refused.get(503) ?? 0) > 0,
        'nobody noticed: nothing is proved');
      // The killed machine comes back as the standby of the other one.
      await cluster.addStandby(cluster.standby.port);
    });

test('a node is killed', { skip: missing }, async (t) => {
  load.reset();
  load.start();
  await sleep(1000);
  const [killed] = nodes.splice(1, 1);
  await killed.stop('SIGKILL');
  await sleep(1500);
  nodes.push(await serve(1));
  await sleep(1000);
  await load.stop();
  await verifyAll();
  report(t);
});
