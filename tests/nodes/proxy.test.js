// Two nodes behind HAProxy and behind nginx, with the configurations of the
// manual, while nodes are killed and restarted: nothing acknowledged is lost,
// no export is wrong, and somebody always answers.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { Server, UNLIMITED, World, sleep } from '../api/lib/nelm.js';
import { freePort } from './lib/cluster.js';
import { Load } from './lib/load.js';

const manual = fs.readFileSync(path.join(path.dirname(
  fileURLToPath(import.meta.url)), '../../docs/manual/nodes.md'), 'utf8');

// The block of the manual in that language, with our ports and without TLS.
function configuration(language, port, nodes) {
  const [, text] =
    new RegExp(`\`\`\`${language}\\n(.*?)\`\`\``, 's').exec(manual);
  return text
    .replace(/10\.0\.0\.11:8080/, `127.0.0.1:${nodes[0]}`)
    .replace(/10\.0\.0\.12:8080/, `127.0.0.1:${nodes[1]}`)
    .replace(/bind :443 ssl.*/, `bind 127.0.0.1:${port}`)
    .replace(/listen 443 .*/, `listen 127.0.0.1:${port};`)
    .replace(/ *ssl_certificate.*\n/g, '');
}

const proxies = {
  haproxy: (dir, port, nodes) => {
    const file = path.join(dir, 'haproxy.cfg');
    fs.writeFileSync(file, configuration('haproxy', port, nodes));
    return ['haproxy', ['-db', '-f', file]];
  },
  nginx: (dir, port, nodes) => {
    const file = path.join(dir, 'nginx.conf');
    fs.writeFileSync(file, `daemon off; worker_processes 1; pid ${dir}/pid;
      error_log ${dir}/error.log; events { worker_connections 1024; }
      http { access_log off; client_body_temp_path ${dir}/body;
      proxy_temp_path ${dir}/proxy; fastcgi_temp_path ${dir}/f;
      uwsgi_temp_path ${dir}/u; scgi_temp_path ${dir}/s;
      ${configuration('nginx', port, nodes)} }`);
    return ['nginx', ['-e', `${dir}/error.log`, '-c', file]];
  },
};

async function answers(port) {
  for (let turn = 0; turn < 200; turn++, await sleep(25)) {
    const open = await new Promise((resolve) => {
      const socket = net.connect(port, '127.0.0.1', () => resolve(true));
      socket.on('error', () => resolve(false));
      socket.on('connect', () => socket.destroy());
    });
    if (open)
      return;
  }
  assert.fail('the proxy did not start');
}

for (const [name, prepare] of Object.entries(proxies)) {
  const there = spawnSync(name, ['-v']).status === 0;
  test(`two nodes behind ${name}`, { skip: !there && `no ${name} here` },
    async (t) => {
      const world = await World.create();
      t.after(() => world.done());
      await world.identity('boss');
      const ports = [await freePort(), await freePort()];
      const serve = (n) => world.serve([...UNLIMITED,
        '--listen', `127.0.0.1:${ports[n]}`, '--trusted-proxy', '127.0.0.1',
        '--cache-dir', path.join(world.dir, `cache-${n}`),
        '--spool-dir', path.join(world.dir, `spool-${n}`)],
      { listen: false });
      const nodes = [await serve(0), await serve(1)];
      const port = await freePort();
      const [program, args] = prepare(world.dir, port, ports);
      const proxy = spawn(program, args, { stdio: 'ignore' });
      t.after(() => proxy.kill('SIGKILL'));
      await answers(port);
      const through = new Server(proxy, `http://127.0.0.1:${port}`);
      const token = await world.token(through);
      const load = new Load({
        server: () => through, token: () => token,
        source: await world.source('People'),
        fileSource: await world.source('File'),
        gateway: true,
      });
      const parts = {
        'a node is killed': async () => {
          await nodes[1].stop('SIGKILL');
          await sleep(1500);
          nodes[1] = await serve(1);
          await sleep(1500);
        },
        'both restart in turn': async () => {
          for (const n of [0, 1, 0, 1]) {
            await nodes[n].stop('SIGTERM');
            nodes[n] = await serve(n);
            // Until the proxy has seen it, as the manual says.
            await sleep(2500);
          }
        },
      };
      for (const [what, change] of Object.entries(parts)) {
        load.reset();
        load.start();
        await sleep(300);
        await change();
        await load.stop();
        await load.verify(through);
        t.diagnostic(`${what}: ${load}; 0 lost; longest time without a ` +
          `write ${(load.gaps_ms / 1000).toFixed(2)} s`);
        assert.ok(load.total > 100);
      }
    });
}
