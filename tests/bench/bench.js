// Measures the program against nginx and sqlite3 on this machine, in one run,
// and prints ratios: absolute figures say more about the machine.
//
//   node tests/bench/bench.js [P1 P2 P5 P6 P7] [--rows N] [--rounds N]
//       [--quick] [--json FILE]
//
// The program and each peer run on one core, their client on another; rounds
// of the program and its peer take turns, and the medians are compared.
// Nobody writes a log. A goal that is missed is shown, and is no failure.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';

import { downloadPath } from '../api/lib/http.js';
import { MemoryWatch, mib } from '../api/lib/memory.js';
import { NELM, UNLIMITED, World, run, sleep } from '../api/lib/nelm.js';

const COLUMNS = 'account_name, first_name, last_name, phone, email, manager, ' +
  'start_ms, end_ms';

// --- arguments and the machine ---

function usage(problem) {
  process.stderr.write(`${problem}\nusage: bench.js [P1 P2 P5 P6 P7] ` +
    '[--rows N] [--rounds N] [--quick] [--json FILE]\n');
  process.exit(2);
}

function parseArguments(args) {
  const options = { work: [], rows: 1_000_000, rounds: 5, seconds: 3 };
  while (args.length > 0) {
    const arg = args.shift();
    if (/^P[0-9]+$/i.test(arg)) {
      const id = arg.toUpperCase();
      if (!BENCHES[id])
        usage(`${id} is not measured here`);
      options.work.push(id);
    } else if (arg === '--quick') {
      Object.assign(options, { rows: 100_000, rounds: 3, seconds: 1 });
    } else if (arg === '--rows' || arg === '--rounds') {
      const number = Number(args.shift());
      if (!Number.isInteger(number) || number < 1)
        usage(`${arg} takes a number`);
      options[arg.slice(2)] = number;
    } else if (arg === '--json' && args.length > 0) {
      options.json = args.shift();
    } else {
      usage(`"${arg}" is not understood`);
    }
  }
  if (options.work.length === 0)
    options.work = Object.keys(BENCHES);
  return options;
}

// The cores that we may use: one for servers, one for clients.
function cores() {
  const text = /^Cpus_allowed_list:\s+(.*)$/m.exec(
    fs.readFileSync('/proc/self/status', 'latin1'))[1];
  const list = text.split(',').flatMap((range) => {
    const [first, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
  if (list.length < 2)
    usage('two cores are needed: one for the server, one for its client');
  return { server: String(list[0]), client: String(list[1]) };
}

function on(core) {
  return ['taskset', '-c', core];
}

function version(program, ...args) {
  const { stdout, stderr, error } = spawnSync(program, args);
  if (error)
    usage(`${program} is not installed: ./dev setup bench`);
  return `${stdout}${stderr}`.trim().split('\n')[0];
}

const median = (numbers) => {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]
    : (sorted[middle - 1] + sorted[middle]) / 2;
};

// What is going on, for somebody who watches.
function say(text) {
  if (process.stderr.isTTY)
    process.stderr.write(`\r\x1b[K${text}`);
}

// --- what is measured with ---

async function timed(program, args, options) {
  const began = process.hrtime.bigint();
  const { code, stderr } = await run(program, args, options);
  assert.equal(code, 0, stderr);
  return Number(process.hrtime.bigint() - began) / 1e9;
}

// Seconds that a download takes its client, from connecting to the last byte.
async function curl(bench, url, headers = []) {
  const { stdout, stderr, code } = await run('taskset', ['-c',
    bench.cores.client, 'curl', '-sS', '-o', '/dev/null', '-w',
    '%{http_code} %{size_download} %{time_total}',
    ...headers.flatMap((header) => ['-H', header]), url]);
  assert.equal(code, 0, stderr);
  const [status, bytes, seconds] = stdout.toString().split(' ').map(Number);
  assert.equal(status, 200, url);
  return { bytes, seconds };
}

// Answers a second over kept connections.
async function wrk(bench, url, headers = []) {
  const { stdout, code, stderr } = await run('taskset', ['-c',
    bench.cores.client, 'wrk', '-t1', '-c32', `-d${bench.seconds}s`,
    ...headers.flatMap((header) => ['-H', header]), url]);
  assert.equal(code, 0, stderr);
  const text = stdout.toString();
  assert.ok(!/Non-2xx|Socket errors/.test(text), text);
  return Number(/^Requests\/sec:\s+([0-9.]+)/m.exec(text)[1]);
}

// ours() and peer() in turn, after one round of each that does not count.
async function rounds(bench, name, count, ours, peer) {
  const results = { ours: [], peer: [] };
  for (let round = 0; round <= count; round++) {
    say(`${name}: round ${round}/${count}`);
    const one = await ours(round);
    const other = await peer(round);
    if (round > 0) {
      results.ours.push(one);
      results.peer.push(other);
    }
  }
  say('');
  return results;
}

// --- the peers and the data ---

function freePort() {
  return new Promise((resolve, reject) => {
    const probe = net.createServer();
    probe.on('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

class Bench {
  constructor(options) {
    Object.assign(this, options);
    this.cores = cores();
    this.results = [];
    this.children = [];
  }

  async prepare() {
    this.world = await World.create();
    this.dir = this.world.dir;
    this.sampleFile = path.join(this.dir, 'sample.csv');
    const out = fs.openSync(this.sampleFile, 'w');
    const made = spawnSync(NELM, ['sample', '--rows', String(this.rows)],
      { stdio: ['ignore', out, 'inherit'] });
    fs.closeSync(out);
    assert.equal(made.status, 0);
    await this.world.sampleManagers();
    this.source = await this.world.source('Bench');
    this.emptyDatabase = await this.copyDatabase('empty.db');
  }

  async copyDatabase(name) {
    const file = path.join(this.dir, name);
    await this.world.sql(`.backup ${file}`);
    return file;
  }

  // The rows are in the database (once for all who need them).
  filled() {
    this.filling ??= (async () => {
      say(`filling in ${this.rows} rows`);
      await this.world.cli(
        ['import', '--source', this.source.id, this.sampleFile]);
      say('');
    })();
    return this.filling;
  }

  async serve({ cache = 'cache', core = this.cores.server } = {}) {
    const server = await this.world.serve([...UNLIMITED,
      '--log-level', 'error', '--cache-dir', path.join(this.dir, cache),
      ...(core === undefined ? [] : ['--event-threads', '1'])],
    { prefix: core === undefined ? [] : on(core) });
    const token = await this.world.token(server);
    return { server, url: `${server.base}${downloadPath(this.source.id)}`,
      token, authorization: `Authorization: Bearer ${token}` };
  }

  // One worker, no log, the files of `root`.
  async nginx(root) {
    const port = await freePort();
    const prefix = path.join(this.dir, 'nginx');
    fs.mkdirSync(prefix, { recursive: true });
    const conf = path.join(prefix, 'nginx.conf');
    fs.writeFileSync(conf, `
      daemon off; master_process off; worker_processes 1;
      pid ${prefix}/nginx.pid; error_log ${prefix}/error.log;
      events { worker_connections 4096; }
      http {
        access_log off; sendfile on; tcp_nopush on; tcp_nodelay on;
        keepalive_requests 1000000000; default_type text/csv;
        client_body_temp_path ${prefix}/body; proxy_temp_path ${prefix}/proxy;
        fastcgi_temp_path ${prefix}/fastcgi; uwsgi_temp_path ${prefix}/uwsgi;
        scgi_temp_path ${prefix}/scgi;
        server { listen 127.0.0.1:${port}; root ${root}; }
      }`);
    const child = spawn('taskset', ['-c', this.cores.server, 'nginx',
      '-p', prefix, '-c', conf, '-e', `${prefix}/error.log`],
    { stdio: ['ignore', 'inherit', 'inherit'] });
    this.children.push(child);
    for (let i = 0; ; i++) {
      const up = await new Promise((resolve) => {
        const socket = net.connect(port, '127.0.0.1', () => {
          socket.destroy();
          resolve(true);
        });
        socket.on('error', () => resolve(false));
      });
      if (up)
        break;
      assert.ok(i < 100 && child.exitCode === null, 'nginx did not start');
      await sleep(50);
    }
    return { base: `http://127.0.0.1:${port}`, stop: () => child.kill() };
  }

  // `atLeast`/`atMost`: the goal for the ratio ours / peer.
  compare(id, name, unit, { ours, peer }, { atLeast, atMost, peerName }) {
    const ratio = median(ours) / median(peer);
    const each = ours.map((value, i) => value / peer[i]);
    const goal = atLeast ?? atMost;
    const met = goal === undefined ? undefined
      : atLeast !== undefined ? ratio >= atLeast : ratio <= atMost;
    this.results.push({ id, name, unit, peerName, ours, peer,
      median: { ours: median(ours), peer: median(peer) }, ratio,
      ratioLeast: Math.min(...each), ratioMost: Math.max(...each),
      goal: goal === undefined ? null
        : { kind: atLeast !== undefined ? 'at least' : 'at most', value: goal },
      met: met ?? null });
  }

  // A figure without a peer.
  state(id, name, unit, value, atMost) {
    this.results.push({ id, name, unit, ours: [value], value,
      goal: { kind: 'at most', value: atMost }, met: value <= atMost });
  }

  skip(id, name, reason) {
    this.results.push({ id, name, skipped: reason, met: null });
  }

  async done() {
    for (const child of this.children)
      child.kill();
    await this.world?.done();
  }
}

// --- the work, by the numbers of the design ---

const BENCHES = {
  // Repeated download of an unchanged source, against the same bytes as a
  // static file. Also what one core can send when the client is slower.
  async P1(bench) {
    await bench.filled();
    const ours = await bench.serve();
    const root = path.join(bench.dir, 'static');
    fs.mkdirSync(root, { recursive: true });
    await bench.world.cli(['export', '--source', bench.source.id, '--output',
      path.join(root, 'same.csv')]);
    const nginx = await bench.nginx(root);
    const size = fs.statSync(path.join(root, 'same.csv')).size;
    const rate = async (url, headers) => {
      const { bytes, seconds } = await curl(bench, url, headers);
      assert.equal(bytes, size);
      return bytes / seconds / 1e6;
    };
    const got = await rounds(bench, 'P1', bench.rounds * 2 + 1,
      () => rate(ours.url, [ours.authorization]),
      () => rate(`${nginx.base}/same.csv`));
    bench.compare('P1', 'unchanged download', 'MB/s', got,
      { atLeast: 0.95, peerName: 'nginx sendfile, same bytes' });
    nginx.stop();
    await ours.server.stop();
  },

  // First download with an empty cache and a server that has just begun,
  // digest included, against the sqlite3 program writing the same columns
  // (dates as stored) in the same order to /dev/null.
  async P2(bench) {
    await bench.filled();
    const copy = await bench.copyDatabase('analyzed.db');
    assert.equal((await run('sqlite3', [copy, 'ANALYZE'])).code, 0);
    const number = await bench.world.sql('SELECT number FROM source');
    const query = `SELECT ${COLUMNS} FROM record WHERE source = ${number} ` +
      'ORDER BY key';
    const cold = async (core, round) => {
      const cache = `cold-${core}-${round}`;
      const ours = await bench.serve({ cache, core });
      const { seconds } = await curl(bench, ours.url, [ours.authorization]);
      await ours.server.stop();
      fs.rmSync(path.join(bench.dir, cache), { recursive: true, force: true });
      return seconds;
    };
    const peer = (core) => timed('sh', ['-c',
      `exec ${core === undefined ? '' : `taskset -c ${core}`} ` +
      'sqlite3 -csv -header "$1" "$2" >/dev/null', 'sh', copy, query]);
    const one = bench.cores.server;
    bench.compare('P2', 'first download, one core', 's',
      await rounds(bench, 'P2', bench.rounds, (round) => cold(one, round),
        () => peer(one)),
      { atMost: 0.4, peerName: 'sqlite3 -csv after ANALYZE' });
    bench.compare('P2', 'first download, all cores', 's',
      await rounds(bench, 'P2 on all cores', bench.rounds,
        (round) => cold(undefined, round), () => peer(undefined)),
      { peerName: 'sqlite3 -csv after ANALYZE' });
    fs.rmSync(copy);
  },

  // Answers a second over 32 kept connections.
  async P5(bench) {
    await bench.filled();
    const ours = await bench.serve();
    const root = path.join(bench.dir, 'small');
    fs.mkdirSync(root, { recursive: true });
    fs.writeFileSync(path.join(root, 'small'), 'x'.repeat(200));
    const nginx = await bench.nginx(root);
    const first = await ours.server.get(downloadPath(bench.source.id),
      { token: ours.token, method: 'HEAD' });
    const condition = `If-None-Match: ${first.headers.etag}`;
    const again = await ours.server.get(downloadPath(bench.source.id),
      { token: ours.token, headers: { 'If-None-Match': first.headers.etag } });
    assert.equal(again.status, 304);
    const peer = () => wrk(bench, `${nginx.base}/small`);
    bench.compare('P5', 'conditional download (304)', 'answers/s',
      await rounds(bench, 'P5', bench.rounds,
        () => wrk(bench, ours.url, [ours.authorization, condition]), peer),
      { atLeast: 1.0, peerName: 'nginx, 200-byte file' });
    const id = (await bench.world.sql('SELECT lower(hex(id)) FROM record ' +
      'LIMIT 1')).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/,
      '$1-$2-$3-$4-$5');
    const record = `/v3/non-employee-records/${id}`;
    const probe = await ours.server.get(record, { token: ours.token });
    if (probe.status === 200) {
      bench.compare('P5', 'one record', 'answers/s',
        await rounds(bench, 'P5 record', bench.rounds,
          () => wrk(bench, `${ours.server.base}${record}`,
            [ours.authorization]), peer),
        { atLeast: 0.7, peerName: 'nginx, 200-byte file' });
    } else {
      bench.skip('P5', 'one record',
        `GET ${record.replace(id, '{id}')} answers ${probe.status}`);
    }
    nginx.stop();
    await ours.server.stop();
  },

  // Anonymous memory above idle, for a small source and the whole one: what
  // the process allocated itself, without the database's mapped pages.
  async P6(bench) {
    const { world } = bench;
    const small = await world.source('Small');
    const rows = Math.min(10_000, bench.rows);
    const sizes = [
      [`${rows} rows`, small, world.file(await world.sample(rows))],
      [`${bench.rows} rows`, await world.source('Whole'), bench.sampleFile]];
    for (const [name, source, file] of sizes) {
      say(`P6: ${name}`);
      const running = world.start(['import', '--source', source.id, file]);
      const watch = new MemoryWatch(running.child.pid, 2);
      const { code, stderr } = await running;
      assert.equal(code, 0, stderr);
      bench.state('P6', `import, ${name}`, 'MiB',
        watch.stop().anonymous / 1048576, 64);
      const ours = await bench.serve({ cache: `memory-${source.id}` });
      const idle = new MemoryWatch(ours.server.pid).stop().anonymous;
      for (const coding of ['identity', 'gzip', 'zstd']) {
        const during = new MemoryWatch(ours.server.pid, 2);
        await curl(bench, `${ours.server.base}${downloadPath(source.id)}`,
          [ours.authorization, `Accept-Encoding: ${coding}`]);
        bench.state('P6', `export, ${coding}, ${name}`, 'MiB',
          (during.stop().anonymous - idle) / 1048576, 64);
      }
      await ours.server.stop();
      say('');
    }
  },

  // A file into an empty source, against .import of the same file by the
  // sqlite3 program with the same durability (WAL, synchronous FULL): into
  // the same table with the same indexes, through a view whose trigger fills
  // the columns that the file does not have; and, as a lower bound, into a
  // table of just the file's eight columns with the one unique index. Neither
  // peer validates anything or keeps a history.
  async P7(bench) {
    const schema = await bench.world.sql('SELECT sql FROM sqlite_schema ' +
      'WHERE tbl_name = \'record\' AND sql IS NOT NULL');
    const table = schema.replace(/CREATE (UNIQUE INDEX|TABLE|INDEX)/g,
      ';CREATE $1').replace(/REFERENCES source \(number\)/g, '');
    const names = COLUMNS.replaceAll('_ms', '_text');
    const same = `${table};
      CREATE VIEW file AS SELECT ${names.split(', ')
    .map((name) => `'' AS ${name}`).join(', ')};
      CREATE TRIGGER fill INSTEAD OF INSERT ON file BEGIN
        INSERT INTO record (id, source, account_name, account_key, first_name,
            last_name, phone, email, manager, start_ms, start_offset, end_ms,
            end_offset, created_ms, modified_ms, line)
          VALUES (CAST(printf('%016d', (SELECT max(key) FROM record)) AS BLOB),
            1, NEW.account_name, lower(NEW.account_name), NEW.first_name,
            NEW.last_name, NEW.phone, NEW.email, NEW.manager,
            1577836800000, 0, 1577836800000, 0, 1577836800000, 1577836800000,
            NEW.account_name || ',' || NEW.first_name || ',' ||
            NEW.last_name || ',' || NEW.phone || ',' || NEW.email || ',' ||
            NEW.manager || ',' || NEW.start_text || ',' || NEW.end_text);
      END;`;
    const plain = `CREATE TABLE file (${names.split(', ')
      .map((name) => `${name} TEXT NOT NULL`).join(', ')}) STRICT;
      CREATE UNIQUE INDEX account ON file (lower(account_name));`;
    const core = bench.cores.server;
    const ours = async () => {
      const file = path.join(bench.dir, 'import.db');
      fs.copyFileSync(bench.emptyDatabase, file);
      const seconds = await timed('taskset', ['-c', core, NELM, 'import',
        '--database', `sqlite:${file}`, '--source', bench.source.id,
        bench.sampleFile]);
      const { stdout } = await run('sqlite3',
        [file, 'SELECT count(*) FROM record']);
      assert.equal(stdout.toString().trim(), String(bench.rows));
      for (const end of ['', '-wal', '-shm'])
        fs.rmSync(file + end, { force: true });
      return seconds;
    };
    const peer = async (made, counted) => {
      const file = path.join(bench.dir, 'peer.db');
      const setup = await run('sqlite3', ['-bail', file],
        { input: `PRAGMA journal_mode = WAL;\n${made}\n` });
      assert.equal(setup.code, 0, setup.stderr);
      const seconds = await timed('taskset', ['-c', core, 'sqlite3', file,
        'PRAGMA synchronous = FULL',
        `.import --csv --skip 1 ${bench.sampleFile} file`]);
      const { stdout } = await run('sqlite3',
        [file, `SELECT count(*) FROM ${counted}`]);
      assert.equal(stdout.toString().trim(), String(bench.rows));
      for (const end of ['', '-wal', '-shm'])
        fs.rmSync(file + end, { force: true });
      return seconds;
    };
    const count = Math.min(bench.rounds, 3);
    const got = await rounds(bench, 'P7', count, ours,
      () => peer(same, 'record'));
    bench.compare('P7', 'import into an empty source', 's', got,
      { atMost: 1.0, peerName: 'sqlite3 .import, same table' });
    const bare = [];
    for (let i = 0; i < count; i++)
      bare.push(await peer(plain, 'file'));
    bench.compare('P7', 'import, against less work', 's',
      { ours: got.ours, peer: bare },
      { peerName: 'sqlite3 .import, 8 columns' });
  },
};

// --- the report ---

function figure(value, unit) {
  if (unit === 's')
    return `${value.toFixed(3)} s`;
  if (unit === 'MiB')
    return mib(value * 1048576);
  return `${Math.round(value)} ${unit}`;
}

function report(results) {
  const rows = [['', 'work', 'ours', 'peer', 'ratio', 'goal', '', 'peer is']];
  for (const result of results) {
    const { id, name, unit, median: medians, goal, met } = result;
    if (result.skipped) {
      rows.push([id, name, '-', '-', '-', '-', 'not measured',
        result.skipped]);
      continue;
    }
    const sign = goal && (goal.kind === 'at least' ? '>= ' : '<= ');
    rows.push([id, name,
      figure(medians?.ours ?? result.value, unit),
      medians ? figure(medians.peer, unit) : '-',
      medians ? `${result.ratio.toFixed(2)} ` +
        `(${result.ratioLeast.toFixed(2)}..${result.ratioMost.toFixed(2)})`
        : '-',
      goal ? `${sign}${goal.value}${medians ? '' : ` ${unit}`}` : '-',
      met === null ? '' : met ? 'met' : 'MISSED',
      result.peerName ?? '-']);
  }
  const widths = rows[0].map((_, i) =>
    Math.max(...rows.map((row) => row[i].length)));
  for (const row of rows) {
    process.stdout.write(`${row.map((cell, i) => cell.padEnd(widths[i]))
      .join('  ').trimEnd()}\n`);
  }
}

const options = parseArguments(process.argv.slice(2));
const about = {
  began: new Date().toISOString(),
  rows: options.rows,
  rounds: options.rounds,
  machine: { cpu: os.cpus()[0]?.model, cores: os.cpus().length,
    memory: os.totalmem(), kernel: os.release() },
  versions: { nelm: version(NELM, '--version'),
    nginx: version('nginx', '-v'), sqlite3: version('sqlite3', '--version'),
    wrk: version('wrk', '-v'), curl: version('curl', '--version') },
};
version('taskset', '--version');

const bench = new Bench(options);
let failed = false;
try {
  await bench.prepare();
  for (const id of options.work)
    await BENCHES[id](bench);
} catch (error) {
  failed = true;
  process.stderr.write(`\n${error.stack}\n`);
} finally {
  await bench.done();
}
report(bench.results);
process.stdout.write(`${about.machine.cores} cores, ${about.machine.cpu}, ` +
  `${options.rows} rows, medians of ${options.rounds} or more rounds, ` +
  'ratio (least..most of the rounds)\n');
if (options.json) {
  fs.writeFileSync(options.json,
    `${JSON.stringify({ ...about, results: bench.results }, null, 2)}\n`);
}
process.exitCode = failed ? 1 : 0;
