// The log: one line per request, for people and for machines, and never a word
// about anybody. And what load balancers ask.

import assert from 'node:assert/strict';
import net from 'node:net';
import { after, before, test } from 'node:test';

import { downloadPath } from './lib/http.js';
import { HEADER, UNLIMITED, World } from './lib/nelm.js';

let world, server, json, source, token, pat;

// Whatever of these shows in a log is somebody's.
const PRIVATE = {
  name: 'Zebulon Quackenbush', alias: 'zquackenbush',
  email: 'zebulon@quackenbush.example', phone: '+49 555 8675309',
  password: 'Correct-Horse-77', account: 'acc.wigglesworth',
  source: 'Wigglesworth Holdings',
};

before(async () => {
  world = await World.create();
  await world.identity(PRIVATE.alias,
    { name: PRIVATE.name, email: PRIVATE.email, levels: ['ORG_ADMIN'] });
  pat = await world.pat(PRIVATE.alias);
  source = await world.source(PRIVATE.source);
  server = await world.serve([...UNLIMITED, '--log-level', 'debug']);
  json = await world.serve([...UNLIMITED, '--log-format', 'json',
    '--log-level', 'debug']);
  token = await world.token(server, pat);
});
after(() => world?.done());

// A request's line is written when its last byte has left, which the client
// may notice first.
async function lineOf(node, id) {
  const find = () => node.log.split('\n').find((line) =>
    line.includes(`id=${id} `) || line.includes(`"id":"${id}"`));
  while (!find()?.includes('request'))
    await new Promise((resolve) => node.child.stderr.once('data', resolve));
  return find();
}

test('a line has id, route, status, time, bytes and who called', async () => {
  const answer = await server.get(downloadPath(source.id), { token });
  const line = await lineOf(server, answer.headers['slpt-request-id']);
  const hex = pat.clientId.replaceAll('-', '');
  assert.match(line, new RegExp(
    '^time=\\S+Z level=info event=request id=[0-9a-f]{32} method=GET ' +
    'family=v3 route=/non-employee-sources/{id}/non-employees/download ' +
    `status=200 bytes=${answer.body.length} us=\\d+ client=${hex} ` +
    'identity=[0-9a-f]{32} complete=yes$'));
});

test('the same as JSON', async () => {
  const answer = await json.get(downloadPath(source.id), { token });
  const line = JSON.parse(
    await lineOf(json, answer.headers['slpt-request-id']));
  assert.equal(line.event, 'request');
  assert.equal(line.level, 'info');
  assert.equal(line.route,
    '/non-employee-sources/{id}/non-employees/download');
  assert.equal(line.status, 200);
  assert.equal(line.bytes, answer.body.length);
  assert.equal(typeof line.us, 'number');
  assert.equal(line.client, pat.clientId.replaceAll('-', ''));
  assert.ok(Math.abs(Date.parse(line.time) - Date.now()) < 60_000);
  const lines = json.log.trim().split('\n')
    .filter((one) => !one.startsWith('listening on '));
  for (const one of lines)
    assert.doesNotThrow(() => JSON.parse(one), one);
});

async function useEverything(node) {
  const api = (method, path, body, type = 'application/json') =>
    node.get(`/v3${path}`, {
      token, method, headers: body === undefined ? {} : { 'Content-Type': type },
      body: typeof body === 'object' ? JSON.stringify(body) : body,
    });
  const record = {
    accountName: PRIVATE.account, firstName: PRIVATE.name, lastName: 'Q',
    email: PRIVATE.email, phone: PRIVATE.phone, manager: PRIVATE.alias,
    startDate: '2024-01-01T00:00:00Z', endDate: '2030-01-01T00:00:00Z',
    sourceId: source.sourceId,
  };
  const made = await api('POST', '/non-employee-records', record);
  assert.equal(made.status, 200, made.text);
  const one = `/non-employee-records/${made.json.id}`;
  await api('POST', '/non-employee-records', record); // a conflict
  await api('PUT', one, { ...record, firstName: `${PRIVATE.name} II` });
  await api('PATCH', one,
    [{ op: 'replace', path: '/email', value: PRIVATE.email }],
    'application/json-patch+json');
  await api('PATCH', one, `[{"op": "${PRIVATE.email}"}]`);
  await api('POST', '/non-employee-records', `{"accountName": "${PRIVATE.name}`);
  await api('GET', `/non-employee-records?filters=${encodeURIComponent(
    `accountName eq "${PRIVATE.account}"`)}`);
  await api('GET', `/non-employee-records?filters=${encodeURIComponent(
    `email zz "${PRIVATE.email}"`)}`);
  await api('GET', `/${PRIVATE.email}`);
  await api('GET', `/public-identities?filters=${encodeURIComponent(
    `alias eq "${PRIVATE.alias}"`)}`);
  await api('GET', downloadPath(source.id, ''));
  const csv = `${HEADER}\n${PRIVATE.account}2,${PRIVATE.name},Q,` +
    `${PRIVATE.phone},${PRIVATE.email},nobody-${PRIVATE.alias},x,y\n`;
  for (const text of [csv, `${HEADER}\n"${PRIVATE.name}`])
    await api('POST',
      `/non-employee-sources/${source.id}/non-employee-bulk-upload`,
      '--b\r\nContent-Disposition: form-data; name="data"; ' +
      `filename="${PRIVATE.name}.csv"\r\n\r\n${text}\r\n--b--\r\n`,
      'multipart/form-data; boundary=b');
  await node.get('/oauth/token', {
    method: 'POST', body: 'grant_type=client_credentials&client_id=' +
      `${PRIVATE.alias}&client_secret=${pat.clientSecret}x`,
  });
  await node.get(downloadPath(source.id), { token: `${token}x` });
  await node.get(`/oauth/authorize?login_hint=${PRIVATE.email}`);
  await node.get('/oauth/authorize', {
    method: 'POST',
    headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams(
      { username: PRIVATE.alias, password: PRIVATE.password }).toString(),
  });
  await node.get('/oauth/info', { headers: { Host: PRIVATE.email } });
  await api('DELETE', one);
  const last = await node.get('/healthz');
  await lineOf(node, last.headers['slpt-request-id']);
}

for (const [name, node] of [['logfmt', () => server], ['JSON', () => json]])
  test(`nobody shows in it (${name})`, async () => {
    await useEverything(node());
    const { log } = node();
    assert.ok(log.split('\n').length > 20);
    for (const [what, text] of Object.entries({
      ...PRIVATE, token, signature: token.split('.')[2],
      secret: pat.clientSecret, surname: 'uackenbush', mail: '@',
      select: 'SELECT ', path: world.dir,
    }))
      assert.ok(!log.toLowerCase().includes(text.toLowerCase()),
        `${what} in the log: ${log.split('\n').find((line) =>
          line.toLowerCase().includes(text.toLowerCase()))}`);
  });

test('readiness is tied to the database, health is not', async () => {
  assert.equal((await server.get('/readyz')).status, 200);
  await world.sql('ALTER TABLE registry RENAME TO mislaid');
  const answer = await server.get('/readyz');
  assert.equal(answer.status, 503);
  assert.match(answer.headers['retry-after'], /^\d+$/);
  assert.equal((await server.get('/healthz')).status, 200);
  assert.equal((await server.get('/metrics')).status, 200);
  await world.sql('ALTER TABLE mislaid RENAME TO registry');
  assert.equal((await server.get('/readyz')).status, 200);
});

test('a server that drains says so', async () => {
  const node = await world.serve();
  const socket = net.connect(node.port, node.host);
  socket.write('GET /readyz HTTP/1.1\r\nHost: x\r\n');
  const answer = new Promise((resolve) => {
    const pieces = [];
    socket.on('data', (piece) => pieces.push(piece));
    socket.on('close', () => resolve(Buffer.concat(pieces).toString()));
  });
  // Something to wait for, so that it does not just end.
  const busy = net.connect(node.port, node.host);
  busy.on('error', () => {});
  busy.write('POST /oauth/token HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n' +
    '\r\nx');
  while ((await node.get('/metrics')).text
    .match(/requests_in_progress (\d+)/)[1] < 2)
    continue;
  node.child.kill('SIGTERM');
  while (!node.log.includes('event=draining'))
    await new Promise((resolve) => node.child.stderr.once('data', resolve));
  socket.write('\r\n');
  assert.match(await answer, /^HTTP\/1.1 503 .*/);
  busy.destroy();
  assert.equal((await node.stop()).code, 0);
});
