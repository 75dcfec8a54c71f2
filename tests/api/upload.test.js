// Bulk uploads: forms as clients send them, what is refused and in which
// order, jobs and their queue, corrections, repeats, and kills at any moment.

import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import net from 'node:net';
import { after, before, test } from 'node:test';

import { parseCsv } from './lib/csv.js';
import { checkError, checkFramework, exchange, splitAnswers } from './lib/http.js';
import { HEADER, UNLIMITED, World, line, sleep } from './lib/nelm.js';
import { Caller, admin, person } from './lib/registry.js';

const MAX = 300_000;

let world, server, root;

before(async () => {
  world = await World.create();
  await world.identity('boss', { name: 'The Boss' });
  server = await world.serve([...UNLIMITED, '--max-upload-bytes', `${MAX}`]);
  root = await admin(world, server);
});
after(() => world?.done());

let sources = 0;
const newSource = () => world.source(`Source ${sources++}`);
const uploadPath = (source) =>
  `/non-employee-sources/${source.id}/non-employee-bulk-upload`;
const csvOf = (count, generation = 1) => `${HEADER}\n` +
  Array.from({ length: count }, (_, n) => line(n, generation, 'boss')).join('');
const GOOD = csvOf(2);
// Files that the database keeps: 'WAITING' or 'REFUSED', and the upload.
const kept = async (of = world) => (await of.sql('SELECT kind || \' \' || ' +
  'coalesce(nullif(hex(upload_id), \'\'), \'unfinished\') FROM upload_file ORDER BY id'))
  .split('\n').filter((row) => row !== '');
// What arrives has no name: it is seen in the descriptors of the server.
const arriving = () => fs.readdirSync(`/proc/${server.pid}/fd`).filter((fd) => {
  try {
    return fs.readlinkSync(`/proc/${server.pid}/fd/${fd}`)
      .startsWith(`${world.spool}/#`);
  } catch {
    return false; // closed meanwhile
  }
});
const jobsOf = async (source) => Number(await world.sql(
  'SELECT count(*) FROM upload_job j JOIN source s ON s.number = j.source ' +
  `WHERE hex(s.id) = upper('${source.id.replaceAll('-', '')}')`));

async function eventually(what, check, ms = 10_000) {
  for (const end = Date.now() + ms; Date.now() < end; await sleep(25))
    if (await check())
      return;
  assert.fail(`never: ${what}`);
}

// --- forms ------------------------------------------------------------------

const checkTooLong = (answer) => checkFramework(answer, 413,
  'PayloadTooLargeException', 'Request body too large');
const checkMediaType = (answer) => checkFramework(answer, 415,
  'NotSupportedException', 'Cannot consume content type');

const part = (head, body) => `${head}\r\n\r\n${body}`;
const forms = {
  'as curl sends it': {
    body: `--b\r\n${part('Content-Disposition: form-data; name="data"; ' +
      'filename="a.csv"\r\nContent-Type: text/csv', GOOD)}\r\n--b--\r\n`,
  },
  'a name without quotes': {
    body: `--b\r\n${part('Content-Disposition: form-data; name=data', GOOD)}` +
      '\r\n--b--\r\n',
  },
  'no file name, an octet stream': {
    body: `--b\r\n${part('Content-Disposition: form-data; name="data"\r\n' +
      'Content-Type: application/octet-stream', GOOD)}\r\n--b--\r\n`,
  },
  'a quoted boundary with blanks': {
    type: 'multipart/form-data; charset=utf-8; boundary="a b:c"',
    body: `--a b:c\r\n${part('Content-Disposition: form-data; name="data"',
      GOOD)}\r\n--a b:c--\r\n`,
  },
  'a preamble, an epilogue, other parts': {
    body: 'not for you\r\n--b\r\n' +
      `${part('Content-Disposition: form-data; name="note"', 'x'.repeat(9999))}` +
      `\r\n--b\r\n${part('content-disposition: form-data; name="data"', GOOD)}` +
      `\r\n--b\r\n${part('Content-Disposition: form-data; name="more"', GOOD)}` +
      '\r\n--b--\r\nnor this',
  },
  'bare line feeds in the heads': {
    body: `--b\nContent-Disposition: form-data; name="data"\n\n${GOOD}\n` +
      '--b--\n',
  },
  'what looks like a boundary in the data': {
    body: `--b\r\n${part('Content-Disposition: form-data; name="data"',
      GOOD.replace('user.0', '--bx').replace('Last1', '--b--'))}` +
      '\r\n--b--\r\n',
  },
};

const head = (source, more) => `POST /v3${uploadPath(source)} HTTP/1.1\r\n` +
  `Host: a\r\nAuthorization: Bearer ${root.token}\r\n${more}`;

test('forms of all clients', async (t) => {
  for (const [name, { body, type }] of Object.entries(forms))
    await t.test(name, async () => {
      const source = await newSource();
      const answer = await root.call('POST', uploadPath(source), body,
        { type: type ?? 'multipart/form-data; boundary=b' });
      assert.equal(answer.status, 202, answer.text);
      assert.equal((await root.settled(source)).recordsCreated, 2);
    });
});

test('forms in any pieces', async (t) => {
  const { body } = forms['a preamble, an epilogue, other parts'];
  const type = 'Content-Type: multipart/form-data; boundary=b\r\n';
  const chunk = (text) => `${text.length.toString(16)}\r\n${text}\r\n`;
  const send = async (bytes) => {
    const { bytes: got } = await exchange(server, bytes);
    return splitAnswers(got, ['POST']).answers[0];
  };
  for (const size of [1, 7, 1000, 70_000])
    await t.test(`chunks of ${size}`, async () => {
      const source = await newSource();
      let text = '';
      for (let at = 0; at < body.length; at += size)
        text += chunk(body.slice(at, at + size));
      const answer = await send(head(source,
        `${type}Transfer-Encoding: chunked\r\n\r\n${text}0\r\n\r\n`));
      assert.equal(answer.status, 202, String(answer.body));
      assert.equal((await root.settled(source)).recordsCreated, 2);
    });
  await t.test('byte after byte, asked for with 100-continue', async () => {
    const source = await newSource();
    const socket = net.connect(server.port, server.host);
    socket.setNoDelay(true);
    let got = '';
    socket.on('data', (bytes) => { got += bytes; });
    const small = forms['a name without quotes'].body;
    socket.write(head(source, `${type}Content-Length: ${small.length}\r\n` +
      'Expect: 100-continue\r\n\r\n'));
    await eventually('100', () => got.startsWith('HTTP/1.1 100'));
    assert.doesNotMatch(got, / 202 /);
    for (const byte of small)
      await new Promise((resolve) => socket.write(byte, resolve));
    await eventually('202', () => got.includes('HTTP/1.1 202'));
    socket.destroy();
    assert.equal((await root.settled(source)).recordsCreated, 2);
  });
});

test('what is no file to import', async (t) => {
  const source = await newSource();
  const NONE = 'No files were supplied for import.';
  const BOUNDARY = 'multipart/form-data; boundary=b';
  const data = 'Content-Disposition: form-data; name="data"';
  const cases = [
    ['another part', { type: BOUNDARY,
      body: `--b\r\n${part('Content-Disposition: form-data; name="date"',
        GOOD)}\r\n--b--\r\n` }, '400.1.3 Illegal value', NONE],
    ['an empty form', { type: BOUNDARY, body: '--b--\r\n' },
      '400.1.3 Illegal value', NONE],
    ['nothing at all', { type: BOUNDARY, body: '' },
      '400.1.3 Illegal value', NONE],
    ['nothing, and no boundary', { type: 'multipart/form-data', body: '' },
      '400.1.3 Illegal value', NONE],
    ...['', '\ufeff', '\r\n\r\n', '\ufeff\n \n'].map((text) =>
      [`a file of ${JSON.stringify(text)}`, { type: BOUNDARY,
        body: `--b\r\n${part(data, text)}\r\n--b--\r\n` },
      '400.1.3 Illegal value', text.includes(' ') ? undefined : NONE]),
    ['two files', { type: BOUNDARY,
      body: `--b\r\n${part(data, GOOD)}\r\n--b\r\n${part(data, GOOD)}` +
        '\r\n--b--\r\n' }, '400.1.3 Illegal value',
    'More than one file was supplied for import.'],
    ['a form without its end', { type: BOUNDARY,
      body: `--b\r\n${part(data, GOOD)}\r\n` }, '400.0 Bad request syntax'],
    ['no boundary', { type: 'multipart/form-data', body: GOOD },
      '400.0 Bad request syntax'],
    ['a boundary that is not there', { type: 'multipart/form-data; boundary=c',
      body: `--b\r\n${part(data, GOOD)}\r\n--b--\r\n` },
    '400.0 Bad request syntax'],
    ['an unknown column', { type: BOUNDARY, body: `--b\r\n${part(data,
      GOOD.replace('phone', 'fone'))}\r\n--b--\r\n` }, '400.1.3 Illegal value',
    'Column: "[fone]" is unknown and/or column: "[phone]" is missing'],
  ];
  for (const [name, { type, body }, code, text] of cases)
    await t.test(name, () => root.refuse(code, 'POST', uploadPath(source), body,
      { type, text }));
  for (const type of [null, 'application/json', 'text/csv',
    'multipart/mixed; boundary=b', 'application/x-www-form-urlencoded'])
    await t.test(`media type ${type}`, async () => {
      const answer = await root.call('POST', uploadPath(source), GOOD, { type });
      checkMediaType(answer);
    });
  assert.equal(await jobsOf(source), 0);
  assert.deepEqual(await kept(), []);
});

test('a header line alone is done at once', async () => {
  const source = await newSource();
  const job = await root.uploaded(source, `${HEADER}\n`);
  assert.deepEqual([job.status, job.recordsCreated, job.recordsUpdated],
    ['COMPLETED', 0, 0]);
});

test('a file that is too long', async (t) => {
  const source = await newSource();
  const long = `${HEADER}\n${'\n'.repeat(MAX)}`;
  await t.test('exactly the limit passes', async () => {
    const fits = `${HEADER}\n${'\n'.repeat(MAX - HEADER.length - 1)}`;
    assert.equal((await root.upload(source, fits)).status, 202);
    await root.settled(source);
  });
  await t.test('announced', async () =>
    checkTooLong(await root.upload(source, '\n'.repeat(MAX + 70_000))));
  await t.test('announced within the frame', async () =>
    checkTooLong(await root.upload(source, long)));
  await t.test('in chunks', async () => {
    const body = `--b\r\n${part('Content-Disposition: form-data; name="data"',
      '\n'.repeat(2 * MAX))}\r\n--b--\r\n`;
    const { bytes } = await exchange(server, head(source,
      'Content-Type: multipart/form-data; boundary=b\r\n' +
      'Transfer-Encoding: chunked\r\n\r\n' +
      `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`));
    const [answer] = splitAnswers(bytes, ['POST']).answers;
    assert.equal(answer.status, 413, String(bytes).slice(0, 200));
  });
  assert.deepEqual(await kept(), []);
});

test('the order of checks', async (t) => {
  const source = await newSource();
  const plain = await person(world, server, 'plain');
  const reader = await person(world, server, 'reader',
    { levels: ['ORG_ADMIN'], scopes: ['idn:nelm:read'] });
  const nowhere = { id: crypto.randomUUID() };
  const json = { type: 'application/json' };
  await t.test('403 before everything behind it', async () => {
    for (const { api } of [plain, reader])
      for (const one of [source, nowhere])
        checkError(await api.call('POST', uploadPath(one), 'x', json), 403,
          '403 Forbidden');
  });
  await t.test('404 before 415 and 413', async () => {
    checkError(await root.call('POST', uploadPath(nowhere), 'x', json), 404,
      '404 Not found');
    checkError(await root.upload(nowhere, '\n'.repeat(3 * MAX)), 404,
      '404 Not found');
    checkError(await root.call('POST',
      uploadPath({ id: 'no-id' }), 'x', json), 404, '404 Not found');
  });
  await t.test('415 before 413', async () =>
    checkMediaType(await root.call('POST', uploadPath(source),
      'x'.repeat(3 * MAX), json)));
  await t.test('400.0 before parameters, parameters before lines', async () => {
    await root.refuse('400.0 Bad request syntax', 'POST',
      `${uploadPath(source)}?dryRun=x`, 'x',
      { type: 'multipart/form-data; boundary=b' });
    for (const name of ['dryRun', 'skipRejected', 'formulaGuard'])
      for (const value of ['', 'x', '1']) {
        const answer = await root.upload(source, 'x',
          { query: `?${name}=${value}` });
        checkError(answer, 400, '400.1.3 Illegal value');
        assert.match(answer.json.messages[0].text, new RegExp(name));
      }
    for (const key of ['', 'k'.repeat(256)])
      checkError(await root.upload(source, 'x',
        { headers: { 'Idempotency-Key': key } }), 400,
      '400.1.2 Value length out of range');
  });
});

// --- jobs ---------------------------------------------------------------------

test('the job and its status, under every family', async () => {
  const source = await newSource();
  for (const prefix of ['/v3', '/v2024', '/v2025', '/v2026', '/beta']) {
    const api = new Caller(server, root.token, prefix);
    const fresh = await newSource();
    assert.deepEqual(await api.get(`${uploadPath(fresh)}/status`),
      { status: null });
    const answer = await api.upload(fresh, GOOD);
    assert.equal(answer.status, 202);
    const { id, sourceId, created, modified, status, ...rest } = answer.json;
    assert.match(id, /^[0-9a-f]{32}$/);
    assert.equal(sourceId, fresh.sourceId);
    assert.equal(modified, created);
    assert.match(created, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.equal(status, 'PENDING');
    assert.deepEqual(rest, {});
    const done = await api.settled(fresh);
    assert.deepEqual(done, { id, created, modified: done.modified,
      status: 'COMPLETED', recordsCreated: 2, recordsUpdated: 0, errors: [] });
    assert.ok(done.modified >= created);
  }
  const answer = await server.get('/non-employee-sources/v1/' +
    `${source.sourceId}/non-employee-bulk-upload/status`,
  { token: root.token });
  assert.deepEqual(answer.json, { status: null });
  assert.ok((await kept()).every((file) => file.startsWith('REFUSED ')));
});

test('a file of its own generation, again and again', async () => {
  const source = await newSource();
  assert.equal((await root.uploaded(source, csvOf(500))).recordsCreated, 500);
  const csv = await root.export(source);
  const again = await root.uploaded(source, csv);
  assert.deepEqual([again.recordsCreated, again.recordsUpdated], [0, 0]);
  assert.equal(await root.export(source), csv);
  const changed = await root.uploaded(source, csvOf(600, 2));
  assert.deepEqual([changed.recordsCreated, changed.recordsUpdated], [100, 500]);
  const events = (await world.sql('SELECT event FROM audit a JOIN source s ON ' +
    `s.number = a.source WHERE s.name = '${source.name}' AND event LIKE ` +
    '\'%BULK_IMPORT%\' ORDER BY a.number')).split('\n');
  assert.deepEqual(events, Array(3).fill(['NON_EMPLOYEE_BULK_IMPORT_STARTED',
    'NON_EMPLOYEE_BULK_IMPORT_PASSED']).flat());
});

test('a guarded export comes back as it was', async () => {
  const source = await newSource();
  await root.uploaded(source, GOOD.replace('First1', '=1+1'));
  const csv = await root.export(source);
  const download = await root.call('GET', `/non-employee-sources/${source.id}` +
    '/non-employees/download?formulaGuard=true');
  assert.match(download.text, /'=1\+1/);
  const job = await root.uploaded(source, download.text,
    { query: '?formulaGuard=true' });
  assert.deepEqual([job.recordsCreated, job.recordsUpdated], [0, 0]);
  assert.equal(await root.export(source), csv);
});

// --- dry runs, corrections, repeats -------------------------------------------

const BAD = GOOD + 'x,,B,1,x@b,boss,never,2030-01-01\n' + 'short,row\n' +
  'user.1,A,B,1,x@b,nobody,2020-01-01,2030-01-01\n' +
  'fine,A,B,1,x@b,boss,2020-01-01,2030-01-01\n';

test('a dry run tells and changes nothing', async () => {
  const source = await newSource();
  await root.uploaded(source, GOOD);
  const csv = await root.export(source);
  const files = await kept();
  const run = async (text) => {
    const answer = await root.upload(source, text, { query: '?dryRun=true' });
    assert.equal(answer.status, 200, answer.text);
    return answer.json;
  };
  assert.deepEqual(await run(csvOf(3).replace('First1', 'Other')), {
    errors: [], errorCount: 0, rows: 3, created: 1, updated: 1, unchanged: 1,
  });
  const { errors, ...counts } = await run(BAD);
  assert.deepEqual(counts,
    { errorCount: 4, rows: 6, created: 1, updated: 0, unchanged: 2 });
  assert.deepEqual(errors.map(({ line: at, column }) => [at, column]),
    [[4, 'firstName'], [5, undefined], [6, 'manager'], [6, 'accountName']]);
  for (const { reason, text, line: at } of errors) {
    assert.ok(reason.length > 5);
    assert.match(text, new RegExp(`^Line ${at}: .`));
  }
  await root.refuse('400.1.3 Illegal value', 'POST',
    `${uploadPath(source)}?dryRun=true`, '--b--\r\n',
    { type: 'multipart/form-data; boundary=b' });
  assert.equal(await jobsOf(source), 1);
  assert.equal(await root.export(source), csv);
  assert.deepEqual(await kept(), files);
});

test('refused lines are corrected and sent again', async (t) => {
  const source = await newSource();
  const link = (answer) => /^<([^>]+)>; rel="related"; type="text\/csv"$/
    .exec(answer.headers.link)?.[1];
  const fetch_ = (url, token = root.token) => server.get(url, { token });
  let url;
  await t.test('nothing of a bad file is imported', async () => {
    const answer = await root.upload(source, BAD);
    checkError(answer, 400, '400.1 Bad Request Content');
    const text = answer.json.messages[0].text.split('\n');
    assert.deepEqual(text.map((one) => one.split(':')[0]).slice(0, 3),
      ['Line 4', 'Line 5', 'Line 6']);
    url = link(answer);
    assert.ok(answer.json.causes[0].text.includes(url), answer.text);
    assert.equal(await jobsOf(source), 0);
    assert.equal(await root.export(source), `${HEADER}\n`);
  });
  let rows;
  await t.test('they come as CSV', async () => {
    const answer = await fetch_(url);
    assert.equal(answer.status, 200);
    assert.match(answer.headers['content-type'], /^text\/csv/);
    rows = parseCsv(answer.body);
    assert.deepEqual(rows[0], ['_line', '_error', ...HEADER.split(',')]);
    assert.deepEqual(rows.slice(1).map((row) => [row[0], row[2]]),
      [['4', 'x'], ['5', 'short'], ['6', 'user.1']]);
  });
  await t.test('to those who may, of this source, and nobody else', async () => {
    const other = await newSource();
    const nosy = await person(world, server, 'nosy');
    assert.equal((await fetch_(url, nosy.api.token)).status, 403);
    assert.equal((await fetch_(url, null)).status, 401);
    assert.equal((await fetch_(url.replace(source.id, other.id))).status, 404);
    assert.equal((await fetch_(url.replace(/[0-9a-f]{32}/,
      crypto.randomBytes(16).toString('hex')))).status, 404);
    assert.equal((await fetch_(url.replace(/[0-9a-f]{32}/, '..%2flock')))
      .status, 404);
  });
  await t.test('the good lines alone, then the corrected ones', async () => {
    const answer = await root.upload(source, BAD,
      { query: '?skipRejected=true' });
    assert.equal(answer.status, 202, answer.text);
    const job = await root.settled(source);
    assert.deepEqual([job.status, job.recordsCreated, job.errors.length],
      ['COMPLETED', 3, 4]);
    assert.equal(link(answer),
      `/v3${uploadPath(source)}/${answer.json.id}/errors`);
    assert.deepEqual(parseCsv((await fetch_(link(answer))).body), rows);
    const corrected = [rows[0],
      [...rows[1].slice(0, 3), 'A', 'B', '1', 'x@b', 'boss', '2020-01-01',
        '2030-01-01'],
      [...rows[2].slice(0, 3), 'A', 'B', '1', 'x@b', 'boss', '2020-01-01',
        '2030-01-01']];
    const second = await root.uploaded(source, corrected.map((row) =>
      row.map((cell) => `"${cell.replaceAll('"', '""')}"`).join(','))
      .join('\n'));
    assert.deepEqual([second.status, second.recordsCreated], ['COMPLETED', 2]);
    assert.equal(parseCsv(await root.export(source)).length, 1 + 5);
  });
  await t.test('a file of bad lines only', async () => {
    const answer = await root.upload(source, `${HEADER}\nx\ny\n`,
      { query: '?skipRejected=true' });
    assert.equal(answer.status, 202);
    assert.equal((await root.settled(source)).recordsCreated, 0);
  });
  await t.test('too many to be skipped', async () => {
    const answer = await root.upload(source,
      `${HEADER}\n${'x\n'.repeat(1500)}`, { query: '?skipRejected=true' });
    checkError(answer, 400, '400.1 Bad Request Content');
    const lines = answer.json.messages[0].text.split('\n');
    assert.equal(lines.length, 1001);
    assert.equal(lines.at(-1), '... and 500 more errors');
  });
});

test('a repeated upload is the same upload', async (t) => {
  const source = await newSource();
  const headers = { 'Idempotency-Key': 'night of 24/11' };
  const first = await root.upload(source, GOOD, { headers });
  assert.equal(first.status, 202);
  await root.settled(source);
  await t.test('the same file gives the same job', async () => {
    const again = await root.upload(source, GOOD, { headers });
    assert.equal(again.status, 202);
    assert.equal(again.json.id, first.json.id);
    assert.equal(again.json.status, 'COMPLETED');
    assert.equal(await jobsOf(source), 1);
  });
  await t.test('another file is a conflict', async () => {
    const other = await root.upload(source, csvOf(3), { headers });
    checkError(other, 400, '400.1.409 Reference conflict');
    assert.equal(await jobsOf(source), 1);
  });
  await t.test('another source knows nothing of it', async () => {
    const other = await newSource();
    const answer = await root.upload(other, csvOf(3), { headers });
    assert.equal(answer.status, 202);
    await root.settled(other);
  });
  await t.test('many at once make one', async () => {
    const answers = await Promise.all(Array.from({ length: 12 }, () =>
      root.upload(source, csvOf(50),
        { headers: { 'Idempotency-Key': 'crowd' } })));
    assert.deepEqual([...new Set(answers.map((one) => one.status))], [202]);
    assert.equal(new Set(answers.map((one) => one.json.id)).size, 1);
    await root.settled(source);
    assert.equal(await jobsOf(source), 2);
  });
  await t.test('a refused file leaves the key free', async () => {
    const key = { headers: { 'Idempotency-Key': 'fresh' } };
    assert.equal((await root.upload(source, BAD, key)).status, 400);
    assert.equal((await root.upload(source, GOOD, key)).status, 202);
    await root.settled(source);
  });
});

// --- what goes wrong -----------------------------------------------------------

test('an upload that ends in the middle leaves nothing', async () => {
  const source = await newSource();
  const files = await kept();
  const sockets = [];
  for (let i = 0; i < 20; i++) {
    const socket = net.connect(server.port, server.host);
    socket.on('error', () => {});
    socket.write(head(source, 'Content-Type: multipart/form-data; boundary=b\r\n' +
      'Content-Length: 290000\r\n\r\n--b\r\n' +
      'Content-Disposition: form-data; name="data"\r\n\r\n' +
      'x'.repeat(i * 12_000)));
    sockets.push(socket);
  }
  await eventually('they arrive', () => arriving().length === 20);
  for (const fd of arriving())
    assert.equal(fs.statSync(`/proc/${server.pid}/fd/${fd}`).mode & 0o777,
      0o600);
  assert.deepEqual(fs.readdirSync(world.spool), ['node']);
  for (const [i, socket] of sockets.entries())
    if (i % 2)
      socket.resetAndDestroy();
    else
      socket.destroy();
  await eventually('they are gone', () => arriving().length === 0);
  assert.deepEqual(await kept(), files);
  assert.equal(await jobsOf(source), 0);
});

test('a source that goes takes its files along', async (t) => {
  const files = await kept();
  const remove = (source) => root.delete(`/non-employee-sources/${source.id}`);
  for (const [what, csv, query] of [['a good file', GOOD, ''],
    ['a bad file', BAD, ''], ['what is good of it', BAD, '?skipRejected=true'],
    ['a dry run', GOOD, '?dryRun=true']])
    await t.test(`before ${what} has come`, async () => {
      const source = await newSource();
      const body = `--b\r\n${part('Content-Disposition: form-data; name="data"',
        csv)}\r\n--b--\r\n`;
      const socket = net.connect(server.port, server.host);
      let got = '';
      socket.on('data', (bytes) => { got += bytes; });
      socket.write(head({ id: source.id }, 'Connection: close\r\n' +
        'Content-Type: multipart/form-data; boundary=b\r\n' +
        `Content-Length: ${body.length}\r\n\r\n`)
        .replace('bulk-upload ', `bulk-upload${query} `) + body.slice(0, 50));
      await eventually('it arrives', () => arriving().length === 1);
      await remove(source);
      socket.write(body.slice(50));
      await eventually('an answer', () => got.includes('trackingId'));
      assert.match(got, /^HTTP\/1\.1 404 /);
      assert.match(got, /"404 Not found"/);
      await eventually('nothing', () => arriving().length === 0);
      assert.deepEqual(await kept(), files);
    });
  await t.test('after lines were refused', async () => {
    const source = await newSource();
    const other = await newSource();
    checkError(await root.upload(source, BAD), 400, '400.1 Bad Request Content');
    checkError(await root.upload(other, BAD), 400, '400.1 Bad Request Content');
    assert.equal((await kept()).length, files.length + 2);
    await remove(source);
    assert.equal((await kept()).length, files.length + 1);
    await remove(other);
    assert.deepEqual(await kept(), files);
  });
});

// Keep every server from running jobs of these sources: another node, which
// does not exist, has one of each and counts its beat up.
async function holdJobs(on, sources) {
  const node = 'x\'00000000000000000000000000000001\'';
  await on.sql(sources.map(({ id }) => 'INSERT INTO upload_job (id, source, ' +
    'status, node, length, sha256, created_ms, modified_ms) SELECT ' +
    `randomblob(16), number, 'IN_PROGRESS', ${node}, 0, x'', 0, 0 FROM source ` +
    `WHERE hex(id) = upper('${id.replaceAll('-', '')}');`).join(''));
  const beat = async () => {
    await on.sql(`INSERT INTO node (id, beat) VALUES (${node}, 1) ` +
      'ON CONFLICT (id) DO UPDATE SET beat = node.beat + 1');
    if (timer !== undefined)
      timer = setTimeout(beat, 1000);
  };
  let timer = setTimeout(beat, 0);
  return async () => {
    clearTimeout(timer);
    timer = undefined;
    await on.sql(`DELETE FROM upload_job WHERE node = ${node}`);
  };
}

test('the queue', async (t) => {
  const own = await World.create();
  t.after(() => own.done());
  await own.identity('boss');
  const source = await own.source('Queue');
  const other = await own.source('Other');
  const release = await holdJobs(own, [source, other]);
  let running = await own.serve();
  let api = await admin(own, running);
  const ids = [];
  await t.test('ten wait, the eleventh is refused', async () => {
    for (let n = 1; n <= 10; n++) {
      const answer = await api.upload(source, csvOf(20, n),
        { headers: n === 5 ? { 'Idempotency-Key': 'five' } : {} });
      assert.equal(answer.status, 202);
      ids.push(answer.json.id);
    }
    checkError(await api.upload(source, csvOf(1)), 400, '400.1.4 Limit violation');
    assert.equal((await api.upload(other, csvOf(1))).status, 202);
    const again = await api.upload(source, csvOf(20, 5),
      { headers: { 'Idempotency-Key': 'five' } });
    assert.equal(again.json.id, ids[4]);
    assert.equal((await api.get(`${uploadPath(source)}/status`)).status,
      'PENDING');
  });
  await t.test('a source with waiting jobs stays', () =>
    api.refuse('400.2.1.0 Object in use by another', 'DELETE',
      `/non-employee-sources/${source.id}`));
  await t.test('it outlives a kill, and is worked off in order', async () => {
    await running.stop('SIGKILL');
    running = await own.serve();
    api = await admin(own, running);
    assert.equal((await api.get(`${uploadPath(source)}/status`)).id, ids[9]);
    await release();
    const last = await api.settled(source);
    assert.deepEqual([last.id, last.status, last.recordsUpdated],
      [ids[9], 'COMPLETED', 20]);
    assert.equal((await api.settled(other)).recordsCreated, 1);
    assert.match(await api.export(source), /,First10,/);
    const order = (await own.sql('SELECT hex(j.id) FROM upload_job j JOIN source ' +
      's ON s.number = j.source WHERE s.name = \'Queue\' ORDER BY ' +
      'j.modified_ms, j.id')).toLowerCase().split('\n');
    assert.deepEqual(order, ids);
    const done = await own.sql('SELECT count(*) FROM audit WHERE event = ' +
      '\'NON_EMPLOYEE_BULK_IMPORT_PASSED\'');
    assert.equal(done, '11');
  });
  await t.test('then the source can go', () =>
    api.delete(`/non-employee-sources/${source.id}`));
});

test('SIGTERM leaves what is not done for the next start', async (t) => {
  const own = await World.create();
  t.after(() => own.done());
  await own.identity('boss');
  const source = await own.source('Stopped');
  for (let generation = 1; generation <= 4; generation++) {
    const running = await own.serve();
    const api = await admin(own, running);
    assert.equal((await api.upload(source, csvOf(20_000, generation))).status,
      202);
    const ended = await running.stop();
    assert.deepEqual(ended, { code: 0, signal: null });
    const shown = parseCsv(await own.export(source)).slice(1);
    assert.ok(new Set(shown.map((row) => row[1])).size <= 1, 'in between');
  }
  const running = await own.serve();
  const api = await admin(own, running);
  const job = await api.settled(source);
  assert.equal(job.status, 'COMPLETED');
  const shown = parseCsv(await api.export(source)).slice(1);
  assert.equal(shown.length, 20_000);
  assert.ok(shown.every((row) => row[1] === 'First4'));
});

test('kill -9 at any moment: before or after, once, never between', async (t) => {
  const own = await World.create();
  t.after(() => own.done());
  await own.identity('boss');
  const source = await own.source('Killed');
  const rows = 6000;
  let accepted = 0;
  let current = 0;
  const moments = [];
  for (let round = 1; round <= 16; round++) {
    const running = await own.serve();
    const api = await admin(own, running);
    const answer = api.upload(source, csvOf(rows, round))
      .then((got) => got.status, () => 0);
    await sleep(2 + (round * 37) % 140);
    await running.stop('SIGKILL');
    const status = await answer;
    assert.ok(status === 202 || status === 0, `answer ${status}`);
    const at = parseCsv(await own.export(source)).slice(1);
    const seen = new Set(at.map((row) => row[1]));
    assert.ok(at.length === 0 || at.length === rows, `${at.length} rows`);
    assert.ok(seen.size <= 1, `between: ${[...seen]}`);
    const next = await own.serve();
    const look = await admin(own, next);
    const job = await look.settled(source);
    assert.ok(job.status === 'COMPLETED' || job.status === null);
    const now = parseCsv(await look.export(source)).slice(1);
    const generation = now.length ? Number(now[0][1].slice(5)) : 0;
    assert.ok(now.every((row) => row[1] === `First${generation}`));
    if (status === 202)
      assert.equal(generation, round, 'an accepted upload is lost');
    else
      assert.ok(generation === round || generation === current);
    accepted += generation === round;
    current = generation;
    moments.push(`${status || '-'}${at.length && seen.has(`First${round}`)
      ? 'x' : ''}`);
    assert.deepEqual((await kept(own))
      .filter((file) => file !== 'WAITING unfinished'), []);
    await next.stop('SIGKILL');
  }
  t.diagnostic(moments.join(' '));
  const passed = await own.sql('SELECT count(*) FROM audit WHERE event = ' +
    '\'NON_EMPLOYEE_BULK_IMPORT_PASSED\'');
  const jobs = await own.sql('SELECT count(*) FROM upload_job');
  assert.deepEqual([Number(passed), Number(jobs)], [accepted, accepted]);
});
