// HTTPS from the program itself: the whole way through, and a certificate that
// is renewed with SIGHUP while a download is under way.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import https from 'node:https';
import path from 'node:path';
import { after, before, test } from 'node:test';
import tls from 'node:tls';

import { digest, downloadPath } from './lib/http.js';
import { UNLIMITED, World, run } from './lib/nelm.js';

let world, server, token, source, files;

async function certificate(name) {
  const result = await run('openssl', ['req', '-x509', '-newkey', 'ec',
    '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
    '-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1',
    '-keyout', files.key, '-out', files.cert]);
  assert.equal(result.code, 0, result.stderr);
}

before(async () => {
  world = await World.create();
  files = { key: path.join(world.dir, 'k'), cert: path.join(world.dir, 'c') };
  await certificate('first');
  source = await world.source('Sealed');
  await world.sampleManagers();
  await world.import(source, await world.sample(20_000));
  server = await world.serve([...UNLIMITED,
    '--tls-cert', files.cert, '--tls-key', files.key]);
  const { body } = await call('/oauth/token', {
    method: 'POST',
    headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
  }, new URLSearchParams({
    grant_type: 'client_credentials', client_id: world.admin.clientId,
    client_secret: world.admin.clientSecret,
  }).toString());
  token = JSON.parse(body).access_token;
});
after(() => world?.done());

function call(where, options = {}, sent) {
  return new Promise((resolve, reject) => {
    const asked = https.request({
      host: server.host, port: server.port, path: where, agent: false,
      rejectUnauthorized: false, ...options,
    }, (answer) => {
      const pieces = [];
      const name = answer.socket.getPeerCertificate().subject?.CN;
      options.onHead?.(answer);
      answer.on('data', (piece) => pieces.push(piece));
      answer.on('end', () => resolve({
        status: answer.statusCode, headers: answer.headers, name,
        body: Buffer.concat(pieces),
      }));
      answer.on('error', reject);
    });
    asked.on('error', reject);
    asked.end(sent);
  });
}

const name = async () => (await call('/healthz')).name;
const bearer = () => ({ headers: { Authorization: `Bearer ${token}` } });

async function logged(pattern) {
  while (!pattern.test(server.log))
    await new Promise((resolve) => server.child.stderr.once('data', resolve));
}

test('the whole file arrives, and its URLs are https', async () => {
  const { status, headers, body } =
    await call(downloadPath(source.id), bearer());
  assert.equal(status, 200);
  assert.equal(headers['repr-digest'], digest(body));
  assert.match(headers['strict-transport-security'], /^max-age=\d+$/);
  const info = JSON.parse((await call('/oauth/info')).body);
  assert.match(info.tokenEndpoint, /^https:/);
});

test('SIGHUP takes a new certificate into use and cuts nobody off',
  async () => {
    const agent = new https.Agent({ keepAlive: true, maxSockets: 1 });
    assert.equal((await call('/healthz', { agent })).name, 'first');
    // A download that has begun when the certificate changes.
    let resume;
    const began = new Promise((resolve) => {
      resume = call(downloadPath(source.id), {
        ...bearer(),
        onHead: (answer) => { answer.pause(); resolve(answer); },
      });
    });
    const answer = await began;
    await certificate('second');
    assert.equal(await name(), 'first');
    server.child.kill('SIGHUP');
    await logged(/event=certificate_reloaded/);
    assert.equal(await name(), 'second');
    assert.equal((await call('/healthz', { agent })).status, 200);
    answer.resume();
    const { headers, body, name: before } = await resume;
    assert.equal(before, 'first');
    assert.equal(headers['repr-digest'], digest(body));
    agent.destroy();
  });

test('a certificate that cannot be used changes nothing and is named',
  async () => {
    fs.writeFileSync(files.cert, 'nonsense');
    server.child.kill('SIGHUP');
    await logged(/level=error event=certificate_kept reason="cannot use /);
    assert.equal(await name(), 'second');
    const { stderr } = await world.cli(['serve', '--listen', '127.0.0.1:0',
      '--tls-cert', files.cert, '--tls-key', files.key], { code: 1 });
    assert.match(stderr, /^nelm: cannot use the certificate .*\n$/);
  });

test('nothing older than TLS 1.2', async () => {
  for (const version of ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3']) {
    const got = await new Promise((resolve) => {
      const socket = tls.connect({
        host: server.host, port: server.port, rejectUnauthorized: false,
        minVersion: version, maxVersion: version,
        ciphers: 'DEFAULT@SECLEVEL=0',
      }, () => { resolve(socket.getProtocol()); socket.destroy(); });
      socket.on('error', () => resolve(null));
    });
    assert.equal(got, version >= 'TLSv1.2' ? version : null, version);
  }
});
