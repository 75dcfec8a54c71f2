// The sandbox of a running server, as far as it shows from outside. What is
// refused one by one is in src/cli/sandbox_test.c.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { NELM, UNLIMITED, World, run } from './lib/nelm.js';

const OLD_KERNEL = path.join(path.dirname(NELM), 'tests/sandbox/old_kernel');

let world, none;

const line = (server) => /^.* event=sandbox .*$/m.exec(server.log)[0];

// What the kernel says of a process and of all its threads.
function confinement(pid) {
  return fs.readdirSync(`/proc/${pid}/task`).map((thread) => {
    const status = fs.readFileSync(`/proc/${pid}/task/${thread}/status`, 'utf8');
    return /^Seccomp:\t(\d)$/m.exec(status)[1] +
      /^NoNewPrivs:\t(\d)$/m.exec(status)[1];
  });
}

async function certificate(dir) {
  const files = { key: path.join(dir, 'k'), cert: path.join(dir, 'c') };
  fs.mkdirSync(dir, { recursive: true });
  const result = await run('openssl', ['req', '-x509', '-newkey', 'ec',
    '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
    '-subj', '/CN=test', '-keyout', files.key, '-out', files.cert]);
  assert.equal(result.code, 0, result.stderr);
  return files;
}

async function logged(server, pattern, count = 1) {
  while ((server.log.match(pattern) ?? []).length < count)
    await new Promise((resolve) => server.child.stderr.once('data', resolve));
}

before(async () => {
  world = await World.create();
  const server = await world.serve();
  none = /seccomp=off|landlock_abi=0/.test(server.log) &&
    'a build or a kernel without it';
  await server.stop();
});
after(() => world?.done());

test('it is on where the kernel has it, for every thread', async (t) => {
  if (none)
    return t.skip(none);
  const server = await world.serve();
  assert.match(line(server), /level=info .* landlock_abi=[1-9]\d* seccomp=on$/);
  const threads = confinement(server.pid);
  assert.ok(threads.length > 3);
  for (const thread of threads)
    assert.equal(thread, '21');
});

test('off is off', async () => {
  const server = await world.serve([...UNLIMITED, '--sandbox', 'off']);
  assert.match(line(server), / landlock_abi=0 seccomp=off$/);
  for (const thread of confinement(server.pid))
    assert.equal(thread, '00');
});

test('half of it is a warning, or no start when all was asked for',
  async (t) => {
    if (none)
      return t.skip(none);
    const server = await world.serve(UNLIMITED, { prefix: [OLD_KERNEL] });
    assert.match(line(server), /level=warn .* landlock_abi=0 seccomp=on reason=/);
    const { code, stderr } = await run(OLD_KERNEL,
      [NELM, 'serve', '--listen', '127.0.0.1:0', '--sandbox', 'on'],
      { cwd: world.dir, env: world.env() });
    assert.equal(code, 1);
    assert.match(stderr, /^nelm: [^\n]*Landlock[^\n]*\n$/);
  });

test('a renewed certificate is read, another file is not', async (t) => {
  if (none)
    return t.skip(none);
  // Not beside the database, where everything is the server's.
  const dirs = ['tls', 'next', 'alien'].map((name) => `${world.dir}-${name}`);
  t.after(() => dirs.forEach((dir) => fs.rmSync(dir, { recursive: true })));
  const [files, next, alien] = await Promise.all(dirs.map(certificate));
  const server = await world.serve([...UNLIMITED, '--sandbox', 'on',
    '--tls-cert', files.cert, '--tls-key', files.key]);
  fs.renameSync(next.key, files.key);
  fs.renameSync(next.cert, files.cert);
  server.child.kill('SIGHUP');
  await logged(server, /event=certificate_reloaded/g);
  for (const kind of ['key', 'cert']) {
    fs.rmSync(files[kind]);
    fs.symlinkSync(alien[kind], files[kind]);
  }
  server.child.kill('SIGHUP');
  await logged(server, /event=certificate_kept reason="cannot use /g);
});

test('authorities of an issuer are read wherever they are', async (t) => {
  const dir = `${world.dir}-authorities`;
  t.after(() => fs.rmSync(dir, { recursive: true }));
  const { cert } = await certificate(dir);
  const server = await world.serve([...UNLIMITED, '--issuer-ca', cert,
    '--issuer', 'https://127.0.0.1:9', '--issuer-audience', 'nelm']);
  assert.equal((await server.get('/healthz')).status, 200);
});

test('a new directory, named by a setting, is made and used', async (t) => {
  const dir = fs.mkdtempSync(`${world.dir}-other-`);
  t.after(() => fs.rmSync(dir, { recursive: true }));
  const spool = path.join(dir, 'spool'), cache = path.join(dir, 'cache');
  const server = await world.serve([...UNLIMITED,
    '--spool-dir', spool, '--cache-dir', cache]);
  const source = await world.source('Elsewhere');
  const token = await world.token(server);
  const answer = await server.get(
    `/v3/non-employee-sources/${source.id}/non-employees/download`, { token });
  assert.equal(answer.status, 200);
  assert.ok(fs.readdirSync(cache).length > 0);
  await server.stop();
});
