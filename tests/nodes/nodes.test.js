// Two servers on one database: whatever the first request of somebody did on
// one of them, the second may go to the other.

import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import path from 'node:path';
import { after, before, test } from 'node:test';

import {
  BACK, Browser, FORM, PASSWORD, encode, pkce,
} from '../api/lib/browser.js';
import { checkDownload, checkError, digest, downloadPath }
  from '../api/lib/http.js';
import { HEADER, UNLIMITED, World, line, sleep } from '../api/lib/nelm.js';
import { Caller, admin } from '../api/lib/registry.js';

let world, a, b, token;

// A node with directories of its own, as on a machine of its own.
function serve(name) {
  return world.serve([...UNLIMITED,
    '--cache-dir', path.join(world.dir, `cache-${name}`),
    '--spool-dir', path.join(world.dir, `spool-${name}`)]);
}

before(async () => {
  world = await World.create();
  await world.identity('boss');
  [a, b] = await Promise.all([serve('a'), serve('b')]);
  token = await world.token(a);
});
after(() => world?.done());

let sources = 0;
const newSource = () => world.source(`Shared ${sources++}`);
const rows = (from, to, generation) => Array.from({ length: to - from },
  (_, n) => line(from + n, generation, 'boss')).join('');
const csvOf = (count, generation) => `${HEADER}\n${rows(0, count, generation)}`;
const upload = (server, source, csv, options) =>
  new Caller(server, token).upload(source, csv, options);
const uploadPath = (source) =>
  `/v3/non-employee-sources/${source.id}/non-employee-bulk-upload`;

test('a token is good, and is revoked, on every node', async () => {
  const client = await world.pat(world.admin.identity.alias);
  const mine = await world.token(a, client);
  for (const server of [a, b, a, b])
    assert.equal((await server.get('/v3/non-employee-sources?limit=1',
      { token: mine })).status, 200);
  assert.deepEqual((await a.get('/.well-known/jwks.json')).json,
    (await b.get('/.well-known/jwks.json')).json);
  const removed = await a.get(`/v3/personal-access-tokens/${client.clientId}`,
    { method: 'DELETE', token });
  assert.equal(removed.status, 204, removed.text);
  for (const server of [b, a])
    assert.equal((await server.get('/v3/non-employee-sources?limit=1',
      { token: mine })).status, 401);
});

test('signing in goes from node to node', async () => {
  await world.cli(['identity', 'set-password', world.admin.identity.alias],
    { input: PASSWORD });
  const client = await world.json('client', 'create', '--name', 'Wanderer',
    '--grant', 'AUTHORIZATION_CODE', '--grant', 'REFRESH_TOKEN',
    '--redirect-uri', BACK, '--type', 'PUBLIC');
  const { verifier, challenge } = pkce();
  // Every request of the browser to the other node than the one before.
  class Wanderer extends Browser {
    go(...args) {
      this.server = this.server === a ? b : a;
      return super.go(...args);
    }
  }
  const redirect = await new Wanderer(a).authorize(client,
    world.admin.identity.alias, { challenge });
  const redeem = (server, fields) => server.get('/oauth/token', {
    method: 'POST', headers: { 'Content-Type': FORM },
    body: encode({ client_id: client.clientId, ...fields }),
  });
  const first = await redeem(a, { grant_type: 'authorization_code',
    code: redirect.get('code'), redirect_uri: BACK, code_verifier: verifier });
  assert.equal(first.status, 200, first.text);
  const next = await redeem(b, { grant_type: 'refresh_token',
    refresh_token: first.json.refresh_token });
  assert.equal(next.status, 200, next.text);
  // What was used on one node is used on the other.
  assert.equal((await redeem(a, { grant_type: 'refresh_token',
    refresh_token: first.json.refresh_token })).status, 400);
});

test('wrong passwords count on all nodes together', async () => {
  const alias = 'guessed';
  const client = await world.json('client', 'create', '--name', 'Guesser',
    '--grant', 'AUTHORIZATION_CODE', '--redirect-uri', BACK, '--type', 'PUBLIC');
  const url = `/oauth/authorize?${encode({ client_id: client.clientId,
    response_type: 'code', redirect_uri: BACK,
    code_challenge: pkce().challenge, code_challenge_method: 'S256' })}`;
  const statuses = [];
  for (let n = 0; n < 12; n++)
    statuses.push((await new Browser(n % 2 ? a : b)
      .signIn(url, alias, 'wrong')).status);
  const locked = statuses.indexOf(429);
  assert.ok(locked > 0, `never locked: ${statuses}`);
  assert.ok(statuses.slice(locked).every((status) => status === 429),
    `a node forgot: ${statuses}`);
});

test('same revision, same bytes, same ETag, whatever a node did before',
  async () => {
    const source = await newSource();
    const url = downloadPath(source.id);
    const get = (server, coding) => server.get(url,
      { token, headers: { 'Accept-Encoding': coding } });
    const codings = ['identity', 'gzip', 'zstd'];
    await world.import(source, csvOf(3000, 0));
    const caller = new Caller(a, token);
    for (let round = 1; round <= 4; round++) {
      // A renders each state from the one before, B the last one anew.
      await world.import(source, `${HEADER}\n` +
        `${rows(round * 700, round * 700 + 3, round)}` +
        `${rows(3000 + round * 40, 3040 + round * 40, round)}`);
      const people = await caller.get('/non-employee-records?limit=5&filters=' +
        encodeURIComponent(`sourceId eq "${source.id}"`));
      await caller.delete(`/non-employee-records/${people[2].id}`);
      for (const coding of codings)
        checkDownload(await get(a, coding), { rows: 3000 + round * 39 });
    }
    for (const coding of codings) {
      const [one, other] = await Promise.all([get(a, coding), get(b, coding)]);
      assert.equal(one.headers.etag, other.headers.etag, coding);
      assert.equal(one.headers['last-modified'],
        other.headers['last-modified']);
      assert.ok(one.body.equals(other.body), `${coding}: other bytes`);
      const unchanged = await b.get(url, { token, headers: {
        'Accept-Encoding': coding, 'If-None-Match': one.headers.etag } });
      assert.equal(unchanged.status, 304);
    }
  });

test('a download that broke off on one node goes on at the other', async () => {
  const source = await newSource();
  const csv = Buffer.from(csvOf(20_000, 1));
  await world.import(source, csv);
  const url = downloadPath(source.id);
  for (const coding of ['identity', 'gzip', 'zstd']) {
    const headers = { 'Accept-Encoding': coding };
    const whole = await a.get(url, { token, headers });
    const cut = Math.floor(whole.body.length * 0.37);
    await a.stop('SIGKILL');
    const rest = await b.get(url, { token, headers: { ...headers,
      Range: `bytes=${cut}-`, 'If-Range': whole.headers.etag } });
    assert.equal(rest.status, 206, coding);
    const joined = Buffer.concat([whole.body.subarray(0, cut), rest.body]);
    assert.equal(digest(joined), whole.headers['repr-digest'], coding);
    if (coding === 'identity')
      assert.ok(joined.equals(csv));
    a = await serve('a');
  }
});

test('an upload is everybody\'s', async () => {
  const source = await newSource();
  const key = { headers: { 'Idempotency-Key': 'once' } };
  const taken = await upload(a, source, csvOf(50, 1), key);
  assert.equal(taken.status, 202, taken.text);
  const again = await upload(b, source, csvOf(50, 1), key);
  assert.equal(again.json.id, taken.json.id);
  const job = await new Caller(b, token).settled(source);
  assert.deepEqual([job.id, job.recordsCreated], [taken.json.id, 50]);
  assert.deepEqual((await a.get(`${uploadPath(source)}/status`, { token })).json,
    job);
  const bad = `${csvOf(3, 1)}user.x,,Last,1,a@b.cd,boss,2024-01-01,2030-01-01\n`;
  const refused = await upload(a, source, bad);
  checkError(refused, 400, '400.1 Bad Request Content');
  const [, where] = /^<([^>]+)>/.exec(refused.headers.link);
  const lines = await Promise.all([a, b].map((server) =>
    server.get(where, { token })));
  for (const { status, text } of lines) {
    assert.equal(status, 200);
    assert.match(text, /^_line,_error,accountName.*\n5,.*user\.x/);
  }
});

const settledOn = async (server, source, ms = 120_000) => {
  for (const end = Date.now() + ms; Date.now() < end; await sleep(50)) {
    const { json } = await server.get(`${uploadPath(source)}/status`, { token });
    if (json.status !== 'PENDING' && json.status !== 'IN_PROGRESS')
      return json;
  }
  return assert.fail('the upload never ended');
};

test('10 000 rows arrive while the nodes restart in turn: applied once',
  async (t) => {
    const source = await newSource();
    const files = Array.from({ length: 50 }, (_, n) =>
      `${HEADER}\n${rows(n * 200, n * 200 + 200, n)}`);
    const nodes = { a, b };
    let over = false;
    let restarts = 0;
    const restarting = (async () => {
      for (let turn = 0; !over; turn++) {
        const name = turn % 2 ? 'a' : 'b';
        await nodes[name].stop(turn % 3 ? 'SIGKILL' : 'SIGTERM');
        nodes[name] = await serve(name);
        restarts++;
      }
    })();
    const ids = new Set();
    let tries = 0;
    for (const [n, csv] of files.entries()) {
      const options = { headers: { 'Idempotency-Key': `file ${n}` } };
      for (;; tries++) {
        // Alternately, and the other one when that does not answer.
        const server = nodes[tries % 2 ? 'a' : 'b'];
        const answer = await upload(server, source, csv, options)
          .catch(() => undefined);
        if (answer?.status === 202) {
          ids.add(answer.json.id);
          break;
        }
        // Ten may wait.
        if (answer !== undefined)
          checkError(answer, 400, '400.1.4 Limit violation');
        await sleep(30);
      }
    }
    over = true;
    await restarting;
    ({ a, b } = nodes);
    const last = await settledOn(a, source);
    assert.equal(last.status, 'COMPLETED');
    assert.equal(ids.size, files.length);
    const events = (await new Caller(b, token).get(
      '/audit-events?limit=250&filters=' + encodeURIComponent(
        'event eq "NON_EMPLOYEE_BULK_IMPORT_PASSED"')))
      .filter(({ detail }) => detail === 'rows=200 created=200 updated=0 ' +
        'unchanged=0');
    t.diagnostic(`${restarts} restarts, ${tries} tries without an answer or ` +
      `room, ${events.length} imports`);
    assert.equal(events.length, files.length);
    assert.ok(restarts >= 4, `only ${restarts} restarts`);
    checkDownload(await b.get(downloadPath(source.id), { token }),
      { bytes: Buffer.from(`${HEADER}\n${rows(0, 200, 0)}${files.slice(1)
        .map((csv) => csv.slice(HEADER.length + 1)).join('')}`) });
  });

test('the job of a killed node runs on the other one', async (t) => {
  const source = await newSource();
  const generation = (n) => csvOf(30_000, n);
  assert.equal((await upload(a, source, generation(1))).status, 202);
  assert.equal((await settledOn(b, source)).recordsCreated, 30_000);
  // The one that took it is asked first and takes it within a moment.
  assert.equal((await upload(a, source, generation(2))).status, 202);
  await sleep(60);
  await a.stop('SIGKILL');
  const killed = Date.now();
  const job = await settledOn(b, source);
  t.diagnostic(`done ${((Date.now() - killed) / 1000).toFixed(1)} s after ` +
    'the kill');
  assert.deepEqual([job.status, job.recordsUpdated], ['COMPLETED', 30_000]);
  checkDownload(await b.get(downloadPath(source.id), { token }),
    { bytes: Buffer.from(generation(2)) });
  a = await serve('a');
});
