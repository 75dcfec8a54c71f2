// The frame around all commands: exit codes, streams, settings and where they
// come from, help, and the manual that is made from the program. What the
// commands do is tested in tests/api.
//
//   NELM=/path/to/nelm node --test tests/cli

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const NELM = process.env.NELM ?? 'build/nelm';
const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)),
  '../..');
const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'nelm-cli-'));
after(() => fs.rmSync(dir, { recursive: true }));

const database = `sqlite:${dir}/nelm.db`;

// Run nelm and expect its exit code. The environment is this test's own.
function nelm(args, { code = 0, env = {}, input = '' } = {}) {
  const ran = spawnSync(NELM, args, {
    cwd: dir, input, encoding: 'utf8', maxBuffer: 64 << 20,
    env: { PATH: process.env.PATH, ASAN_OPTIONS: process.env.ASAN_OPTIONS,
      NELM_DATABASE: database, ...env },
  });
  assert.equal(ran.error, undefined);
  assert.equal(ran.status, code,
    `nelm ${args.join(' ')}: exit ${ran.status ?? ran.signal}\n${ran.stderr}`);
  return ran;
}

// The only line on standard error, and nothing on standard output.
function refused(args, code, options) {
  const { stdout, stderr } = nelm(args, { code, ...options });
  assert.equal(stdout, '');
  const lines = stderr.trimEnd().split('\n')
    .filter((line) => !line.startsWith('see nelm'));
  assert.equal(lines.length, 1, stderr);
  assert.match(lines[0], /^nelm: /);
  return lines[0];
}

const commandNames = nelm(['doc', 'commands']).stdout
  .match(/^## nelm .*$/gm).map((line) => line.slice('## nelm '.length));

const admin = JSON.parse(nelm(['init']).stdout);

test('every command explains itself and changes nothing', async (t) => {
  assert.ok(commandNames.length > 20);
  for (const name of commandNames) {
    await t.test(name, () => {
      for (const flag of ['--help', '-h']) {
        const { stdout, stderr } = nelm([...name.split(' '), flag],
          { env: { NELM_DATABASE: `sqlite:${dir}/untouched.db` } });
        assert.equal(stderr, '');
        assert.match(stdout, new RegExp(`^Usage: nelm ${name}\\b`));
        for (const line of stdout.split('\n'))
          assert.ok(line.length <= 80, line);
      }
      assert.match(nelm([...name.split(' '), '--version']).stdout,
        /^nelm \d+\.\d+\.\d+\n$/);
    });
  }
  assert.ok(!fs.existsSync(`${dir}/untouched.db`));
});

test('the list of commands is complete', () => {
  const { stdout } = nelm(['--help']);
  for (const name of commandNames)
    assert.match(stdout, new RegExp(`^  ${name} `, 'm'));
  assert.match(nelm(['identity', '--help']).stdout, /identity set-password/);
  assert.doesNotMatch(nelm(['identity', '--help']).stdout, /serve/);
});

test('the manual is what the program says', async (t) => {
  for (const page of ['settings', 'commands', 'errors', 'metrics']) {
    await t.test(page, () => {
      const committed =
        fs.readFileSync(`${root}/docs/manual/${page}.md`, 'utf8');
      assert.ok(committed === nelm(['doc', page]).stdout,
        `make it anew: nelm doc ${page} >docs/manual/${page}.md`);
    });
  }
});

test('nelm(1) names every command and setting, in good roff', async (t) => {
  const page = nelm(['doc', 'man']).stdout;
  const plain = page.replaceAll('\\-', '-');
  for (const name of commandNames)
    assert.match(plain, new RegExp(`^\\.SS nelm ${name}( [A-Z]+)?$`, 'm'));
  const settings = [...nelm(['doc', 'settings']).stdout
    .matchAll(/^## (.*)$/gm)].map(([, name]) => name);
  assert.ok(settings.length > 20);
  for (const name of settings)
    assert.ok(plain.includes(`\n\\fB--${name}\\fR, `), name);
  const lint = spawnSync('mandoc', ['-Tlint'], { input: page });
  if (lint.error?.code === 'ENOENT')
    return t.skip('mandoc is not installed');
  assert.equal(lint.stdout.toString(), '');
  assert.equal(lint.status, 0);
});

const WRONG = [
  [[], /no command/],
  [['nonsense'], /there is no command "nonsense"/],
  [['dog'], /there is no command "dog"; see nelm --help/],
  [['improt', 'x'], /did you mean import\?/],
  [['identity'], /there is no command "identity"/],
  [['identity', 'crate'], /did you mean identity create\?/],
  [['--listen', 'x', 'serve'], /a command goes before --listen/],
  [['serve', '--lisen', 'x'], /no flag --lisen; did you mean --listen\?/],
  [['serve', '-l'], /no flag -l/],
  [['serve', '--listen'], /--listen needs a value/],
  [['serve', '--listen', '--pod'], /--listen needs a value/],
  [['serve', '--pod', 'a', '--pod=b'], /--pod is given twice/],
  [['serve', '--tls-cert', 'x'], /tls-cert and tls-key go together/],
  [['serve', 'now'], /"now" is one word too many/],
  [['identity', 'list', '--workers', '3'],
    /--workers is not for nelm identity list/],
  [['identity', 'create', '--alias', 'x', '--name', 'y'],
    /--email is missing/],
  [['identity', 'create', '--alias', ' ', '--name', 'y', '--email', 'z'],
    /--alias has 0 characters, not 1 to 128/],
  [['identity', 'create', '--alias', 'a\nb', '--name', 'y', '--email', 'z'],
    /--alias is not UTF-8 text without control characters/],
  [['identity', 'create', '--alias', 'x', '--name', 'y', '--email', 'z',
    '--level', 'ORG_ADMIN', '--level', 'KING'], /no user level "KING"/],
  [['identity', 'delete'], /ALIAS is missing/],
  [['token', 'create', '--identity', 'admin', '--scope', 'idn:nelm:raed'],
    /no scope "idn:nelm:raed"/],
  [['token', 'create', '--identity', 'admin', '--validity', '14'],
    /--validity "14" is not a whole number from 15 to 43200/],
  [['client', 'create', '--name', 'x', '--grant', 'PASSWORD'],
    /no grant "PASSWORD"/],
  [['client', 'create', '--name', 'x', '--grant', 'AUTHORIZATION_CODE'],
    /AUTHORIZATION_CODE needs a --redirect-uri/],
  [['client', 'create', '--name', 'x', '--redirect-uri', 'nowhere'],
    /"nowhere" is not an absolute URI/],
  [['source', 'create', '--name', 'x'.repeat(129), '--description', '',
    '--owner', 'admin'], /--name has 129 characters, not 1 to 128/],
  [['source', 'create', '--name', 'x', '--description', 'x'.repeat(4001),
    '--owner', 'admin'], /--description is not/],
  [['export', '--source', 'x', '--line-end', 'cr'],
    /--line-end is "cr", not lf or crlf/],
  [['export', '--source', 'x', '--bom=yes'], /--bom takes no value/],
  [['sample', '--rows', 'x'], /--rows "x" is not a whole number/],
  [['doc', 'nonsense'], /no page "nonsense"/],
];

test('wrong usage: 2 and one line that says what', async (t) => {
  for (const [args, text] of WRONG)
    await t.test(`nelm ${args.join(' ').slice(0, 70)}`, () => {
      assert.match(refused(args, 2), text);
    });
});

test('a setting that does not fit: 2, with its place and the reason', () => {
  const config = `${dir}/wrong.conf`;
  fs.writeFileSync(config, '# first line\nworkers = many\n');
  assert.match(refused(['serve', '--workers', '0'], 2),
    /setting workers: "0" from --workers is not a whole number from 1 to/);
  assert.match(refused(['serve'], 2, { env: { NELM_WORKERS: 'lots' } }),
    /setting workers: "lots" from NELM_WORKERS is not/);
  assert.match(refused(['serve', '--config', config], 2),
    /setting workers: "many" from .*wrong\.conf:2 is not/);
  assert.match(refused(['serve', '--config', `${dir}/none`], 2),
    /could not read the configuration file/);
});

test('a flag beats a variable beats the file', () => {
  const config = `${dir}/right.conf`;
  // Which database there is not tells which one was meant.
  const meant = (args, env) =>
    /"(.*\.db)"/.exec(refused(['identity', 'list', ...args], 1, { env }))[1];
  fs.writeFileSync(config, `database = sqlite:${dir}/file.db\n`);
  const none = { NELM_DATABASE: '' };
  const variable = { NELM_DATABASE: `sqlite:${dir}/variable.db` };
  assert.equal(meant([], none), './data/nelm.db');
  assert.equal(meant(['--config', config], none), `${dir}/file.db`);
  assert.equal(meant([], { ...none, NELM_CONFIG: config }), `${dir}/file.db`);
  assert.equal(meant(['--config', config], variable), `${dir}/variable.db`);
  assert.equal(meant(['--config', config, '--database',
    `sqlite:${dir}/flag.db`], variable), `${dir}/flag.db`);
});

const NO_ID = '01890000-0000-7000-8000-000000000000';
const REFUSED = [
  [['init'], /initialised already; nothing was changed/],
  [['identity', 'create', '--alias', 'ADMIN', '--name', 'x', '--email', 'x'],
    /"ADMIN" is already being used/],
  [['identity', 'create', '--alias', 'x', '--name', 'x', '--email', 'x',
    '--manager', 'nobody'], /no identity with the alias "nobody"/],
  [['identity', 'delete', 'nobody'], /no identity with the alias "nobody"/],
  [['identity', 'set-password', 'nobody'], /no password on standard input/],
  [['workgroup', 'add', '--group', 'g', '--identity', 'nobody'], /"nobody"/],
  [['workgroup', 'remove', '--group', 'g', '--identity', 'admin'],
    /"admin" is not in that workgroup/],
  [['token', 'create', '--identity', 'admin', '--name', 'init'],
    /"admin" has a token "init" already/],
  [['token', 'delete', NO_ID], /there is no personal access token/],
  [['token', 'delete', 'nonsense'], /there is no personal access token/],
  [['client', 'delete', admin.clientId], /there is no API client/],
  [['source', 'create', '--name', 'x', '--description', 'x', '--owner', 'y'],
    /no identity with the alias "y"/],
  [['import', '--source', NO_ID, '-'], /there is no source/],
  [['export', '--source', 'nonsense'], /there is no source "nonsense"/],
  [['serve', '--database', 'mysql:x'], /database of the kind "mysql"/],
];

test('what cannot be done: 1, one line, nothing changed', async (t) => {
  const state = () => ['identity', 'token', 'client', 'source', 'workgroup']
    .map((kind) => nelm([kind, 'list']).stdout);
  const before = state();
  for (const [args, text] of REFUSED)
    await t.test(`nelm ${args.join(' ')}`, () => {
      assert.match(refused(args, 1), text);
    });
  assert.deepEqual(state(), before);
});

test('a database that is not initialised names the command that helps', () => {
  const env = { NELM_DATABASE: `sqlite:${dir}/empty.db` };
  const commands = [['identity', 'list'], ['migrate'],
    ['serve', '--listen', '127.0.0.1:0']];
  for (const args of commands)
    assert.match(refused(args, 1, { env }), /nelm init/);
  assert.ok(!fs.existsSync(`${dir}/empty.db`));
  fs.writeFileSync(`${dir}/empty.db`, '');
  for (const args of commands)
    assert.match(refused(args, 1, { env }), /run "nelm init/);
  nelm(['init'], { env });
  const { from, to } = JSON.parse(nelm(['migrate'], { env }).stdout);
  assert.ok(from > 0);
  assert.equal(from, to);
});

test('init takes the administrator as it is told', () => {
  const env = { NELM_DATABASE: `sqlite:${dir}/deep/down/nelm.db`,
    NELM_TENANT_NAME: 'acme' };
  const { identity } = JSON.parse(nelm(['init', '--alias', 'ada',
    '--name', 'Ada', '--email=ada@example.com'], { env }).stdout);
  assert.deepEqual({ ...identity, id: undefined },
    { id: undefined, alias: 'ada', name: 'Ada' });
  const [ada] = JSON.parse(nelm(['identity', 'list'], { env }).stdout);
  assert.equal(ada.email, 'ada@example.com');
  assert.deepEqual(ada.levels, ['ORG_ADMIN']);
});

test('lists show what was made until it is deleted', () => {
  const json = (...args) => JSON.parse(nelm(args).stdout);
  const made = json('identity', 'create', '--alias', 'ann', '--name', 'Ann "A"',
    '--email', 'ann@example.com', '--manager', 'ADMIN',
    '--level', 'SOURCE_ADMIN', '--level', 'SOURCE_SUBADMIN');
  assert.match(made.id, /^[0-9a-f]{32}$/);
  assert.deepEqual(made.levels, ['SOURCE_ADMIN', 'SOURCE_SUBADMIN']);
  assert.equal(made.manager.id, admin.identity.id);
  assert.deepEqual(json('identity', 'list')[1], made);

  assert.deepEqual(json('workgroup', 'add', '--group', 'g', '--identity',
    'ann'), { group: 'g', identity: made.id, alias: 'ann' });
  assert.equal(json('workgroup', 'list').length, 1);

  const { clientId, clientSecret, ...token } = json('token', 'create',
    '--identity', 'ann', '--scope', 'idn:nelm:read', '--scope',
    'sp:scopes:default', '--validity', '60');
  assert.match(clientSecret, /^[0-9a-f]{64}$/);
  assert.equal(clientId.length, 36);
  assert.deepEqual(token.scope, ['idn:nelm:read', 'sp:scopes:default']);
  assert.equal(token.accessTokenValiditySeconds, 60);
  const months = (Date.parse(token.expirationDate) - Date.now()) / 2629800000;
  assert.ok(months > 5.8 && months <= 6, `${months}`);
  assert.deepEqual(json('token', 'list')[1], token);
  nelm(['token', 'delete', clientId.toUpperCase()]);
  assert.equal(json('token', 'list').length, 1);

  const client = json('client', 'create', '--name', 'app');
  assert.deepEqual(client.grantTypes, ['CLIENT_CREDENTIALS']);
  assert.equal(json('client', 'list')[0].id, client.clientId);
  nelm(['client', 'delete', client.clientId]);
  assert.deepEqual(json('client', 'list'), []);

  nelm(['workgroup', 'remove', '--group', 'g', '--identity', 'ann']);
  assert.deepEqual(json('workgroup', 'list'), []);
  nelm(['identity', 'set-password', 'ann'], { input: 'secret\n' });
  nelm(['identity', 'delete', 'ann']);
  assert.equal(json('identity', 'list').length, 1);
});

test('what an error says is said once, and in one sentence', () => {
  fs.writeFileSync(`${dir}/text`, 'this is no database\n'.repeat(1000));
  assert.equal(refused(['check', '--database', `sqlite:${dir}/text`], 1)
    .match(/file is not a database/g).length, 1);
  assert.equal(refused(['check', '--database', 'postgresql://x@127.0.0.1:1/x'],
    1).match(/cannot connect/g).length, 1);
  assert.match(refused(['audit', 'list', '--filters', 'x'], 1),
    /invalid data: an operator is missing at character 2$/);
});

test('an identity has at most ten personal access tokens', () => {
  const one = (...args) =>
    JSON.parse(nelm(['identity', 'create', ...args]).stdout);
  one('--alias', 'ten', '--name', 'Ten', '--email', 'ten@example.com');
  for (let n = 0; n < 10; n++)
    nelm(['token', 'create', '--identity', 'ten']);
  assert.match(refused(['token', 'create', '--identity', 'ten'], 1),
    /limit of 10 personal access tokens/);
});

test('max-sources bounds the sources', () => {
  const create = (name, most) => ['source', 'create', '--name', name,
    '--description', '', '--owner', 'admin', '--max-sources', most];
  const made = JSON.parse(nelm(create('First', '1')).stdout);
  assert.match(made.id, /^[0-9a-f]{8}-/);
  assert.match(made.sourceId, /^[0-9a-f]{32}$/);
  assert.match(made.cloudExternalId, /^\d+$/);
  assert.match(refused(create('Second', '1'), 1),
    /current limit of 1 non-employee sources/);
  nelm(create('Second', '2'));
});

const HEADER =
  'accountName,firstName,lastName,phone,email,manager,startDate,endDate\n';

test('import and export', async (t) => {
  const row = (n) => `user.${n},A,B,1,a@example.com,admin,` +
    '2024-01-01T00:00:00Z,2024-12-31T00:00:00Z\n';
  const source = JSON.parse(nelm(['source', 'create', '--name', 'People',
    '--description', '', '--owner', 'admin']).stdout);
  const file = `${dir}/people.csv`;
  fs.writeFileSync(file, HEADER + row(1) + row(2));
  const load = (...args) => JSON.parse(nelm(
    ['import', '--source', source.id, ...args]).stdout);

  await t.test('counts', () => {
    assert.deepEqual(load(file),
      { rows: 2, created: 2, updated: 0, unchanged: 0, errors: 0 });
    assert.deepEqual(load(file),
      { rows: 2, created: 0, updated: 0, unchanged: 2, errors: 0 });
  });

  await t.test('bad lines are listed and counted, nothing is written', () => {
    const { stdout, stderr } = nelm(['import', '--source', source.sourceId,
      '-'], { code: 1, input: `${HEADER}${row(3)},,,,,,,\n` });
    assert.deepEqual(JSON.parse(stdout),
      { rows: 2, created: 0, updated: 0, unchanged: 0, errors: 1 });
    assert.match(stderr, /^Line 3: .*\nnelm: nothing was imported: .*\n$/);
    assert.equal(nelm(['export', '--source', source.id]).stdout,
      HEADER + row(1) + row(2));
  });

  await t.test('limits and managers are settings', () => {
    assert.match(nelm(['import', '--source', source.id,
      '--max-records-per-source', '2', '-'],
    { code: 1, input: HEADER + row(3) }).stderr, /limit of 2/);
    const stranger = row(3).replace('admin', 'stranger');
    nelm(['import', '--source', source.id, '-'],
      { code: 1, input: HEADER + stranger });
    nelm(['import', '--source', source.id, '--check-managers', 'off', '-'],
      { input: HEADER + stranger });
  });

  await t.test('an export to a file appears whole or not at all', () => {
    const output = `${dir}/out.csv`;
    const { stdout } = nelm(['export', '--source', source.id,
      '--output', output]);
    const summary = JSON.parse(stdout);
    assert.equal(summary.rows, 3);
    assert.equal(summary.bytes, fs.statSync(output).size);
    assert.match(summary.sha256, /^[0-9a-f]{64}$/);
    const bytes = fs.readFileSync(output);
    nelm(['export', '--source', NO_ID, '--output', output], { code: 1 });
    assert.deepEqual(fs.readFileSync(output), bytes);
    assert.deepEqual(
      fs.readdirSync(dir).filter((name) => name.startsWith('out.csv')),
      ['out.csv']);
    assert.match(nelm(['export', '--source', source.id, '--output',
      `${dir}/no/such/out.csv`], { code: 1 }).stderr, /could not write/);
  });

  await t.test('a link is followed, a device stays what it is', () => {
    fs.writeFileSync(`${dir}/target.csv`, 'old', { mode: 0o640 });
    fs.symlinkSync('target.csv', `${dir}/link.csv`);
    nelm(['export', '--source', source.id, '--output', `${dir}/link.csv`]);
    assert.ok(fs.lstatSync(`${dir}/link.csv`).isSymbolicLink());
    assert.match(fs.readFileSync(`${dir}/target.csv`, 'utf8'), /user\.1/);
    assert.equal(fs.statSync(`${dir}/target.csv`).mode & 0o777, 0o640);
    nelm(['export', '--source', source.id, '--output', '/dev/null']);
    assert.ok(fs.statSync('/dev/null').isCharacterDevice());
  });

  await t.test('variants come back as they went', () => {
    const guarded = nelm(['export', '--source', source.id, '--bom',
      '--line-end', 'crlf', '--formula-guard']).stdout;
    assert.ok(guarded.startsWith(`\ufeff${HEADER.trimEnd()}\r\n`));
    assert.deepEqual(JSON.parse(nelm(['import', '--source', source.id,
      '--check-managers', 'off', '--formula-guard', '-'],
    { input: guarded }).stdout),
    { rows: 3, created: 0, updated: 0, unchanged: 3, errors: 0 });
  });

  await t.test('a reader who goes away: 1 and a line, not a signal', () => {
    nelm(['sample', 'identities']);
    const many = nelm(['sample', '--rows', '20000']).stdout;
    nelm(['import', '--source', source.id, '-'], { input: many });
    const ran = spawnSync('sh', ['-c', '{ "$0" export --source "$1"; ' +
      'echo "exit $?" >&2; } | head -c 10', NELM, source.id],
    { encoding: 'utf8', env: { ...process.env, NELM_DATABASE: database } });
    assert.match(ran.stderr, /^nelm: .*Broken pipe.*\nexit 1\n$/);
  });

  await t.test('a full disk: 1, a line, and no file', () => {
    assert.match(nelm(['export', '--source', source.id, '--output',
      '/dev/full'], { code: 1 }).stderr, /No space left/);
    const ran = spawnSync('sh', ['-c', '"$0" source list >/dev/full', NELM],
      { encoding: 'utf8', env: { ...process.env, NELM_DATABASE: database } });
    assert.equal(ran.status, 1);
    assert.match(ran.stderr, /No space left/);
  });
});

// Start the server; resolves to { child, url, log } when it is ready.
function serve(args = []) {
  const child = spawn(NELM, ['serve', '--listen', '127.0.0.1:0', ...args],
    { cwd: dir, env: { ...process.env, NELM_DATABASE: database },
      stdio: ['ignore', 'pipe', 'pipe'] });
  return new Promise((resolve, reject) => {
    const server = { child, log: '' };
    server.ended = new Promise((end) => {
      child.on('exit', (code, signal) => end({ code, signal }));
    });
    child.stderr.setEncoding('utf8').on('data', (text) => {
      server.log += text;
      const ready = /^listening on (http:\/\/127\.0\.0\.1:\d+)$/m
        .exec(server.log);
      if (ready)
        resolve(Object.assign(server, { url: ready[1] }));
    });
    child.on('exit', () => reject(new Error(server.log)));
  });
}

test('serve answers and ends with 0 when it is told to', async () => {
  for (const signal of ['SIGTERM', 'SIGINT']) {
    const server = await serve();
    assert.equal((await fetch(`${server.url}/healthz`)).status, 200);
    // The address is taken.
    assert.match(refused(['serve', '--listen', server.url.slice(7)], 1),
      /127\.0\.0\.1/);
    server.child.kill('SIGHUP');
    server.child.kill(signal);
    assert.deepEqual(await server.ended, { code: 0, signal: null });
    await assert.rejects(fetch(`${server.url}/healthz`));
  }
  assert.ok(fs.existsSync(`${dir}/nelm.db-cache`));
});
