// A throw-away world for one test file: a directory with a database, the
// command line on it, and servers that run on it.
//
// NELM names the program (default: build/nelm of this tree). Everything that
// is started here is stopped by its own process id, in world.done().

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { Sqlite, newDatabase } from './database.js';
import { request, readToken } from './http.js';

const here = path.dirname(fileURLToPath(import.meta.url));

export const NELM = path.resolve(
  process.env.NELM ?? path.join(here, '../../../build/nelm'));

export const UNLIMITED = ['--rate-limit', 'off', '--token-rate-limit', 'off'];

const READY_MS = 20_000;

// Settings of whoever runs the tests must not reach the program under test.
function cleanEnvironment() {
  return Object.fromEntries(Object.entries(process.env)
    .filter(([name]) => name !== 'NELM' && !name.startsWith('NELM_')));
}

// Run a program to its end; resolves to { code, signal, stdout, stderr }.
// `child` (in the returned promise) lets the caller kill it on the way.
export function run(program, args, { input, cwd, env } = {}) {
  const child = spawn(program, args, {
    cwd, env: { ...cleanEnvironment(), ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const out = [];
  const err = [];
  child.stdout.on('data', (piece) => out.push(piece));
  child.stderr.on('data', (piece) => err.push(piece));
  child.stdin.on('error', () => {}); // it may end before it reads everything
  child.stdin.end(input ?? '');
  const result = new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({
      code, signal,
      stdout: Buffer.concat(out),
      stderr: Buffer.concat(err).toString(),
    }));
  });
  result.child = child;
  return result;
}

export class Server {
  constructor(child, base) {
    this.child = child;
    this.pid = child.pid;
    this.base = base;
    this.url = new URL(base);
    this.host = this.url.hostname;
    this.port = Number(this.url.port);
    this.log = '';
    this.ended = new Promise((resolve) => {
      child.on('close', (code, signal) => resolve({ code, signal }));
    });
  }

  get(pathname, options = {}) {
    return request(this, { path: pathname, ...options });
  }

  // Resolves to { code, signal }.
  stop(signal = 'SIGTERM') {
    if (this.child.exitCode === null && this.child.signalCode === null)
      this.child.kill(signal);
    return this.ended;
  }
}

// What is still there when this process ends too early goes with it.
const worlds = new Set();
process.on('exit', () => {
  for (const world of worlds)
    world.abandon();
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
  process.on(signal, () => process.exit(1));

export class World {
  static async create() {
    const world = new World();
    world.admin = await world.json('init');
    return world;
  }

  // A store is { url, env, drop() }; without one there is a new database.
  constructor(store) {
    this.dir = fs.mkdtempSync(path.join(os.tmpdir(), 'nelm-test-'));
    this.store = store ?? newDatabase(this.dir);
    this.servers = [];
    this.undo = [];
    this.files = 0;
    worlds.add(this);
  }

  // A SQLite file in `dir` instead; before anything is in it.
  useFile(dir) {
    this.store.drop();
    this.store = new Sqlite(dir);
  }

  get database() {
    return this.store.url;
  }

  get spool() {
    return this.store.spool;
  }

  env() {
    return { NELM_DATABASE: this.database, ...this.store.env };
  }

  // Run `nelm ARGS` on this world's database. `prefix` is a program that runs
  // it in its own place, such as taskset.
  start(args, { input, env, prefix = [] } = {}) {
    const [program, ...rest] = [...prefix, NELM, ...args];
    return run(program, rest,
      { input, cwd: this.dir, env: { ...this.env(), ...env } });
  }

  async cli(args, { input, code = 0, env } = {}) {
    const result = await this.start(args, { input, env });
    assert.equal(result.code, code,
      `nelm ${args.join(' ')}: exit ${result.code} ${result.signal ?? ''}\n` +
      `${result.stderr}${result.stdout}`);
    return result;
  }

  // The one JSON value that `nelm ARGS` prints.
  async json(...args) {
    const { stdout } = await this.cli(args);
    return JSON.parse(stdout.toString());
  }

  async serve(args = UNLIMITED, { env, prefix = [], listen = true } = {}) {
    const [program, ...rest] = [...prefix, NELM, 'serve',
      ...(listen ? ['--listen', '127.0.0.1:0'] : []), ...args];
    const child = spawn(program, rest, {
      cwd: this.dir, env: { ...cleanEnvironment(), ...this.env(), ...env },
      stdio: ['ignore', 'inherit', 'pipe'],
    });
    let log = '';
    const base = await new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        child.kill('SIGKILL');
        reject(new Error(`nelm serve was not ready in time\n${log}`));
      }, READY_MS);
      child.on('error', reject);
      child.on('close', (code) => {
        clearTimeout(timer);
        reject(new Error(`nelm serve ended with ${code}\n${log}`));
      });
      child.stderr.on('data', (piece) => {
        log += piece;
        const ready = /listening on (https?:\/\/\S+)/.exec(log);
        if (ready) {
          clearTimeout(timer);
          resolve(ready[1]);
        }
      });
    });
    const server = new Server(child, base);
    server.log = log;
    child.stderr.on('data', (piece) => { server.log += piece; });
    this.servers.push(server);
    return server;
  }

  // An access token for `client` ({ clientId, clientSecret }).
  token(server, client = this.admin) {
    return readToken(server, client);
  }

  file(content, name = `file-${this.files++}.csv`) {
    const file = path.join(this.dir, name);
    fs.writeFileSync(file, content);
    return file;
  }

  async identity(alias, { levels = [], name = alias, email } = {}) {
    return this.json('identity', 'create', '--alias', alias, '--name', name,
      '--email', email ?? `${alias}@example.com`,
      ...levels.flatMap((level) => ['--level', level]));
  }

  async source(name, { owner = this.admin.identity.alias, workgroup } = {}) {
    return this.json('source', 'create', '--name', name,
      '--description', 'made by a test', '--owner', owner,
      ...(workgroup ? ['--workgroup', workgroup] : []));
  }

  async pat(alias, ...scopes) {
    return this.json('token', 'create', '--identity', alias,
      '--name', `token ${this.files++}`,
      ...scopes.flatMap((scope) => ['--scope', scope]));
  }

  async client(name, { scopes = [], grants = ['CLIENT_CREDENTIALS'] } = {}) {
    return this.json('client', 'create', '--name', name,
      ...scopes.flatMap((scope) => ['--scope', scope]),
      ...grants.flatMap((grant) => ['--grant', grant]),
      ...(grants.includes('AUTHORIZATION_CODE')
        ? ['--redirect-uri', 'http://127.0.0.1:1/back'] : []));
  }

  async import(source, csv) {
    const { stdout } = await this.cli(
      ['import', '--source', source.id, '-'], { input: csv });
    return JSON.parse(stdout.toString());
  }

  async export(source) {
    return (await this.cli(['export', '--source', source.id])).stdout;
  }

  async sample(rows, seed = 1) {
    return (await this.cli(
      ['sample', '--rows', String(rows), '--seed', String(seed)])).stdout;
  }

  // The people whom sample rows name as managers.
  sampleManagers() {
    return this.cli(['sample', 'identities']);
  }

  // See database.js for the dialect.
  sql(statement) {
    return this.store.sql(statement);
  }

  // Until a server has made all records findable.
  async caughtUp(seconds = 60) {
    for (const end = Date.now() + seconds * 1000; Date.now() < end;) {
      if (await this.sql('SELECT count(*) FROM source s WHERE next_row > ' +
        'COALESCE((SELECT d.next_row FROM record_find_done d ' +
        'WHERE d.source = s.number), 1)') === '0')
        return;
      await sleep(100);
    }
    assert.fail('the index does not catch up');
  }

  // A custom column. The call for it belongs to a later capability of the
  // program; until then the row is put where that call will put it.
  async column(source, technicalName) {
    const id = source.id.replaceAll('-', '');
    await this.sql(`BEGIN IMMEDIATE;
      INSERT INTO schema_attribute (id, source, number, type, label,
          technical_name, technical_key, required, created_ms, modified_ms)
        SELECT randomblob(16), number, max(next_column, 9), 'TEXT',
          '${technicalName}', '${technicalName}', lower('${technicalName}'),
          0, changed_ms, changed_ms
        FROM source WHERE hex(id) = upper('${id}');
      UPDATE source SET next_column = max(next_column, 9) + 1,
          revision = revision + 1 WHERE hex(id) = upper('${id}');
      COMMIT;`);
  }

  // Something in a directory of its own for this world, such as a mount, that
  // has to be undone before the directory can go.
  cleanup(undo) {
    this.undo.push(undo);
  }

  abandon() {
    for (const server of this.servers)
      server.stop('SIGKILL');
    for (const undo of this.undo)
      undo();
    this.store.drop();
    fs.rmSync(this.dir, { recursive: true, force: true, maxRetries: 5 });
    worlds.delete(this);
  }

  async done() {
    await Promise.all(this.servers.map((server) => server.stop('SIGKILL')));
    this.abandon();
  }
}

export const HEADER =
  'accountName,firstName,lastName,phone,email,manager,startDate,endDate';

// One CSV line for account `n` of generation `generation`; every value is in
// the form that the export gives it, so what goes in comes out.
export function line(n, generation, manager) {
  return `user.${n},First${generation},Last${n},+1 555 ${generation},` +
    `user.${n}@example.com,${manager},2024-01-01T08:00:00+01:00,` +
    '2030-12-31T17:30:00-05:00\n';
}

export function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
