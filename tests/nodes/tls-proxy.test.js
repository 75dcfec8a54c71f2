// TLS and HTTP/2 in front: nginx with the configuration of the manual, asked by
// curl as its users ask.

import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { downloadPath } from '../api/lib/http.js';
import { UNLIMITED, World, run, sleep } from '../api/lib/nelm.js';
import { freePort } from './lib/cluster.js';

const has = (program, ...args) => spawnSync(program, args).status === 0;
const curlSpeaksH2 = spawnSync('curl', ['-V']).stdout?.includes('HTTP2');
const skip = (!has('nginx', '-v') && 'no nginx here') ||
  (!curlSpeaksH2 && 'no curl with HTTP/2 here');

const manual = fs.readFileSync(path.join(path.dirname(
  fileURLToPath(import.meta.url)), '../../docs/manual/nodes.md'), 'utf8');

let world, server, proxy, port, source, token, dir;

before(async () => {
  if (skip)
    return;
  world = await World.create();
  dir = world.dir;
  source = await world.source('Behind TLS');
  await world.sampleManagers();
  await world.import(source, await world.sample(5000));
  // nginx speaks from an address that its clients do not have, as it would.
  server = await world.serve([...UNLIMITED, '--trusted-proxy', '127.0.0.2',
    '--token-address-rate-limit', '20/60s']);
  token = await world.token(server);
  const made = await run('openssl', ['req', '-x509', '-newkey', 'ec',
    '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj',
    '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost',
    '-keyout', `${dir}/nelm.key`, '-out', `${dir}/nelm.pem`]);
  assert.equal(made.code, 0, made.stderr);
  port = await freePort();
  const [, text] = /```nginx\n(.*?)```/s.exec(manual);
  fs.writeFileSync(`${dir}/nginx.conf`, `daemon off; worker_processes 1;
    pid ${dir}/pid; error_log ${dir}/error.log;
    events { worker_connections 256; }
    http { access_log off; client_body_temp_path ${dir}/body; proxy_bind 127.0.0.2;
    proxy_temp_path ${dir}/proxy; fastcgi_temp_path ${dir}/f;
    uwsgi_temp_path ${dir}/u; scgi_temp_path ${dir}/s;
    ${text.replace(/10\.0\.0\.11:8080/, `127.0.0.1:${server.port}`)
    .replace(/.*10\.0\.0\.12:8080.*\n/, '')
    .replace(/listen 443/, `listen 127.0.0.1:${port}`)
    .replaceAll('/etc/nginx', dir)} }`);
  proxy = spawn('nginx', ['-e', `${dir}/error.log`, '-c', `${dir}/nginx.conf`],
    { stdio: 'ignore' });
  for (let turn = 0; turn < 400; turn++, await sleep(25))
    if ((await curl('/healthz')).code === 0)
      return;
  assert.fail(fs.readFileSync(`${dir}/error.log`, 'utf8'));
});
after(async () => {
  proxy?.kill('SIGTERM');
  await world?.done();
});

// Resolves to { code, version, status, headers, body }.
async function curl(where, ...more) {
  const head = path.join(dir, `head-${crypto.randomUUID()}`);
  const { code, stdout, stderr } = await run('curl', ['-sS', '--http2',
    '--cacert', `${dir}/nelm.pem`, '-D', head, ...more,
    `https://localhost:${port}${where}`]);
  if (code !== 0)
    return { code, stderr };
  const blocks = fs.readFileSync(head, 'utf8').trim().split('\r\n\r\n');
  const [first, ...lines] = blocks.at(-1).split('\r\n');
  const [, version, status] = /^HTTP\/(\S+) (\d+)/.exec(first);
  return {
    code, version, status: Number(status), body: stdout,
    headers: Object.fromEntries(lines.map((text) => {
      const colon = text.indexOf(':');
      return [text.slice(0, colon).toLowerCase(), text.slice(colon + 1).trim()];
    })),
  };
}

const bearer = () => ['-H', `Authorization: Bearer ${token}`];

test('a download over HTTP/2 is whole, conditional and can be resumed',
  { skip }, async () => {
    const whole = await curl(downloadPath(source.id), ...bearer());
    assert.equal(whole.version, '2');
    assert.equal(whole.status, 200);
    assert.equal(whole.headers['repr-digest'], `sha-256=:${
      crypto.createHash('sha256').update(whole.body).digest('base64')}:`);
    assert.match(whole.headers['strict-transport-security'], /^max-age=/);
    const same = await curl(downloadPath(source.id), ...bearer(),
      '-H', `If-None-Match: ${whole.headers.etag}`);
    assert.equal(same.status, 304);
    const rest = await curl(downloadPath(source.id), ...bearer(),
      '-r', '1000-', '-H', `If-Range: ${whole.headers.etag}`);
    assert.equal(rest.status, 206);
    assert.ok(rest.body.equals(whole.body.subarray(1000)));
  });

test('an upload over HTTP/2 streams through', { skip }, async () => {
  const csv = world.file(await world.sample(20_000, 7));
  const answer = await curl(`/v3/non-employee-sources/${source.id}` +
    '/non-employee-bulk-upload?dryRun=true', ...bearer(),
  '-F', `data=@${csv}`);
  assert.equal(answer.status, 200, answer.body.toString());
});

test('URLs and cookies are those of the outside', { skip }, async () => {
  const info = JSON.parse((await curl('/oauth/info')).body);
  assert.equal(info.tokenEndpoint, `https://localhost:${port}/oauth/token`);
  const client = await world.client('web', { grants: ['AUTHORIZATION_CODE'] });
  const page = await curl('/oauth/authorize?response_type=code&client_id=' +
    `${client.clientId}&redirect_uri=http://127.0.0.1:1/back`);
  assert.match(page.headers['set-cookie'], /^__Host-nelm_.*; Secure/);
});

test('the metrics are not for the world', { skip }, async () => {
  assert.equal((await curl('/metrics')).status, 404);
  assert.equal((await server.get('/metrics')).status, 200);
});

test('nobody guesses from many addresses that he does not have', { skip },
  async () => {
    const guess = (i) => curl('/oauth/token',
      '-d', 'grant_type=client_credentials&client_id=x&client_secret=y',
      '-H', `X-Forwarded-For: 203.0.113.${i}`,
      '-H', `Forwarded: for=203.0.113.${i}`);
    const statuses = new Set();
    for (let i = 0; i < 22; i++)
      statuses.add((await guess(i)).status);
    assert.deepEqual([...statuses], [401, 429]);
  });

// Two requests in one: whatever the proxy and the server make of it, the second
// is never answered to somebody.
test('nothing is smuggled through', { skip }, async (t) => {
  const hidden = 'GET /oauth/info HTTP/1.1\r\nHost: localhost\r\n\r\n';
  for (const [name, head, body] of [
    ['length and chunks', `Content-Length: ${hidden.length + 5}\r\n` +
      'Transfer-Encoding: chunked\r\n', `0\r\n\r\n${hidden}`],
    ['a coding in disguise', `Content-Length: ${hidden.length + 5}\r\n` +
      'Transfer-Encoding : chunked\r\n', `0\r\n\r\n${hidden}`],
    ['a lone LF behind an extension', 'Transfer-Encoding: chunked\r\n',
      `2;\nxx${hidden.length.toString(16)}\r\n0\r\n\r\n${hidden}`],
    ['two lengths', `Content-Length: 0\r\nContent-Length: ${hidden.length}\r\n`,
      hidden],
  ])
    await t.test(name, async () => {
      const bytes = `POST /healthz HTTP/1.1\r\nHost: localhost\r\n${head}\r\n` +
        body;
      const result = await run('openssl', ['s_client', '-quiet', '-ign_eof',
        '-alpn', 'http/1.1', '-connect', `127.0.0.1:${port}`],
      { input: Buffer.from(`${bytes}GET /healthz HTTP/1.1\r\n` +
        'Host: localhost\r\nConnection: close\r\n\r\n') });
      const answered = result.stdout.toString();
      assert.ok(!answered.includes('tokenEndpoint'), answered);
      const next = await curl('/healthz');
      assert.equal(next.body.toString(), 'ok\n');
    });
});
