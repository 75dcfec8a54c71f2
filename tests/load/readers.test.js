// Many readers of one export, in the clear and over TLS, in memory that does
// not grow with them or with it.

import assert from 'node:assert/strict';
import net from 'node:net';
import path from 'node:path';
import { after, before, test } from 'node:test';
import tls from 'node:tls';

import { downloadPath } from '../api/lib/http.js';
import { UNLIMITED, World, run } from '../api/lib/nelm.js';

const READERS = 60;
const MIB = 1024 * 1024;

let world, source, bytes;

before(async () => {
  world = await World.create();
  source = await world.source('Slow');
  await world.sampleManagers();
  await world.import(source, await world.sample(30_000));
  bytes = await world.export(source);
});
after(() => world?.done());

for (const secure of [false, true])
  test(`${READERS} readers at once cost no memory${secure ? ', over TLS' : ''}`,
    async () => {
      const files = {
        key: path.join(world.dir, 'k'), cert: path.join(world.dir, 'c'),
      };
      if (secure)
        await run('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt',
          'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=x',
          '-keyout', files.key, '-out', files.cert]);
      const plain = await world.serve();
      const server = secure
        ? await world.serve([...UNLIMITED, '--tls-cert', files.cert,
          '--tls-key', files.key]) : plain;
      const token = await world.token(plain);
      const rss = async () => Number((await run('ps',
        ['-o', 'rss=', '-p', String(server.pid)])).stdout) * 1024;
      const read = () => new Promise((resolve, reject) => {
        const socket = secure
          ? tls.connect({ port: server.port, host: server.host,
            rejectUnauthorized: false }) : net.connect(server.port, server.host);
        let length = 0;
        let most = 0;
        socket.on('error', reject);
        socket.on('data', async (piece) => {
          length += piece.length;
          // Slowly, so that all of them are under way together.
          socket.pause();
          setTimeout(() => socket.resume(), 1);
          if (length > MIB && most === 0) {
            most = 1;
            most = await rss();
          }
        });
        socket.on('end', () => resolve({ length, most }));
        socket.write(`GET ${downloadPath(source.id)} HTTP/1.1\r\nHost: x\r\n` +
          `Authorization: Bearer ${token}\r\nConnection: close\r\n\r\n`);
      });
      await read();
      const idle = await rss();
      const all = await Promise.all(Array.from({ length: READERS }, read));
      for (const { length } of all)
        assert.ok(length > bytes.length);
      // All files together are more than 200 MB.
      const most = Math.max(...all.map((one) => one.most));
      assert.ok(most - idle < 32 * MIB,
        `${((most - idle) / MIB).toFixed(1)} MiB more`);
      await Promise.all([server.stop(), plain.stop()]);
    });
