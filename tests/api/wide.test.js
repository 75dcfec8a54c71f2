// Rows so long that those who render ahead find no room for them.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { POSTGRESQL } from './lib/database.js';
import { checkDownload, downloadPath } from './lib/http.js';
import { HEADER, World, sleep } from './lib/nelm.js';

const ROWS = 40_000;
const NAME = 'x'.repeat(250);

let world, server, token, source;

const row = (n) => `user.${n},${NAME},${NAME},1,a@b.example,ann,` +
  '2024-01-01T08:00:00+01:00,2030-12-31T17:30:00-05:00\n';

before(async () => {
  world = await World.create();
  await world.identity('ann');
  source = await world.source('Wide');
  await world.import(source, `${HEADER}\n${
    Array.from({ length: ROWS }, (_, n) => row(n)).join('')}`);
  server = await world.serve();
  token = await world.token(server);
});
after(() => world?.done());

for (const query of ['', '?formulaGuard=true'])
  test(`a first download of long rows${query}`, async () => {
    const answer = await server.get(downloadPath(source.id) + query, { token });
    checkDownload(answer, { rows: ROWS });
    assert.equal(answer.text.split('\n').length, ROWS + 2);
    assert.equal(answer.text.split('\n').at(-2), row(ROWS - 1).trimEnd());
  });

// Each holds one before any of them renders: what would help finds none, and
// nobody waits for it.
test('first downloads that take all connections', { skip:
  POSTGRESQL ? false : 'there is no pool' }, async () => {
  const few = await world.serve(['--database-connections', '4']);
  const began = performance.now();
  const locked = world.sql(`BEGIN; LOCK TABLE schema_attribute;
    SELECT pg_sleep(2); COMMIT`);
  await sleep(500);
  const answers = await Promise.all([
    'lineEnd=crlf', 'bom=true', 'lineEnd=crlf&bom=true',
    'formulaGuard=true&bom=true',
  ].map((query) => few.get(`${downloadPath(source.id)}?${query}`, { token })));
  await locked;
  for (const answer of answers)
    assert.equal(answer.status, 200, answer.text);
  assert.ok(performance.now() - began < 20_000);
});
