// What a PostgreSQL server and those between it and nelm do: several programs
// that set up one database, statements nobody waits for any more, TLS, and a
// pooler.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { HEADER, UNLIMITED, World, line, sleep } from '../api/lib/nelm.js';
import { personBody } from '../api/lib/registry.js';
import { Cluster, missing, owner } from './lib/cluster.js';
import { PgBouncer, missing as noPooler } from './lib/pgbouncer.js';

let cluster;
const worlds = [];

before(async () => {
  if (!missing)
    cluster = await Cluster.create({ standby: false,
      settings: ['fsync = off'] });
}, { timeout: 60_000 });
after(async () => {
  for (const world of worlds)
    await world.done();
  await cluster?.done();
});

function worldOn(store) {
  const world = new World(store);
  worlds.push(world);
  return world;
}

const serve = (world, ...args) => world.serve([...UNLIMITED,
  '--cache-dir', path.join(world.dir, 'cache'),
  '--spool-dir', path.join(world.dir, 'spool'), ...args]);

test('of several that initialise one does, and the others say so',
  { skip: missing }, async () => {
    const world = worldOn(cluster.database('together'));
    const all = await Promise.all(Array.from({ length: 6 },
      () => world.start(['init'])));
    assert.equal(all.filter(({ code }) => code === 0).length, 1);
    for (const { code, stderr } of all.filter((one) => one.code !== 0)) {
      assert.equal(code, 1);
      assert.match(stderr, /the database is initialised already; nothing was changed/);
    }
    const { stdout } = await world.cli(['check']);
    assert.equal(JSON.parse(stdout).problems, 0);
  });

test('several migrate, and all find it done', { skip: missing }, async () => {
  const world = worldOn(cluster.database('migrated'));
  await world.json('init');
  // As if the last step were new: what it made goes.
  const latest = Number(cluster.primary.sql(
    'SELECT max(version) FROM schema_migration', 'migrated'));
  const { to } = await world.json('migrate');
  assert.equal(to, latest);
  const step = fs.readdirSync(new URL('../../sql/migrate', import.meta.url))
    .sort()[latest - 1];
  const tables = fs.readFileSync(new URL(`../../sql/migrate/${step}`,
    import.meta.url), 'utf8').matchAll(/CREATE TABLE (\w+)/g);
  cluster.primary.sql(`${[...tables].map(([, name]) =>
    `DROP TABLE ${name};`).join(' ')} DELETE FROM schema_migration ` +
    `WHERE version = ${latest}`, 'migrated');
  const all = await Promise.all(Array.from({ length: 6 },
    () => world.json('migrate')));
  for (const one of all)
    assert.equal(one.to, latest);
  assert.ok(all.some(({ from }) => from === latest - 1), JSON.stringify(all));
  assert.equal(cluster.primary.sql('SELECT count(*) FROM schema_migration ' +
    `WHERE version = ${latest}`, 'migrated'), '1');
});

// A request without anybody who reads its answer: a socket to destroy.
function send(server, token, method, target, body) {
  return new Promise((resolve) => {
    const socket = net.connect(server.port, server.host, () => {
      socket.write(`${method} ${target} HTTP/1.1\r\nHost: x\r\n` +
        `Authorization: Bearer ${token}\r\n${body ? 'Content-Type: ' +
        `application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n`
          : ''}\r\n${body ?? ''}`);
      resolve(socket);
    });
    socket.on('error', () => {});
  });
}

async function until(holds, what, ms = 5000) {
  const end = performance.now() + ms;
  while (!holds()) {
    assert.ok(performance.now() < end, what);
    await sleep(50);
  }
}

test('a statement that nobody waits for any more is cancelled',
  { skip: missing }, async (t) => {
    const world = worldOn(cluster.database('cancelled'));
    world.admin = await world.json('init');
    await world.identity('boss');
    const source = await world.source('People');
    await world.import(source, `${HEADER}\n${line(1, 0, 'boss')}`);
    const server = await serve(world);
    const token = await world.token(server);
    const lockRecords = async (t) => {
      const lock = await cluster.primary.hold(
        'LOCK TABLE record IN ACCESS EXCLUSIVE MODE', 'cancelled');
      t.after(lock.end);
      return lock;
    };
    const waiting = () => Number(cluster.primary.sql('SELECT count(*) FROM ' +
      'pg_stat_activity WHERE datname = \'cancelled\' AND ' +
      'wait_event_type = \'Lock\''));
    const list = `/v3/non-employee-records?filters=${encodeURIComponent(
      `sourceId eq "${source.id}"`)}`;
    const record = JSON.stringify(personBody(source, 'late', 'boss'));

    for (const [what, ...request] of [['a read', 'GET', list],
      ['a write', 'POST', '/v3/non-employee-records', record]])
      await t.test(`${what} whose client is gone`, async (t) => {
        await lockRecords(t);
        const socket = await send(server, token, ...request);
        await until(() => waiting() === 1, 'it never waited');
        socket.destroy();
        await until(() => waiting() === 0, 'it still waits');
      });

    await t.test('a read, when the server stops', async (t) => {
      const other = await serve(world, '--drain-timeout', '0s');
      await lockRecords(t);
      await send(other, token, 'GET', list);
      await until(() => waiting() === 1, 'it never waited');
      const began = performance.now();
      const { code } = await other.stop();
      assert.equal(code, 0);
      assert.ok(performance.now() - began < 5000, 'it waited for the lock');
    });

    await t.test('nothing else is', async (t) => {
      const lock = await lockRecords(t);
      const answer = server.get(list, { token });
      await until(() => waiting() === 1, 'it never waited');
      await sleep(1000);
      lock.end();
      const { status, json } = await answer;
      assert.equal(status, 200);
      assert.equal(json.length, 1);
    });
  });

test('an export lasts as long as its reader needs', { skip: missing },
  async () => {
    const world = worldOn(cluster.database('slow'));
    world.admin = await world.json('init');
    await world.identity('boss');
    const source = await world.source('People');
    await world.import(source, `${HEADER}\n${line(1, 0, 'boss')}`);
    // More than pipes and sockets hold.
    const columns = cluster.primary.sql('SELECT string_agg(column_name, \', \')' +
      ' FROM information_schema.columns WHERE table_name = \'record\' AND ' +
      'column_name NOT IN (\'key\', \'id\', \'account_key\', \'line\')', 'slow');
    cluster.primary.sql('INSERT INTO record (key, id, account_key, line, ' +
      `${columns}) SELECT key + n, int8send(n) || int8send(n), account_key || n, ` +
      `repeat('x', 2000), ${columns} FROM record, generate_series(1, 9999) n; ` +
      'UPDATE source SET next_row = next_row + 9999, record_count = 10000',
    'slow');
    const exporting = world.start(['export', '--source', source.id,
      '--database-statement-timeout', '1s']);
    exporting.child.stdout.pause();
    await sleep(2000);
    exporting.child.stdout.resume();
    const { code, stdout, stderr } = await exporting;
    assert.equal(code, 0, stderr);
    assert.ok(stdout.length > 9999 * 2000);
  });

// A certificate for localhost and who vouches for it.
function certify(dir) {
  const openssl = (...args) => {
    const { status, stderr } = spawnSync('openssl', args, { cwd: dir });
    assert.equal(status, 0, String(stderr));
  };
  for (const name of ['ca', 'other'])
    openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt',
      'ec_paramgen_curve:P-256', '-nodes', '-subj', `/CN=${name}`, '-days', '2',
      '-keyout', `${name}.key`, '-out', `${name}.crt`);
  openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256',
    '-nodes', '-subj', '/CN=localhost', '-keyout', 'server.key', '-out',
    'server.csr');
  fs.writeFileSync(path.join(dir, 'san'), 'subjectAltName=DNS:localhost\n');
  openssl('x509', '-req', '-in', 'server.csr', '-CA', 'ca.crt', '-CAkey',
    'ca.key', '-CAcreateserial', '-days', '2', '-extfile', 'san', '-out',
    'server.crt');
}

// Passes everything on until it has seen the answers to several statements in
// one piece: of these it passes on all but what says that they were the last,
// and hangs up.
function cutter(port) {
  const state = { cut: 0 };
  const proxy = net.createServer((client) => {
    const server = net.connect(port, '127.0.0.1');
    for (const end of [client, server])
      end.on('error', () => {});
    client.pipe(server).on('end', () => client.end());
    client.on('close', () => server.destroy());
    server.on('data', (bytes) => {
      const text = bytes.toString('latin1');
      if (state.cut > 0 || !text.endsWith('Z\0\0\0\x05T') ||
          text.split('2\0\0\0\x04').length < 4) {
        client.write(bytes);
        return;
      }
      state.cut++;
      client.end(bytes.subarray(0, -6));
      server.destroy();
    });
  });
  return new Promise((resolve) => proxy.listen(0, '127.0.0.1', () => {
    state.port = proxy.address().port;
    state.close = () => proxy.close();
    resolve(state);
  }));
}

test('an import whose connection is lost behind its last answer is run again',
  { skip: missing }, async (t) => {
    const store = cluster.database('cut');
    const world = worldOn(store);
    const admin = await world.json('init');
    const source = await world.source('Cut',
      { owner: admin.identity.alias });
    const proxy = await cutter(new URL(cluster.server).port);
    t.after(() => proxy.close());
    const csv = `${HEADER}\n${[1, 2, 3, 4, 5].map(
      (n) => line(n, 1, admin.identity.alias)).join('')}`;
    const { stdout } = await world.cli(
      ['import', '--source', source.id, '-'], { input: csv, env: {
        NELM_DATABASE: store.url.replace(/:[0-9]+\//, `:${proxy.port}/`) } });
    assert.equal(proxy.cut, 1);
    assert.equal(JSON.parse(stdout.toString()).created, 5);
    assert.equal((await world.export(source)).toString(), csv);
  });

test('TLS to the database: the right authority and a wrong one',
  { skip: missing }, async () => {
    const world = worldOn(cluster.database('secret'));
    certify(world.dir);
    for (const name of ['server.crt', 'server.key']) {
      const file = path.join(cluster.primary.dir, name);
      fs.copyFileSync(path.join(world.dir, name), file);
      fs.chmodSync(file, 0o600);
      if (owner.uid !== undefined)
        fs.chownSync(file, owner.uid, owner.gid);
    }
    cluster.primary.sql('ALTER SYSTEM SET ssl = on');
    cluster.primary.sql('SELECT pg_reload_conf()');
    await sleep(200);
    const by = (host, ca) => `postgresql://nelm@${host}:` +
      `${cluster.primary.port}/secret?sslmode=verify-full&sslrootcert=` +
      path.join(world.dir, ca);
    const attempt = (url) => world.start(['init', '--database', url]);

    const wrong = await attempt(by('localhost', 'other.crt'));
    assert.equal(wrong.code, 1);
    assert.match(wrong.stderr, /certificate verify failed/);
    const misnamed = await attempt(by('127.0.0.1', 'ca.crt'));
    assert.equal(misnamed.code, 1);
    assert.match(misnamed.stderr, /does not match host name/);
    const right = await attempt(by('localhost', 'ca.crt'));
    assert.equal(right.code, 0, right.stderr);

    world.store.url = by('localhost', 'ca.crt');
    const server = await serve(world);
    assert.equal((await server.get('/readyz')).status, 200);
    assert.equal(cluster.primary.sql('SELECT bool_and(ssl) FROM pg_stat_ssl ' +
      'JOIN pg_stat_activity USING (pid) WHERE datname = \'secret\''), 't');
  });

test('a pooler that hands on transactions', { skip: missing || noPooler },
  async (t) => {
    const world = worldOn(cluster.database('pooled'));
    const pooler = await PgBouncer.create(cluster);
    t.after(() => pooler.done());
    world.store.url = `${pooler.server}/pooled`;
    world.admin = await world.json('init', '--database-prepare', 'off');
    const source = await world.json('source', 'create', '--name', 'People',
      '--description', 'x', '--owner', 'admin', '--database-prepare', 'off');
    const load = async (server) => {
      const client = JSON.parse(JSON.stringify(world.admin));
      const answers = await Promise.all(Array.from({ length: 20 }, async () => {
        const { status } = await server.get('/oauth/token', { method: 'POST',
          headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
          body: `grant_type=client_credentials&client_id=${client.clientId}` +
            `&client_secret=${client.clientSecret}` });
        return status;
      }));
      return answers.filter((status) => status !== 200).length;
    };

    await t.test('is told of when it is not expected', async () => {
      let log;
      try {
        const server = await serve(world);
        for (let turn = 0; turn < 20 && await load(server) === 0; turn++)
          ;
        ({ log } = server);
        await server.stop('SIGKILL');
      } catch (error) {
        log = error.message;
      }
      assert.match(log, /such as PgBouncer, set database-prepare to off/);
    });

    await t.test('works without prepared statements', async () => {
      const server = await serve(world, '--database-prepare', 'off');
      for (let turn = 0; turn < 3; turn++)
        assert.equal(await load(server), 0);
      assert.ok(source.id);
    });
  });
