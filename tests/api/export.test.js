// The export: bytes, names, headers, variants and codings (contract 16.1 to
// 16.3).

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, before, test } from 'node:test';
import zlib from 'node:zlib';

import { parseCsv } from './lib/csv.js';
import {
  PREFIXES, SPELLINGS, checkDownload, checkError, digest, downloadPath,
  templatePath,
} from './lib/http.js';
import { HEADER, World, sleep } from './lib/nelm.js';

let world, server, token, source, empty;

const ROWS = [
  'plain,Jon,Smith,555-555-5555,jon@jon.doe.nope.com,jim.smith,' +
    '2020-04-05T08:00:00-10:00,2020-08-07T19:00:00-10:00',
  '"comma, inside","She said ""hi""",\u00d6sterreicher-\u540d\u5b57,' +
    '007,a@b.example,jim.smith,2020-01-01T00:00:00Z,2020-01-01T00:00:00Z',
  '"line\nbreak","carriage\r\nreturn",\ud83d\ude00,+43 1 234,a@b.example,' +
    'jim.smith,2020-01-01T00:00:00.123+05:45,9999-12-31T23:59:59.999Z',
  '=1+1,+cell,-cell,@cell,a@b.example,jim.smith,' +
    '2020-01-01T00:00:00+14:00,2020-01-01T00:00:00-11:00',
  '\'quoted,it\'s,"a""b",=HYPERLINK(1),a@b.example,jim.smith,' +
    '1900-01-01T00:00:00Z,2020-01-01T00:00:00Z',
];
// Text fields hold no control characters (contract 9.5).
const KEPT = ROWS.filter((row) => !row.includes('\n'));

before(async () => {
  world = await World.create();
  await world.identity('jim.smith', { name: 'Jim Smith' });
  source = await world.source('Retail');
  empty = await world.source('Empty');
  await world.import(source, `${HEADER}\n${KEPT.join('\n')}\n`);
  server = await world.serve();
  token = await world.token(server);
  // Last-Modified is the end of the change's second once that is over.
  await sleep(1100);
});
after(() => world?.done());

const get = (path, headers = {}, options = {}) =>
  server.get(path, { token, headers, ...options });

test('the bytes are those of contract 16.2', async () => {
  const answer = await get(downloadPath(source.id));
  checkDownload(answer, { rows: KEPT.length });
  assert.equal(answer.text, `${HEADER}\n${KEPT.join('\n')}\n`);
});

test('nelm export writes the same bytes', async () => {
  const answer = await get(downloadPath(source.id));
  assert.ok((await world.export(source)).equals(answer.body));
});

test('all families, both ids, either spelling and case', async (t) => {
  const { body } = await get(downloadPath(source.id));
  const paths = [...PREFIXES.map((prefix) => (id) => downloadPath(id, prefix)),
    (id) => `/non-employee-sources/v1/${id}/non-employees/download`];
  for (const path of paths) {
    for (const kind of ['id', 'sourceId']) {
      for (const [spelling, spell] of Object.entries(SPELLINGS)) {
        const url = path(spell(source[kind]));
        await t.test(`${url} (${kind}, ${spelling})`, async () => {
          checkDownload(await get(url), { rows: KEPT.length, bytes: body });
        });
      }
    }
  }
  await t.test('ids look as contract 1.4 says', () => {
    assert.match(source.id, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    assert.match(source.sourceId, /^[0-9a-f]{32}$/);
    assert.notEqual(source.id.replaceAll('-', ''), source.sourceId);
  });
  await t.test('what is no id is not found', async () => {
    for (const id of ['x', `${source.id}0`, source.id.slice(1), '%20',
      source.id.replace('-', '--'), `{${source.id}}`]) {
      checkError(await get(downloadPath(encodeURIComponent(id))), 404,
        '404 Not found');
    }
  });
});

test('an empty source gives its header line, equal to its template',
  async () => {
    const answer = await get(downloadPath(empty.id));
    checkDownload(answer, { rows: 0, bytes: Buffer.from(`${HEADER}\n`) });
    const template = await get(templatePath(empty.id));
    checkDownload(template, { bytes: answer.body });
    const full = await get(templatePath(source.id));
    checkDownload(full, { bytes: answer.body });
  });

test('the template under every family', async () => {
  for (const path of [...PREFIXES.map((p) => templatePath(source.id, p)),
    `/non-employee-sources/v1/${source.sourceId}` +
      '/schema-attributes-template/download'])
    checkDownload(await get(path), { bytes: Buffer.from(`${HEADER}\n`) });
});

const NAMES = [
  ['Plain-Name_1.x', 'Plain-Name_1.x', false],
  ['Two words', 'Two_words', true],
  ['S\u00f6hne & T\u00f6chter', 'S_hne___T_chter', true],
  ['\u4e1c\u4eac \ud83d\ude00', '____', true],
  ['a"b\\c/d;e=f', 'a_b_c_d_e_f', true],
  ['50% off', '50__off', true],
  ['../../etc/passwd', '.._.._etc_passwd', true],
];

test('file names', async (t) => {
  for (const [name, safe, changed] of NAMES) {
    await t.test(name, async () => {
      const named = await world.source(name);
      for (const [path, prefix] of [
        [downloadPath(named.id), 'non_employees_for_source_'],
        [templatePath(named.id), 'non_employee_template_for_source_']]) {
        const answer = await get(path);
        checkDownload(answer, { rows: 0 });
        const { 'content-disposition': text } = answer.headers;
        const [, plain, extended] =
          /^attachment; filename="([^"]*)"(?:; filename\*=UTF-8''(\S+))?$/
            .exec(text) ?? [];
        assert.equal(plain, `${prefix}${safe}.csv`, text);
        assert.equal(extended !== undefined, changed, text);
        if (changed) {
          assert.match(extended, /^([A-Za-z0-9!#$&+.^_`|~-]|%[0-9A-F]{2})+$/i);
          assert.equal(decodeURIComponent(extended), `${prefix}${name}.csv`);
        }
      }
    });
  }
});

test('custom columns follow, in the order of their creation', async () => {
  const custom = await world.source('Custom');
  await world.column(custom, 'badge');
  await world.column(custom, 'Desk.No');
  const header = `${HEADER},badge,Desk.No`;
  const rows = [`${KEPT[0]},0042,"a,b"`, `${KEPT[1]},,""" x """`,
    `${KEPT[2]},=1,`];
  checkDownload(await get(templatePath(custom.id)),
    { bytes: Buffer.from(`${header}\n`) });
  await world.import(custom, `${header}\n${rows.join('\n')}\n`);
  const answer = await get(downloadPath(custom.id));
  checkDownload(answer, { rows: 3 });
  assert.equal(answer.text, `${header}\n${rows.join('\n')}\n`);
});

const guard = (value) => (/^[=+\-@\t\r']/.test(value) ? `'${value}` : value);
const quote = (value) => (/[",\r\n]|^ | $/.test(value)
  ? `"${value.replaceAll('"', '""')}"` : value);

test('variants', async (t) => {
  const plain = await get(downloadPath(source.id));
  const guarded = parseCsv(KEPT.join('\n'))
    .map((row) => row.map(guard).map(quote).join(','));
  const crlf = (text) => text.replaceAll('\n', '\r\n');
  const text = `${HEADER}\n${KEPT.join('\n')}\n`;
  const guardText = `${HEADER}\n${guarded.join('\n')}\n`;
  const bom = '\ufeff';
  const rows = [
    ['lineEnd=crlf', crlf(text)],
    ['bom=true', bom + text],
    ['formulaGuard=true', guardText],
    ['lineEnd=crlf&bom=true', bom + crlf(text)],
    ['bom=true&formulaGuard=true&lineEnd=crlf', bom + crlf(guardText)],
  ];
  const etags = new Set([plain.headers.etag]);
  for (const [query, expected] of rows) {
    await t.test(query, async () => {
      const answer = await get(`${downloadPath(source.id)}?${query}`);
      checkDownload(answer, { rows: KEPT.length });
      assert.equal(answer.body.toString(), expected);
      assert.ok(!etags.has(answer.headers.etag), 'the ETag is not its own');
      etags.add(answer.headers.etag);
      const again = await get(`${downloadPath(source.id)}?${query}`,
        { 'If-None-Match': answer.headers.etag });
      assert.equal(again.status, 304);
      const other = await get(downloadPath(source.id),
        { 'If-None-Match': answer.headers.etag });
      assert.equal(other.status, 200);
    });
  }
  for (const query of ['lineEnd=lf', 'bom=false', 'formulaGuard=false',
    'lineEnd=lf&bom=false&formulaGuard=false']) {
    await t.test(`${query} is the standard form`, async () => {
      const answer = await get(`${downloadPath(source.id)}?${query}`);
      checkDownload(answer, { bytes: plain.body });
      assert.equal(answer.headers.etag, plain.headers.etag);
    });
  }
  for (const query of ['lineEnd=cr', 'lineEnd=', 'lineEnd=CRLF%20',
    'bom=1', 'bom=', 'bom=yes', 'formulaGuard=no', 'formulaGuard=',
    'bom=true&lineEnd=x']) {
    for (const path of [downloadPath, templatePath]) {
      await t.test(`${query} is refused by ${path.name}`, async () => {
        checkError(await get(`${path(source.id)}?${query}`), 400,
          '400.1.3 Illegal value');
      });
    }
  }
  await t.test('the template knows them too', async () => {
    checkDownload(await get(
      `${templatePath(source.id)}?lineEnd=crlf&bom=true`),
    { bytes: Buffer.from(`${bom}${HEADER}\r\n`) });
  });
  await t.test('a guarded export comes back as it was', async () => {
    const answer = await get(
      `${downloadPath(source.id)}?formulaGuard=true`);
    const before = await world.export(source);
    await world.cli(
      ['import', '--source', source.id, '--formula-guard', '-'],
      { input: answer.body });
    assert.ok((await world.export(source)).equals(before));
  });
});

const haveZstd = spawnSync('zstd', ['--version']).status === 0;

function unpack(coding, bytes) {
  if (coding === 'gzip')
    return zlib.gunzipSync(bytes);
  const result = spawnSync('zstd', ['-dc'],
    { input: bytes, maxBuffer: 1 << 30 });
  assert.equal(result.status, 0, String(result.stderr));
  return result.stdout;
}

const CODINGS = [
  ['gzip', 'gzip'], ['zstd', 'zstd'], ['gzip, deflate, br, zstd', 'zstd'],
  ['gzip, deflate, br', 'gzip'], ['GZIP', 'gzip'],
  ['zstd;q=0.5, gzip;q=0.8', 'gzip'], ['zstd;q=0, gzip', 'gzip'],
  ['gzip;q=0', undefined], ['identity', undefined], ['br', undefined],
  ['', undefined], ['deflate', undefined], ['gzip;q=0.000', undefined],
  ['gzip;q=0.001', 'gzip'], ['identity;q=1, gzip;q=0.5', undefined],
];

test('codings', async (t) => {
  const plain = await get(downloadPath(source.id));
  assert.equal(plain.headers['content-encoding'], undefined);
  for (const path of [downloadPath(source.id), templatePath(source.id)]) {
    const whole = await get(path);
    for (const [accept, coding] of CODINGS) {
      await t.test(`${path} with "${accept}"`, async (tt) => {
        const answer = await get(path, { 'Accept-Encoding': accept });
        checkDownload(answer, { rows: whole.headers['x-total-count'] });
        assert.equal(answer.headers['content-encoding'], coding);
        if (coding === undefined) {
          assert.ok(answer.body.equals(whole.body));
          assert.equal(answer.headers.etag, whole.headers.etag);
          return;
        }
        assert.notEqual(answer.headers.etag, whole.headers.etag);
        assert.equal(answer.headers['last-modified'],
          whole.headers['last-modified']);
        if (coding === 'zstd' && !haveZstd)
          return tt.skip('no zstd program here to unpack with');
        assert.ok(unpack(coding, answer.body).equals(whole.body));
        const again = await get(path, { 'Accept-Encoding': accept,
          'If-None-Match': answer.headers.etag });
        assert.equal(again.status, 304);
        assert.equal(again.headers.etag, answer.headers.etag);
      });
    }
  }
  await t.test('a range of coded bytes', async () => {
    const whole = await get(downloadPath(source.id),
      { 'Accept-Encoding': 'gzip' });
    const first = await get(downloadPath(source.id),
      { 'Accept-Encoding': 'gzip', Range: 'bytes=0-49' });
    const rest = await get(downloadPath(source.id),
      { 'Accept-Encoding': 'gzip', Range: 'bytes=50-',
        'If-Range': whole.headers.etag });
    assert.equal(first.status, 206);
    assert.equal(rest.status, 206);
    assert.equal(first.headers['content-encoding'], 'gzip');
    const joined = Buffer.concat([first.body, rest.body]);
    assert.ok(joined.equals(whole.body));
    assert.equal(digest(joined), first.headers['repr-digest']);
  });
});

test('the ETag moves with every change and only then', async () => {
  const moving = await world.source('Moving');
  const seen = new Map();
  let last = await get(downloadPath(moving.id));
  for (let i = 1; i <= 5; i++) {
    await world.import(moving,
      `${HEADER}\n${KEPT[0].replace('555-555-5555', `phone ${i}`)}\n`);
    const answer = await get(downloadPath(moving.id));
    checkDownload(answer, { rows: 1 });
    assert.notEqual(answer.headers.etag, last.headers.etag);
    assert.ok(!seen.has(answer.headers.etag));
    assert.ok(Date.parse(answer.headers['last-modified']) >=
      Date.parse(last.headers['last-modified']));
    seen.set(answer.headers.etag, answer.body);
    last = answer;
  }
  await sleep(1100);
  last = await get(downloadPath(moving.id));
  const { created, updated } = await world.import(moving, last.body);
  assert.deepEqual([created, updated], [0, 0]);
  const same = await get(downloadPath(moving.id));
  assert.equal(same.headers.etag, last.headers.etag);
  assert.equal(same.headers['last-modified'], last.headers['last-modified']);
});

test('two servers on one database agree', async () => {
  const other = await world.serve(
    ['--rate-limit', 'off', '--cache-dir', `${world.dir}/other-cache`]);
  for (const headers of [{}, { 'Accept-Encoding': 'gzip' },
    { 'Accept-Encoding': 'zstd' }]) {
    const one = await get(downloadPath(source.id), headers);
    const two = await other.get(downloadPath(source.id), { token, headers });
    checkDownload(two, { bytes: one.body });
    for (const name of ['etag', 'last-modified', 'repr-digest',
      'x-total-count', 'content-disposition'])
      assert.equal(two.headers[name], one.headers[name], name);
  }
  await other.stop();
});

test('two sources of equal content do not share an ETag', async () => {
  const one = await get(downloadPath(empty.id));
  const twin = await world.source('Empty too');
  const two = await get(downloadPath(twin.id));
  assert.ok(one.body.equals(two.body));
  assert.notEqual(one.headers.etag, two.headers.etag);
});
