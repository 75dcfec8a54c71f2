// The programs that nelm is compared with, each started for one benchmark.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';

import { sleep } from '../api/lib/nelm.js';

function freePort() {
  return new Promise((resolve, reject) => {
    const probe = net.createServer();
    probe.on('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

async function answering(port, child, name) {
  for (let i = 0; i < 200 && child.exitCode === null; i++, await sleep(50)) {
    const up = await new Promise((resolve) => {
      const socket = net.connect(port, '127.0.0.1', () => {
        socket.destroy();
        resolve(true);
      });
      socket.on('error', () => resolve(false));
    });
    if (up)
      return;
  }
  assert.fail(`${name} did not start`);
}

function stopper(child) {
  const ended = new Promise((resolve) => child.on('close', resolve));
  return async () => {
    if (child.exitCode === null && child.signalCode === null)
      child.kill('SIGINT');
    await ended;
  };
}

// One worker on `core`, no log, the files of `root`.
export async function nginx(dir, core, root) {
  const port = await freePort();
  const prefix = path.join(dir, 'nginx');
  fs.mkdirSync(prefix, { recursive: true });
  const conf = path.join(prefix, 'nginx.conf');
  fs.writeFileSync(conf, `
    daemon off; master_process off; worker_processes 1;
    pid ${prefix}/nginx.pid; error_log ${prefix}/error.log;
    events { worker_connections 4096; }
    http {
      access_log off; sendfile on; tcp_nopush on; tcp_nodelay on;
      keepalive_requests 1000000000; default_type text/csv;
      client_body_temp_path ${prefix}/body; proxy_temp_path ${prefix}/proxy;
      fastcgi_temp_path ${prefix}/fastcgi; uwsgi_temp_path ${prefix}/uwsgi;
      scgi_temp_path ${prefix}/scgi;
      server { listen 127.0.0.1:${port}; root ${root}; }
    }`);
  const child = spawn('taskset', ['-c', core, 'nginx', '-p', prefix,
    '-c', conf, '-e', `${prefix}/error.log`],
  { stdio: ['ignore', 'inherit', 'inherit'] });
  const stop = stopper(child);
  await answering(port, child, 'nginx');
  return { base: `http://127.0.0.1:${port}`, pid: child.pid, stop };
}

// The newest that Debian has put here; undefined when there is none.
export function postgresqlPrograms() {
  const root = '/usr/lib/postgresql';
  return fs.existsSync(root)
    ? fs.readdirSync(root).sort((a, b) => b - a)
      .map((version) => `${root}/${version}/bin`)[0] : undefined;
}

// A server with an empty database, and its URL. It refuses to run as root.
export async function postgresql(dir, core) {
  const programs = postgresqlPrograms();
  const home = path.join(dir, 'postgresql');
  const id = (what) =>
    Number(spawnSync('id', [what, 'postgres']).stdout.toString());
  const owner = process.getuid() === 0
    ? { uid: id('-u'), gid: id('-g'), cwd: '/' } : { cwd: '/' };
  const port = await freePort();

  fs.mkdirSync(home);
  if (owner.uid !== undefined) {
    fs.chmodSync(dir, 0o711);
    fs.chownSync(home, owner.uid, owner.gid);
  }
  const made = spawnSync(path.join(programs, 'initdb'), ['-D', home, '-U',
    'nelm', '-A', 'trust', '--encoding=UTF8', '--locale=C.UTF-8'], owner);
  assert.equal(made.status, 0, String(made.stderr));
  const child = spawn('taskset', ['-c', core,
    path.join(programs, 'postgres'), '-D', home, '-p', String(port),
    '-c', 'listen_addresses=127.0.0.1', '-c', 'unix_socket_directories=',
    '-c', 'shared_buffers=256MB', '-c', 'max_wal_size=4GB'],
  { ...owner, stdio: 'ignore' });
  const stop = stopper(child);
  await answering(port, child, 'PostgreSQL');
  return { url: `postgresql://nelm@127.0.0.1:${port}/postgres`, stop,
    // Seconds of its processes that have ended.
    cpu: () => fs.readFileSync(`/proc/${child.pid}/stat`, 'utf8')
      .split(' ').slice(15, 17).reduce((sum, n) => sum + Number(n), 0) / 100,
    // To other cores, with all that it starts from now on.
    move: (cores) => spawnSync('taskset', ['-acp', cores, String(child.pid)]) };
}

