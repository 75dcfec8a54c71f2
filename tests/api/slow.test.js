// A thousand clients that are slow on purpose, in each of the three ways to be
// slow, beside one that is not.

import assert from 'node:assert/strict';
import net from 'node:net';
import { after, before, test } from 'node:test';

import { checkDownload, downloadPath } from './lib/http.js';
import { UNLIMITED, World } from './lib/nelm.js';
import { readMetrics, sample } from './lib/prometheus.js';

const EACH = 350; // of three kinds

let world, source, bytes;

before(async () => {
  world = await World.create();
  source = await world.source('Slow');
  await world.sampleManagers();
  await world.import(source, await world.sample(30_000));
  bytes = await world.export(source);
});
after(() => world?.done());

function hold(server, text) {
  const socket = net.connect(server.port, server.host);
  const state = { socket, closed: false };
  socket.on('error', () => {});
  socket.on('close', () => { state.closed = true; });
  socket.pause();
  socket.write(text);
  return state;
}

const metric = async (server, name) =>
  sample(readMetrics((await server.get('/metrics')).text), name);

test(`${3 * EACH} slow clients hurt nobody`, async () => {
  const server = await world.serve([...UNLIMITED, '--header-timeout', '2s',
    '--body-timeout', '2s', '--send-timeout', '2s', '--idle-timeout', '2s']);
  const token = await world.token(server);
  const auth = `Host: x\r\nAuthorization: Bearer ${token}\r\n`;
  const heads = Array.from({ length: EACH }, () =>
    hold(server, 'GET /oauth/info HTTP/1.1\r\nX'));
  const bodies = Array.from({ length: EACH }, () => hold(server,
    `POST /v3/non-employee-sources HTTP/1.1\r\n${auth}` +
    'Content-Length: 60000\r\nContent-Type: application/json\r\n\r\n{'));
  const readers = Array.from({ length: EACH }, () => hold(server,
    `GET ${downloadPath(source.id)} HTTP/1.1\r\n${auth}\r\n`));
  let served = 0;
  // A byte now and then keeps none of them, and the others are served.
  while (await metric(server, 'nelm_http_connections_timed_out_total') <
      3 * EACH) {
    for (const { socket, closed } of [...heads, ...bodies])
      if (!closed)
        socket.write(' ');
    checkDownload(await server.get(downloadPath(source.id), { token }),
      { bytes });
    assert.equal((await server.get('/healthz')).status, 200);
    served++;
  }
  assert.ok(served > 2, `${served} rounds`);
  for (const { socket } of [...heads, ...bodies, ...readers])
    socket.destroy();
  await server.stop();
});
