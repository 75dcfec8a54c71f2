// PgBouncer on loopback in front of a cluster's primary. Whoever connects gets
// another connection to the server for each transaction.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

import { sleep } from '../../api/lib/nelm.js';
import { freePort, owner } from './cluster.js';

const PROGRAM = '/usr/sbin/pgbouncer';
export const missing = fs.existsSync(PROGRAM) ? false : 'no PgBouncer here';

export class PgBouncer {
  // `size`: connections to the server for each database.
  static async create(cluster, { size = 20 } = {}) {
    assert.ok(!missing, missing);
    const pooler = new PgBouncer();
    pooler.port = await freePort();
    const file = (name) => path.join(cluster.dir, `pgbouncer${name}`);
    fs.writeFileSync(file('.users'), '"nelm" ""\n');
    fs.writeFileSync(file('.ini'), `
[databases]
* = host=127.0.0.1 port=${cluster.primary.port} user=nelm
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${pooler.port}
unix_socket_dir =
auth_type = trust
auth_file = ${file('.users')}
pool_mode = transaction
default_pool_size = ${size}
max_client_conn = 500
server_round_robin = 1
`);
    pooler.child = spawn(PROGRAM, [file('.ini')], { ...owner, cwd: '/',
      stdio: ['ignore', 'ignore', fs.openSync(file('.log'), 'a')] });
    pooler.ended = new Promise((resolve) => pooler.child.on('close', resolve));
    for (let turn = 0; turn < 200; turn++, await sleep(25))
      if (spawnSync('psql', ['-XAtqc', 'SELECT 1', `${pooler.server}/postgres`])
        .status === 0)
        return pooler;
    assert.fail(`PgBouncer did not start: ${fs.readFileSync(file('.log'))}`);
  }

  // Without a database's name.
  get server() {
    return `postgresql://nelm@127.0.0.1:${this.port}`;
  }

  async done() {
    this.abandon();
    await this.ended;
  }

  abandon() {
    this.child?.kill('SIGKILL');
  }
}
