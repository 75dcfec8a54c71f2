// A PostgreSQL server on loopback, of our own; with a synchronous hot standby,
// to be killed and promoted.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';

import { sleep } from '../../api/lib/nelm.js';

// The newest that Debian has put here.
const programs = fs.existsSync('/usr/lib/postgresql')
  ? fs.readdirSync('/usr/lib/postgresql').sort((a, b) => b - a)
    .map((version) => `/usr/lib/postgresql/${version}/bin`)[0]
  : undefined;
export const missing = programs ? false : 'no PostgreSQL here';

// PostgreSQL refuses to run as root.
const other = process.getuid() === 0;
export const owner = other ? {
  uid: Number(spawnSync('id', ['-u', 'postgres']).stdout),
  gid: Number(spawnSync('id', ['-g', 'postgres']).stdout),
} : {};

function run(program, ...args) {
  const { status, stdout, stderr } =
    spawnSync(path.join(programs, program), args, { ...owner, cwd: '/' });
  assert.equal(status, 0, `${program} ${args.join(' ')}: ${stderr}${stdout}`);
  return stdout.toString().trim();
}

export function freePort() {
  return new Promise((resolve) => {
    const server = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

// One server. The process is ours, so that we know whom to kill.
class Postgres {
  constructor(dir, port) {
    this.dir = dir;
    this.port = port;
  }

  async start() {
    this.child = spawn(path.join(programs, 'postgres'), ['-D', this.dir,
      '-p', String(this.port)], { ...owner, cwd: '/',
      stdio: ['ignore', 'ignore', fs.openSync(`${this.dir}.log`, 'a')] });
    this.ended = new Promise((resolve) => this.child.on('close', resolve));
    for (let turn = 0; turn < 400; turn++, await sleep(25))
      if (spawnSync(path.join(programs, 'pg_isready'), ['-q', '-h',
        '127.0.0.1', '-p', String(this.port)]).status === 0)
        return;
    assert.fail(`PostgreSQL did not start: ${
      fs.readFileSync(`${this.dir}.log`)}`);
  }

  sql(statement, database = 'postgres') {
    return run('psql', '-XAtq', '-h', '127.0.0.1', '-p', String(this.port),
      '-U', 'nelm', '-d', database, '-c', statement);
  }

  // Somebody who holds the locks of a statement until end() is called.
  hold(statement, database) {
    const child = spawn('psql', ['-XAtq', '-h', '127.0.0.1', '-p',
      String(this.port), '-U', 'nelm', '-d', database],
    { stdio: ['pipe', 'pipe', 'inherit'] });
    child.stdin.write(`BEGIN;\n${statement};\nSELECT 1;\n`);
    return new Promise((resolve) => {
      child.stdout.once('data', () => resolve({ end: () => child.stdin.end() }));
    });
  }

  // The whole machine: the server and all its processes at once.
  async kill() {
    if (this.child === undefined || this.child.exitCode !== null ||
        this.child.signalCode !== null)
      return;
    const { pid } = this.child;
    const children = fs.readFileSync(`/proc/${pid}/task/${pid}/children`,
      'utf8').trim().split(' ').filter((child) => child !== '');
    for (const one of [pid, ...children.map(Number)])
      try {
        process.kill(one, 'SIGKILL');
      } catch {
        // It ended by itself.
      }
    await this.ended;
  }

  promote() {
    run('pg_ctl', 'promote', '-D', this.dir);
  }
}

export class Cluster {
  static async create({ standby = true, settings = [] } = {}) {
    const cluster = new Cluster();
    cluster.dir = fs.mkdtempSync(path.join(os.tmpdir(), 'nelm-cluster-'));
    if (other)
      fs.chownSync(cluster.dir, owner.uid, owner.gid);
    cluster.primary = new Postgres(path.join(cluster.dir, 'a'),
      await freePort());
    run('initdb', '-D', cluster.primary.dir, '-U', 'nelm', '-A', 'trust',
      '--no-sync', '--encoding=UTF8', '--locale=C.UTF-8');
    fs.appendFileSync(path.join(cluster.primary.dir, 'postgresql.conf'), [
      'listen_addresses = \'127.0.0.1\'', 'unix_socket_directories = \'\'',
      'max_connections = 300', 'shared_buffers = 64MB', 'wal_level = replica',
      'hot_standby = on', 'max_wal_senders = 4', 'wal_keep_size = 256MB', ...settings, '',
    ].join('\n'));
    await cluster.primary.start();
    if (standby)
      await cluster.addStandby();
    return cluster;
  }

  // A copy of the primary that confirms every commit before it is answered.
  async addStandby(port) {
    this.generation = (this.generation ?? 0) + 1;
    const { primary } = this;
    const dir = path.join(this.dir, `b${this.generation}`);
    primary.sql('ALTER SYSTEM RESET synchronous_standby_names');
    run('pg_basebackup', '-h', '127.0.0.1', '-p', String(primary.port), '-U',
      'nelm', '-D', dir, '-R', '-X', 'stream', '-c', 'fast', '--no-sync');
    this.standby = new Postgres(dir, port ?? await freePort());
    await this.standby.start();
    primary.sql('ALTER SYSTEM SET synchronous_standby_names = \'*\'');
    primary.sql('SELECT pg_reload_conf()');
    for (let turn = 0; turn < 400; turn++, await sleep(25))
      if (primary.sql('SELECT sync_state FROM pg_stat_replication') === 'sync')
        return;
    assert.fail('the standby never became synchronous');
  }

  // A database of its own on the primary, as the store of a World.
  database(name, query = '') {
    this.primary.sql(`CREATE DATABASE ${name}`);
    return { url: `${this.server}/${name}${query}`, env: {}, drop() {} };
  }

  // The primary, without a database's name.
  get server() {
    return `postgresql://nelm@127.0.0.1:${this.primary.port}`;
  }

  // Both, and whichever of them may write.
  get url() {
    return `postgresql://nelm@127.0.0.1:${this.primary.port},` +
      `127.0.0.1:${this.standby.port}/postgres?target_session_attrs=read-write`;
  }

  // The standby is the primary from now on.
  promote() {
    this.standby.promote();
    [this.primary, this.standby] = [this.standby, this.primary];
  }

  async done() {
    await Promise.all([this.primary, this.standby].map((one) => one?.kill()));
    this.remove();
  }

  // When nothing can be waited for.
  abandon() {
    for (const one of [this.primary, this.standby])
      one?.child?.kill('SIGQUIT');
    this.remove();
  }

  remove() {
    fs.rmSync(this.dir, { recursive: true, force: true, maxRetries: 5 });
  }
}
