// What is counted, who may read it, and whether a monitor can.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { downloadPath, request } from './lib/http.js';
import { HEADER, UNLIMITED, World, line } from './lib/nelm.js';
import { readMetrics, sample } from './lib/prometheus.js';

let world, server, token, source;

before(async () => {
  world = await World.create();
  source = await world.source('Counted');
  server = await world.serve(['--rate-limit', '200/60s',
    '--token-rate-limit', 'off', '--trusted-proxy', '127.0.0.2']);
  token = await world.token(server);
});
after(() => world?.done());

async function scrape() {
  const answer = await server.get('/metrics');
  assert.equal(answer.status, 200);
  assert.equal(answer.headers['content-type'],
    'text/plain; version=0.0.4; charset=utf-8');
  return readMetrics(answer.text);
}

const DOWNLOAD = {
  method: 'GET', route: '/non-employee-sources/{id}/non-employees/download',
};

test('requests are counted by route, method and status', async () => {
  const before = await scrape();
  await server.get(downloadPath(source.id), { token });
  await server.get(downloadPath(source.id, '/v2024'), { token });
  await server.get(downloadPath(source.id));
  await server.get(downloadPath('0'.repeat(32)), { token });
  await server.get('/no/such/path/user@example.com');
  const after = await scrape();
  const more = (labels) =>
    sample(after, 'nelm_http_requests_total', labels) -
    (sample(before, 'nelm_http_requests_total', labels) ?? 0);
  assert.equal(more({ ...DOWNLOAD, status: '2xx' }), 2);
  assert.equal(more({ ...DOWNLOAD, status: '4xx' }), 2);
  assert.equal(more({ route: '-', method: '-', status: '4xx' }), 1);
  assert.equal(sample(after, 'nelm_http_request_duration_seconds', DOWNLOAD,
    '_count'), 4);
  assert.ok(sample(after, 'nelm_http_requests_in_progress') >= 1);
  assert.ok(!JSON.stringify([...after]).includes('example.com'));
});

test('renderings, the cache and bytes are counted', async () => {
  const before = await scrape();
  await world.import(source, `${HEADER}\n${line(1, 1, 'admin')}`);
  const { body } = await server.get(downloadPath(source.id), { token });
  await server.get(downloadPath(source.id), { token });
  const after = await scrape();
  const more = (name, labels, suffix) => sample(after, name, labels, suffix) -
    sample(before, name, labels, suffix);
  assert.equal(more('nelm_rendering_duration_seconds', {}, '_count'), 1);
  assert.equal(more('nelm_cache_misses_total'), 1);
  assert.equal(more('nelm_cache_hits_total'), 1);
  assert.equal(more('nelm_cache_evictions_total'), 1);
  assert.equal(sample(after, 'nelm_renderings_in_progress'), 0);
  assert.ok(sample(after, 'nelm_cache_bytes') > 0);
  assert.ok(more('nelm_http_sent_bytes_total') >= 2 * body.length);
});

test('writes and uploads are counted', async () => {
  const before = await scrape();
  const csv = `${HEADER}\n${line(2, 1, 'admin')}`;
  const boundary = 'b0undary';
  const answer = await server.get(
    `/v3/non-employee-sources/${source.id}/non-employee-bulk-upload`, {
      token, method: 'POST',
      headers: { 'Content-Type': `multipart/form-data; boundary=${boundary}` },
      body: `--${boundary}\r\nContent-Disposition: form-data; name="data"; ` +
        `filename="x.csv"\r\n\r\n${csv}\r\n--${boundary}--\r\n`,
    });
  assert.equal(answer.status, 202, answer.text);
  let after = await scrape();
  while (sample(after, 'nelm_uploads', { status: 'COMPLETED' }) !== 1)
    after = await scrape();
  assert.equal(sample(after, 'nelm_uploads', { status: 'ERROR' }), 0);
  assert.ok(sample(after, 'nelm_database_write_duration_seconds', {}, '_count')
    > sample(before, 'nelm_database_write_duration_seconds', {}, '_count'));
  assert.equal(sample(after, 'nelm_database_write_errors_total'), 0);
  assert.equal(sample(after, 'nelm_database_up'), 1);
  assert.ok(sample(after, 'nelm_http_received_bytes_total') -
    sample(before, 'nelm_http_received_bytes_total') >= csv.length);
});

test('what a limiter refuses is counted', async () => {
  let status;
  do
    ({ status } = await server.get(downloadPath(source.id), { token }));
  while (status !== 429);
  assert.equal(sample(await scrape(), 'nelm_rate_limited_total',
    { limit: 'rate-limit' }), 1);
});

test('the rest is there, and every metric is in the manual', async () => {
  const metrics = await scrape();
  const { stdout } = await world.cli(['doc', 'metrics']);
  const documented = [...stdout.toString().matchAll(/^\| `(\w+)` /gm)]
    .map(([, name]) => name);
  assert.deepEqual(
    // Without TLS and an outside issuer.
    documented.filter((name) => !/^nelm_(tls|issuer)_/.test(name)),
    [...metrics.keys()]);
  assert.equal(sample(metrics, 'nelm_build_info'), 1);
  assert.ok(sample(metrics, 'process_resident_memory_bytes') > 1e6);
  assert.ok(sample(metrics, 'process_start_time_seconds') > 1.7e9);
  assert.equal(sample(metrics, 'nelm_workers'), 32);
  assert.ok(sample(metrics, 'nelm_http_connections_total') > 0);
});

test('nobody else may read them', async (t) => {
  for (const [name, headers] of [
    ['X-Forwarded-For', { 'X-Forwarded-For': '127.0.0.1' }],
    ['Forwarded', { Forwarded: 'for=127.0.0.1' }],
    ['Via', { Via: '1.1 proxy' }],
  ])
    await t.test(`through a proxy (${name})`, async () => {
      const answer = await server.get('/metrics', { headers });
      assert.equal(answer.status, 404);
    });
  await t.test('from another network', async () => {
    const strict = await world.serve(
      [...UNLIMITED, '--metrics-from', '192.0.2.0/24']);
    assert.equal((await strict.get('/metrics')).status, 404);
    await strict.stop();
  });
  await t.test('when nobody may', async () => {
    const off = await world.serve([...UNLIMITED, '--metrics-from', '']);
    assert.equal((await off.get('/metrics')).status, 404);
    await off.stop();
  });
});

test('counting and reading at once', async () => {
  const free = await world.serve();
  const pat = await world.token(free);
  let over = false;
  const readers = Array.from({ length: 2 }, async () => {
    while (!over)
      readMetrics((await free.get('/metrics')).text);
  });
  for (let round = 0; round < 10; round++)
    await Promise.all(Array.from({ length: 20 }, () =>
      request(free, { path: downloadPath(source.id), token: pat })));
  over = true;
  await Promise.all(readers);
  assert.equal(sample(readMetrics((await free.get('/metrics')).text),
    'nelm_http_requests_total', { ...DOWNLOAD, status: '2xx' }), 200);
  await free.stop();
});
