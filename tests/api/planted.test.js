// Faults that are planted into the running program: every allocation of a call
// fails once, and the clock jumps (tests/faults/faults.c).

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { POSTGRESQL } from './lib/database.js';
import { checkError, digest, downloadPath, readToken, request }
  from './lib/http.js';
import { HEADER, NELM, UNLIMITED, World, line, sleep } from './lib/nelm.js';
import { personBody, replace } from './lib/registry.js';

const LIBRARY = path.join(path.dirname(NELM), 'tests/faults/faults.so');
// A sanitizer has an allocator of its own, so there is no such library.
const skip = fs.existsSync(LIBRARY) ? false : 'built with a sanitizer';

let world, server, token, control, source;

// struct control of faults.c, in 64-bit integers.
const COUNTDOWN = 0;
const FAILED = 1;
const CLOCK_MS = 2;
function set(what, value) {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(BigInt(value));
  fs.writeSync(control, bytes, 0, 8, 8 * what);
}
function get(what) {
  const bytes = Buffer.alloc(8);
  fs.readSync(control, bytes, 0, 8, 8 * what);
  return Number(bytes.readBigInt64LE());
}

async function serve() {
  server = await world.serve(
    [...UNLIMITED, '--event-threads', '1', '--log-level', 'error'],
    { env: { LD_PRELOAD: LIBRARY, NELM_FAULTS: path.join(world.dir, 'faults') } });
  token = await world.token(server);
}

before(async () => {
  if (skip)
    return;
  world = await World.create();
  control = fs.openSync(path.join(world.dir, 'faults'), 'w+');
  fs.ftruncateSync(control, 4096);
  await world.identity('boss');
  source = await world.source('Planted');
  await world.import(source, `${HEADER}\n${Array.from({ length: 40 },
    (_, n) => line(n, 0, 'boss')).join('')}`);
  await serve();
});
after(() => world?.done());

const api = (method, url, body, type = 'application/json') =>
  request(server, { method, path: `/v3${url}`, token,
    headers: body === undefined ? {} : { 'Content-Type': type },
    body: typeof body === 'object' ? JSON.stringify(body) : body });

async function download() {
  const answer = await server.get(downloadPath(source.id), { token });
  assert.equal(answer.status, 200, answer.text);
  assert.equal(answer.headers['repr-digest'], digest(answer.body));
  return answer;
}
const people = async () => (await download()).text;

const form = (csv) => '--b\r\nContent-Disposition: form-data; name="data"' +
  `\r\n\r\n${csv}\r\n--b--\r\n`;
const uploadPath = () =>
  `/non-employee-sources/${source.id}/non-employee-bulk-upload`;

// Every call in a form that can be told to have happened: `call(n)` makes it,
// `happened(n)` looks. Those that only read have no `happened`.
const calls = {
  'a token': { call: () => request(server, { method: 'POST',
    path: '/oauth/token',
    headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ grant_type: 'client_credentials',
      client_id: world.admin.clientId,
      client_secret: world.admin.clientSecret }).toString() }) },
  'a list with filter and sorters': { call: () => api('GET',
    '/non-employee-records?count=true&sorters=-accountName&filters=' +
    encodeURIComponent(`sourceId eq "${source.id}"`)) },
  sources: { call: () => api('GET',
    '/non-employee-sources?non-employee-count=true') },
  'an export that must be rendered': {
    prepare: (n) => world.import(source,
      `${HEADER}\n${line(n % 40, n + 1, 'boss')}`),
    call: () => request(server, { path: downloadPath(source.id), token,
      headers: { 'Accept-Encoding': ['identity', 'gzip', 'zstd'][seen % 3] } }),
  },
  'a creation': {
    call: (n) => api('POST', '/non-employee-records',
      personBody(source, `new.n${n}`, 'boss')),
    happened: async (n) => (await people()).includes(`\nnew.n${n},`),
  },
  'a patch': {
    prepare: async () => {
      [victim] = (await api('GET', '/non-employee-records?limit=1&sorters=' +
        'accountName')).json;
    },
    call: (n) => api('PATCH', `/non-employee-records/${victim.id}`,
      replace('/firstName', `Patched${n}`), 'application/json-patch+json'),
    happened: async (n) => (await people()).includes(`,Patched${n},`),
  },
  'an upload that is refused': { call: () => api('POST', uploadPath(),
    form(`${HEADER}\nx,,y,1,a@b.cd,boss,2024-01-01,2030-01-01\n`),
    'multipart/form-data; boundary=b'), wanted: 400 },
  'a dry run': { call: () => api('POST', `${uploadPath()}?dryRun=true`,
    form(`${HEADER}\n${line(1, 1, 'boss')}`),
    'multipart/form-data; boundary=b') },
  'an upload': {
    call: (n) => api('POST', uploadPath(),
      form(`${HEADER}\n${line(100 + n, n, 'boss')}`),
      'multipart/form-data; boundary=b'),
    // Its job meets the fault when the call did not.
    happened: async (n) => {
      for (let turn = 0; turn < 400; turn++, await sleep(10)) {
        const { status } = (await api('GET', `${uploadPath()}/status`)).json;
        if (status !== 'PENDING' && status !== 'IN_PROGRESS')
          return (await people()).includes(`\nuser.${100 + n},`);
      }
      return assert.fail('the upload never ended');
    },
    wanted: 202,
    // Memory for the answer may lack when the job is in line already; whoever
    // asks again says so with an Idempotency-Key.
    late: true,
  },
};
let victim;
let seen = 0;

for (const [name, { prepare, call, happened, wanted = 200, late }] of
  Object.entries(calls))
  test(`memory gives out in ${name}`, { skip }, async (t) => {
    const ends = new Map();
    let step = 1;
    // The first calls open connections and prepare statements.
    for (let quiet = 0; quiet < 3 && step < 3000; step++) {
      await prepare?.(step);
      seen++;
      set(FAILED, 0);
      set(COUNTDOWN, step);
      const answer = await call(step).catch(() => undefined);
      set(COUNTDOWN, 0);
      const failed = get(FAILED) > 0;
      quiet = failed ? 0 : quiet + 1;
      const status = answer === undefined || answer.truncated
        ? 'cut' : answer.status;
      ends.set(status, (ends.get(status) ?? 0) + 1);
      if (!failed)
        assert.equal(status, wanted, `without a fault: ${answer?.text}`);
      assert.ok(server.child.exitCode === null &&
        server.child.signalCode === null, `step ${step}: ${server.log}`);
      if (status !== 'cut' && status !== wanted) {
        assert.ok([500, 503].includes(status),
          `step ${step}: ${status} ${answer.text}`);
        if (status === 503 && !name.includes('token'))
          checkError(answer, 503, '503.0 Service Unavailable');
      }
      const did = await happened?.(step);
      // On PostgreSQL the answer to a COMMIT may be what memory lacks for:
      // then the change is there, and nobody was told that it is.
      if (happened && status !== 'cut' && !((late || POSTGRESQL) && did))
        assert.equal(did, status === wanted, `step ${step}: ${status}`);
    }
    t.diagnostic(`${step - 1} steps: ${[...ends].map(([status, n]) =>
      `${n} x ${status}`).join(', ')}`);
    assert.ok(step > 4 && step < 3000);
  });

test('the clock jumps back a day', { skip }, async () => {
  const DAY = 24 * 3600 * 1000;
  const create = async (name) => {
    const answer = await api('POST', '/non-employee-records',
      personBody(source, name, 'boss'));
    assert.equal(answer.status, 200, answer.text);
    return answer.json;
  };
  const first = await create('clock.one');
  const before = (await download()).headers;
  set(CLOCK_MS, -DAY);
  try {
    // A token of tomorrow is judged as such: refused clearly, or taken.
    const early = await api('GET', '/non-employee-sources');
    assert.ok([200, 401].includes(early.status), early.text);
    token = await readToken(server, world.admin);
    const second = await create('clock.two');
    assert.ok(second.id > first.id, 'ids go back');
    const patched = await api('PATCH', `/non-employee-records/${first.id}`,
      replace('/firstName', 'Later'), 'application/json-patch+json');
    assert.equal(patched.status, 200);
    assert.ok(patched.json.modified >= patched.json.created, patched.text);
    const after = (await download()).headers;
    assert.notEqual(after.etag, before.etag);
    // Never later than Date (RFC 9110 section 8.8.2.1).
    assert.ok(Date.parse(after['last-modified']) <= Date.parse(after.date));
    assert.match(await people(), /\nclock\.one,Later,/);
    // So it is after a restart.
    await server.stop('SIGKILL');
    await serve();
    await create('clock.three');
    const last = (await people()).trim().split('\n').at(-1);
    assert.match(last, /^clock\.three,/);
  } finally {
    set(CLOCK_MS, 0);
  }
  // A token of yesterday's clock is good, or over.
  const late = await api('GET', '/non-employee-sources');
  assert.ok([200, 401].includes(late.status), late.text);
});
