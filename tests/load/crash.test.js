// kill -9 at any moment while people write, upload and export: after every
// restart everything that was acknowledged is there, nothing is half done, and
// each accepted file was imported once. NELM_KILLS says how often.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { UNLIMITED, World, sleep } from '../api/lib/nelm.js';
import { Load } from '../nodes/lib/load.js';

const KILLS = Number(process.env.NELM_KILLS ?? 50);

let world;

before(async () => {
  world = await World.create();
  await world.identity('boss');
});
after(() => world?.done());

test(`${KILLS} kills under load`, async (t) => {
  let server = await world.serve(UNLIMITED);
  const token = await world.token(server);
  const load = new Load({
    server: () => server, token: () => token,
    source: await world.source('People'),
    fileSource: await world.source('File'),
  });
  const moments = [];
  for (let kill = 1; kill <= KILLS; kill++) {
    load.start();
    // From the first requests to some hundred of them.
    const delay = 5 + Math.random() ** 2 * 250;
    await sleep(delay);
    moments.push(delay);
    await server.stop('SIGKILL');
    await load.stop();
    server = await world.serve(UNLIMITED);
    await load.verify(server);
    await world.cli(['check']);
    if (kill % 20 === 0 || kill === KILLS) {
      assert.equal(await world.sql('PRAGMA integrity_check'), 'ok');
      assert.equal(await world.sql('PRAGMA foreign_key_check'), '');
    }
  }
  moments.sort((one, other) => one - other);
  t.diagnostic(`${KILLS} kills after ${moments[0].toFixed(0)} to ` +
    `${moments.at(-1).toFixed(0)} ms of load; ${load}; 0 lost`);
  assert.ok(load.total > 10 * KILLS, 'hardly anything was written');
  assert.ok(load.acknowledged.upload > KILLS / 4, 'hardly any upload');
  assert.ok(load.unknown > KILLS / 4, 'no call was cut: nothing is proved');
});
