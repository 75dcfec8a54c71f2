// Runs every test file of the directories (or the files) named on the command
// line, JOBS files at a time (one unless told), and ends with one line of
// totals.
//
// With NELM_TEST_DATABASE=postgresql on PostgreSQL, which is started here; with
// =pgbouncer through a PgBouncer in front of it that hands on transactions.
//
//   NELM=/path/to/nelm [JOBS=2] node tests/run.js tests/api [tests/load/...]

import fs from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { fileURLToPath } from 'node:url';

import { PGBOUNCER, POSTGRESQL } from './api/lib/database.js';
import { Cluster } from './nodes/lib/cluster.js';
import { PgBouncer } from './nodes/lib/pgbouncer.js';

const here = path.dirname(fileURLToPath(import.meta.url));
const named = process.argv.slice(2);
const files = (named.length > 0 ? named : [path.join(here, 'api')])
  .flatMap((name) => (fs.statSync(name).isDirectory()
    ? fs.readdirSync(name).filter((file) => file.endsWith('.test.js')).sort()
      .map((file) => path.join(name, file))
    : [name]))
  .map((file) => path.resolve(file));

if (process.env.NELM)
  process.env.NELM = path.resolve(process.env.NELM);

let cluster, pooler;
if (POSTGRESQL) {
  cluster = await Cluster.create({ standby: false,
    settings: ['fsync = off', 'autovacuum = off', 'max_wal_size = 4GB'] });
  process.env.NELM_TEST_POSTGRESQL = cluster.server;
  process.on('exit', () => cluster?.abandon());
}
if (PGBOUNCER) {
  pooler = await PgBouncer.create(cluster);
  process.env.NELM_TEST_PGBOUNCER = pooler.server;
  process.on('exit', () => pooler?.abandon());
}

const total = { passed: 0, failed: 0, skipped: 0 };
// Whatever fails outside of any test, a file that does not load among it,
// counts as a failure too.
const events = run({
  files,
  concurrency: Number(process.env.JOBS ?? 1),
  timeout: 15 * 60_000,
});
events.on('test:pass', ({ skip, details }) => {
  if (details?.type === 'suite')
    return;
  if (skip !== undefined)
    total.skipped++;
  else
    total.passed++;
});
events.on('test:fail', () => { total.failed++; });

events.pipe(new spec()).pipe(process.stdout);
events.on('end', async () => {
  await pooler?.done();
  pooler = undefined;
  await cluster?.done();
  cluster = undefined;
  // After the reporter's own last words.
  process.on('exit', () => {
    fs.writeSync(1, `\n${total.passed} passed, ${total.failed} failed, ` +
      `${total.skipped} skipped\n`);
  });
  process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0;
});
