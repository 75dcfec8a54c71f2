// The command line: what design section 2 fixes, and import's rules
// (contract 16.4).

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, test } from 'node:test';

import { parseCsv } from './lib/csv.js';
import { checkDownload, downloadPath } from './lib/http.js';
import { HEADER, World, line } from './lib/nelm.js';

let world;

before(async () => {
  world = await World.create();
  await world.identity('jim.smith', { name: 'Jim Smith' });
  await world.identity('boss');
});
after(() => world?.done());

test('nelm init answers who may begin', () => {
  const { identity, clientId, clientSecret } = world.admin;
  assert.match(identity.id, /^[0-9a-f]{32}$/);
  assert.ok(identity.alias && identity.name);
  assert.ok([32, 36].includes(clientId.length));
  assert.match(clientSecret, /^[0-9a-f]{64}$/);
});

test('nelm init on an initialised database changes nothing', async () => {
  const before = await world.json('identity', 'list');
  const again = await world.cli(['init'], { code: 1 });
  assert.equal(again.stdout.length, 0);
  assert.equal(again.stderr.trim().split('\n').length, 1, again.stderr);
  assert.deepEqual(await world.json('identity', 'list'), before);
});

test('--database wins over the environment', async () => {
  const other = `sqlite:${world.dir}/other.db`;
  const { stdout } = await world.cli(['init', '--database', other]);
  assert.notEqual(JSON.parse(stdout).clientId, world.admin.clientId);
});

test('help and version', async (t) => {
  const commands = [[], ['init'], ['migrate'], ['identity'],
    ['identity', 'create'], ['identity', 'list'], ['identity', 'delete'],
    ['identity', 'set-password'], ['workgroup'], ['workgroup', 'add'],
    ['token'], ['token', 'create'], ['token', 'list'], ['token', 'delete'],
    ['client'], ['client', 'create'], ['client', 'list'],
    ['client', 'delete'], ['source'], ['source', 'create'],
    ['source', 'list'], ['import'], ['export'], ['sample'], ['serve']];
  for (const command of commands) {
    await t.test(`nelm ${command.join(' ')} --help`, async () => {
      const { stdout } = await world.cli([...command, '--help']);
      assert.match(stdout.toString(), /nelm/);
      for (const text of stdout.toString().split('\n'))
        assert.ok(text.length <= 100, text);
    });
  }
  await t.test('nelm --version', async () => {
    const { stdout } = await world.cli(['--version']);
    assert.match(stdout.toString(), /^nelm \d+\.\d+\.\d+/);
  });
});

test('wrong usage is exit 2, with a line that says so', async (t) => {
  const wrong = [['nonsense'], ['--nonsense'], ['serve', '--nonsense'],
    ['serve', '--listen'], ['serve', '--listen', 'nowhere'],
    ['serve', '--rate-limit', 'many'], ['import'],
    ['import', '--source', 'x'], ['export'], ['identity', 'nonsense'],
    ['identity', 'create'], ['source', 'create'], ['token', 'delete'],
    ['sample', '--rows', '-1'], ['sample', '--rows', 'x']];
  for (const args of wrong) {
    await t.test(`nelm ${args.join(' ')}`, async () => {
      const { stdout, stderr } = await world.cli(args, { code: 2 });
      assert.equal(stdout.length, 0);
      assert.ok(stderr.trim().length > 0);
    });
  }
});

test('refusals are exit 1, with a line that says so', async (t) => {
  const refused = [
    ['export', '--source', '01890000-0000-7000-8000-000000000000'],
    ['export', '--source', 'nothing'],
    ['import', '--source', 'nothing', '-'],
    ['identity', 'delete', 'nobody.here'],
    ['token', 'delete', '01890000-0000-7000-8000-000000000000'],
    ['token', 'create', '--identity', 'nobody.here'],
    ['source', 'create', '--name', 'x', '--description', 'x', '--owner',
      'nobody.here'],
    ['serve', '--listen', '127.0.0.1:0', '--database',
      'sqlite:/nonexistent/directory/nelm.db'],
  ];
  for (const args of refused) {
    await t.test(`nelm ${args.join(' ')}`, async () => {
      const { stdout, stderr } = await world.cli(args, { code: 1 });
      assert.equal(stdout.length, 0);
      assert.ok(stderr.trim().length > 0);
    });
  }
  await t.test('serve without init', async () => {
    await world.cli(['serve', '--listen', '127.0.0.1:0', '--database',
      `sqlite:${world.dir}/never-made.db`], { code: 1 });
  });
});

test('lists', async () => {
  const made = await world.source('Listed', { owner: 'boss' });
  const sources = await world.json('source', 'list');
  assert.ok(sources.some(({ id, sourceId, name }) => id === made.id &&
    sourceId === made.sourceId && name === 'Listed'));
  await assert.rejects(world.source('LISTED'), /exit 1/,
    'a name is unique ignoring case');
  const identities = await world.json('identity', 'list');
  assert.ok(identities.some(({ alias }) => alias === 'jim.smith'));
  const token = await world.pat('boss', 'idn:nelm:read');
  const listed = JSON.stringify(await world.json('token', 'list'));
  assert.ok(listed.includes(token.clientId));
  assert.ok(!listed.includes(token.clientSecret));
});

test('the published sample', async () => {
  const source = await world.source('Published');
  const summary = await world.import(source, `${HEADER}\n` +
    'Jon.Smith, Jon, Smith, 555-555-5555, jon@jon.doe.nope.com, Jim Smith, ' +
    '2020-04-05T08:00:00-10:00,2020-08-07T19:00:00-10:00\n');
  assert.equal(summary.created, 1);
  assert.equal((await world.export(source)).toString(), `${HEADER}\n` +
    'Jon.Smith,Jon,Smith,555-555-5555,jon@jon.doe.nope.com,jim.smith,' +
    '2020-04-05T08:00:00-10:00,2020-08-07T19:00:00-10:00\n');
});

const A = line(1, 1, 'boss');
const B = line(2, 1, 'boss');

const SAME = {
  'with a byte order mark': `\ufeff${HEADER}\n${A}${B}`,
  'with CRLF': `${HEADER}\n${A}${B}`.replaceAll('\n', '\r\n'),
  'without the last line end': `${HEADER}\n${A}${B}`.trimEnd(),
  'with blank lines': `\n\n${HEADER}\n\n${A}\n\n${B}\n\n`,
  'with blanks around': `${HEADER}\n${A}${B}`.replaceAll(',', ' , '),
  'with everything in quotes': `${HEADER}\n${A}${B}`
    .replace(/[^,\n]+/g, '"$&"'),
  'with a header in capitals': `${HEADER.toUpperCase()}\n${A}${B}`,
  'with columns in another order': [HEADER, ...(A + B).trim().split('\n')]
    .map((text) => text.split(',').reverse().join(',')).join('\n'),
};

test('one file, many spellings', async (t) => {
  for (const [name, csv] of Object.entries(SAME)) {
    await t.test(name, async () => {
      const source = await world.source(`Spelling ${name}`);
      const summary = await world.import(source, csv);
      assert.equal(summary.created, 2);
      assert.equal((await world.export(source)).toString(),
        `${HEADER}\n${A}${B}`);
    });
  }
});

test('dates keep their instant and their offset', async (t) => {
  const rows = [
    ['2020-04-05T08:00Z', '2020-04-05T08:00:00Z'],
    ['2020-04-05T08:00:00', '2020-04-05T08:00:00Z'],
    ['2020-04-05', '2020-04-05T00:00:00Z'],
    ['2020-04-05T08:00:00.5+05:30', '2020-04-05T08:00:00.500+05:30'],
    ['2020-04-05T08:00:00.1239Z', '2020-04-05T08:00:00.123Z'],
    ['2020-04-05T08:00:00+00:00', '2020-04-05T08:00:00Z'],
    ['2020-02-29T23:59:59-12:00', '2020-02-29T23:59:59-12:00'],
    ['1900-01-01', '1900-01-01T00:00:00Z'],
  ];
  const source = await world.source('Dates');
  for (const [given, kept] of rows) {
    await t.test(given, async () => {
      await world.import(source, `${HEADER}\n` +
        `d,a,b,1,a@b.example,boss,${given},9999-12-31\n`);
      const [, row] = parseCsv(await world.export(source));
      assert.equal(row[6], kept);
      assert.equal(row[7], '9999-12-31T00:00:00Z');
    });
  }
  for (const bad of ['2020-02-30', '2021-02-29T00:00:00Z', '20200405',
    '05.04.2020', '2020-04-05T25:00:00Z', '2020-04-05T08:60:00Z',
    '2020-04-05T08:00:00+25:00', '1899-12-31', '10000-01-01', 'today',
    '2020-04-05 ', '']) {
    if (bad.trim() === '2020-04-05')
      continue; // blanks around a value do not count
    await t.test(`"${bad}" is refused`, async () => {
      const { stderr } = await world.cli(['import', '--source', source.id,
        '-'], { code: 1, input: `${HEADER}\n` +
        `d,a,b,1,a@b.example,boss,${bad},9999-12-31\n` });
      assert.match(stderr, bad === '' ? /Line 2: startDate is required;/
        : /Line 2: Value of "startDate" is empty or contains invalid data\./);
    });
  }
});

const BAD = [
  ['one required value missing',
    `${HEADER}\n${A}x,a,b,1,,boss,2020-01-01,2020-01-02\n`,
    [/^.*Line 3: email is required;$/m]],
  ['several required values missing',
    `${HEADER}\nx,,,1,a@b.example,boss,2020-01-01,2020-01-02\n`,
    [/Line 2: firstName is required; lastName is required;/]],
  ['a line number counts physical lines',
    `${HEADER}\n\n"a","b\n",c,1,,boss,2020-01-01,2020-01-02\n\n` +
    'x,a,b,1,,boss,2020-01-01,2020-01-02\n',
    [/Line 6: email is required;/]],
  ['unknown manager',
    `${HEADER}\nx,a,b,1,a@b.example,nobody,2020-01-01,2020-01-02\n`,
    [/Line 2: .*manager/]],
  ['end before start',
    `${HEADER}\nx,a,b,1,a@b.example,boss,2020-01-02,2020-01-01\n`,
    [/Line 2: Value of "endDate" is empty or contains invalid data\./]],
  ['no e-mail address',
    `${HEADER}\nx,a,b,1,nonsense,boss,2020-01-01,2020-01-02\n`,
    [/Line 2: Value of "email" is empty or contains invalid data\./]],
  ['the same account twice',
    `${HEADER}\n${A}${A.toUpperCase().replace('BOSS', 'boss')}`, [/Line 3: /]],
  ['too few values', `${HEADER}\nx,a,b\n`, [/Line 2: /]],
  ['too many values', `${HEADER}\n${A.trim()},more\n`, [/Line 2: /]],
  ['a quote that never closes', `${HEADER}\n"x,a,b,1,a@b.example`,
    [/Line 2: /]],
  ['no UTF-8', Buffer.concat([Buffer.from(`${HEADER}\n`),
    Buffer.from(A.replace('First', 'F\u00ff'), 'latin1')]), [/Line 2: /]],
  ['a NUL', `${HEADER}\n${A.replace('First', 'F\0')}`, [/Line 2: /]],
  ['every bad line is named',
    `${HEADER}\n${Array.from({ length: 5 }, (_, n) =>
      `x${n},a,b,1,,boss,2020-01-01,2020-01-02\n`).join('')}`,
    [2, 3, 4, 5, 6].map((n) => new RegExp(`Line ${n}: email is required;`))],
  ['an empty file', '', [/the file has no header line/]],
  ['blank lines only', '\n\n\r\n', [/the file has no header line/]],
  ['a byte order mark only', '\ufeff', [/the file has no header line/]],
  ['unknown column', `${HEADER},colour\n`, [/Column: "\[colour\]" is unknown/]],
  ['a name that would move the cursor', `${HEADER},\x1b[2Jx\u009b\n`,
    [/Column: "\[\?\[2Jx\?\?\]" is unknown/]],
  ['missing column', `${HEADER.replace(',email', '')}\n`,
    [/column: "\[email\]" is missing/]],
  ['no header', A, [/is unknown/, /is missing/]],
];

test('a file with faults changes nothing and names each of them',
  async (t) => {
    const source = await world.source('Faults');
    await world.import(source, `${HEADER}\n${line(7, 1, 'boss')}`);
    const before = await world.export(source);
    for (const [name, csv, patterns] of BAD) {
      await t.test(name, async () => {
        const { stderr, stdout } = await world.cli(
          ['import', '--source', source.id, '-'], { code: 1, input: csv });
        for (const pattern of patterns)
          assert.match(`${stderr}${stdout}`, pattern);
        assert.doesNotMatch(stderr, /[\0-\x09\x0b-\x1f\x7f-\x9f]/);
        assert.ok((await world.export(source)).equals(before));
      });
    }
    await t.test('at most 1000 lines are named', async () => {
      const bad = Array.from({ length: 1500 }, (_, n) =>
        `x${n},a,b,1,,boss,2020-01-01,2020-01-02\n`).join('');
      const { stderr, stdout } = await world.cli(['import', '--source',
        source.id, '-'], { code: 1, input: `${HEADER}\n${bad}` });
      const text = `${stderr}${stdout}`;
      assert.equal(text.match(/Line \d+: /g).length, 1000);
      assert.match(text, /\.\.\. and 500 more errors/);
    });
  });

test('an import updates by account name, ignoring case', async () => {
  const source = await world.source('Updates');
  await world.import(source, `${HEADER}\n${A}${B}`);
  const summary = await world.import(source,
    `${HEADER}\n${line(1, 2, 'BOSS').replace('user.1,', 'USER.1,')}` +
    `${line(3, 1, 'boss@example.com')}`);
  assert.equal(summary.created, 1);
  assert.equal(summary.updated, 1);
  assert.equal((await world.export(source)).toString(), `${HEADER}\n` +
    line(1, 2, 'boss').replace('user.1,', 'USER.1,') + B +
    line(3, 1, 'boss'));
});

test('a header alone is a file with nothing to do', async () => {
  const source = await world.source('Nothing to do');
  const summary = await world.import(source, `${HEADER}\n`);
  assert.equal(summary.created, 0);
});

test('import from a file and export to a file', async () => {
  const source = await world.source('Files');
  const csv = `${HEADER}\n${A}${B}`;
  await world.cli(['import', '--source', source.sourceId,
    world.file(csv)]);
  const output = `${world.dir}/out.csv`;
  fs.writeFileSync(output, 'old');
  const { stdout } = await world.cli(
    ['export', '--source', source.id, '--output', output]);
  assert.ok(!stdout.includes('user.1'));
  assert.equal(fs.readFileSync(output, 'utf8'), csv);
  await world.cli(['import', '--source', source.id, '/nonexistent'],
    { code: 1 });
  // When it fails, the old file is still there and nothing is left behind.
  await world.cli(['export', '--source', 'nothing', '--output', output],
    { code: 1 });
  assert.equal(fs.readFileSync(output, 'utf8'), csv);
  assert.deepEqual(
    fs.readdirSync(world.dir).filter((name) => name.startsWith('out.csv')),
    ['out.csv']);
});

test('the sample is the same for the same seed', async () => {
  const [one, two, other] = await Promise.all([world.sample(500, 7),
    world.sample(500, 7), world.sample(500, 8)]);
  assert.ok(one.equals(two));
  assert.ok(!one.equals(other));
  assert.equal(parseCsv(one).length, 501);
});

test('settings from a file and from the environment', async () => {
  const config = world.file('# a comment\nrate-limit = 3/60s\n', 'nelm.conf');
  const source = await world.source('Settings');
  for (const [args, env, limit] of [
    [['--config', config], {}, 3],
    [['--config', config], { NELM_RATE_LIMIT: '4/60s' }, 4],
    [['--config', config, '--rate-limit', '5/60s'],
      { NELM_RATE_LIMIT: '4/60s' }, 5]]) {
    const server = await world.serve(args, { env });
    const token = await world.token(server);
    for (let i = 0; i < limit; i++) {
      const answer = await server.get(downloadPath(source.id), { token });
      checkDownload(answer, { rows: 0 });
    }
    assert.equal((await server.get(downloadPath(source.id),
      { token })).status, 429);
    await server.stop();
  }
});

test('SIGTERM ends the server with 0', async () => {
  for (const signal of ['SIGTERM', 'SIGINT']) {
    const server = await world.serve();
    assert.deepEqual(await server.stop(signal), { code: 0, signal: null });
  }
});
