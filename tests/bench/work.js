// The work that is measured, by the numbers of its goals. Each function leaves
// what it found in bench.results, and nothing else behind.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';

import { downloadPath } from '../api/lib/http.js';
import { MemoryWatch } from '../api/lib/memory.js';
import { NELM, UNLIMITED, World, run, sleep } from '../api/lib/nelm.js';
import { cores, cpuRatio, curl, median, on, rounds, say, timed, watched,
  wrk } from './measure.js';
import { nginx, postgresql, postgresqlPrograms } from './peers.js';

const COLUMNS = 'account_name, first_name, last_name, phone, email, manager, ' +
  'start_ms, end_ms';
const NGINX_FILE = 'nginx, 200-byte file';

// A copy of a database after an import: it holds the rows, and goes.
async function finished(file, table, rows) {
  const { stdout } = await run('sqlite3',
    [file, `SELECT count(*) FROM ${table}`]);
  assert.equal(stdout.toString().trim(), String(rows));
  for (const end of ['', '-wal', '-shm'])
    fs.rmSync(file + end, { force: true });
}

export class Bench {
  constructor(options) {
    Object.assign(this, options);
    this.cores = cores();
    this.results = [];
    this.copies = 0;
  }

  async prepare() {
    this.world = await World.create();
    this.dir = this.world.dir;
    this.sampleFile = this.sample(this.rows);
    await this.world.sampleManagers();
    this.source = await this.world.source('Bench');
    this.emptyDatabase = await this.copyDatabase('empty.db');
  }

  // A file of so many rows.
  sample(rows) {
    const file = path.join(this.dir, `sample-${rows}.csv`);
    if (fs.existsSync(file))
      return file;
    const out = fs.openSync(file, 'w');
    const made = spawnSync(NELM, ['sample', '--rows', String(rows)],
      { stdio: ['ignore', out, 'inherit'] });
    fs.closeSync(out);
    assert.equal(made.status, 0);
    return file;
  }

  async copyDatabase(name) {
    const file = path.join(this.dir, name);
    await this.world.sql(`.backup ${file}`);
    return file;
  }

  // The rows are in the database (once for all who need them), and a server
  // has made them findable, which would take processor time from what is
  // measured.
  filled() {
    this.filling ??= (async () => {
      say(`filling in ${this.rows} rows`);
      await this.world.cli(
        ['import', '--source', this.source.id, this.sampleFile]);
      const server = await this.serve();
      await this.world.caughtUp(3600);
      await server.stop();
      say('');
    })();
    return this.filling;
  }

  // Import `file` into the empty source of a new copy of the database; what
  // it took. `keep` gets the copy's path, which is the caller's then.
  async import(file, rows, keep) {
    const copy = path.join(this.dir, `import-${this.copies++}.db`);
    fs.copyFileSync(this.emptyDatabase, copy);
    const took = await timed(this.cores.server, NELM, 'import', '--database',
      `sqlite:${copy}`, '--source', this.source.id, file);
    if (keep)
      keep(copy);
    else
      await finished(copy, 'record', rows);
    return took;
  }

  async serve({ cache = 'cache', core = this.cores.server, env,
    admin = this.world.admin, source = this.source } = {}) {
    const server = await this.world.serve([...UNLIMITED,
      '--log-level', 'error', '--cache-dir', path.join(this.dir, cache),
      '--event-threads', String(core.split(',').length)],
    { prefix: on(core), env });
    const token = await this.world.token(server, admin);
    const headers = [`Authorization: Bearer ${token}`];
    const url = `${server.base}${downloadPath(source.id)}`;
    return { server, pid: server.pid, url, token, headers,
      // Seconds of one whole download.
      download: (more = []) => watched(server.pid, async () => {
        const { bytes, seconds } = await curl(this.cores.client, url,
          [...headers, ...more]);
        return { value: seconds, bytes };
      }),
      // Answers a second.
      load: (at, options) => watched(server.pid, () => wrk(this.cores.client,
        at, { seconds: this.seconds, ...options,
          headers: [...headers, ...options?.headers ?? []] })),
      stop: () => server.stop() };
  }

  // The first download of a server that has just begun, nothing cached.
  async cold(name, { core, env, admin, source } = {}) {
    const cache = `cold-${name}`;
    const ours = await this.serve({ cache, core, env, admin, source });
    const result = await ours.download();
    await ours.stop();
    fs.rmSync(path.join(this.dir, cache), { recursive: true, force: true });
    return result;
  }

  // nginx with one small file, under the same load.
  async small() {
    const root = path.join(this.dir, 'small');
    fs.mkdirSync(root, { recursive: true });
    fs.writeFileSync(path.join(root, 'small'), 'x'.repeat(200));
    const peer = await nginx(this.dir, this.cores.server, root);
    return { stop: peer.stop,
      load: () => watched(peer.pid, () => wrk(this.cores.client,
        `${peer.base}/small`, { seconds: this.seconds })) };
  }

  // The condition that makes a download a 304.
  async unchanged(ours) {
    const { headers } = await ours.server.get(downloadPath(this.source.id),
      { token: ours.token, method: 'HEAD' });
    const again = await ours.server.get(downloadPath(this.source.id),
      { token: ours.token, headers: { 'If-None-Match': headers.etag } });
    assert.equal(again.status, 304);
    return `If-None-Match: ${headers.etag}`;
  }

  // The id of the record that is so far from the first.
  async recordId(offset) {
    const hex = await this.world.sql(
      `SELECT lower(hex(id)) FROM record ORDER BY key LIMIT 1 OFFSET ${offset}`);
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  }

  // `atLeast`/`atMost`: the goal for the ratio ours / peer.
  compare(id, name, unit, got, { atLeast, atMost, peerName }) {
    const [ours, peer] = [got.ours, got.peer]
      .map((list) => list.map((one) => one.value));
    const ratio = median(ours) / median(peer);
    const each = ours.map((value, i) => value / peer[i]);
    const goal = atLeast ?? atMost;
    const met = goal === undefined ? null
      : atLeast !== undefined ? ratio >= atLeast : ratio <= atMost;
    this.results.push({ id, name, unit, peerName, ours, peer,
      median: { ours: median(ours), peer: median(peer) }, ratio,
      ratioLeast: Math.min(...each), ratioMost: Math.max(...each),
      cpuRatio: cpuRatio(got) ?? null,
      goal: goal === undefined ? null
        : { kind: atLeast !== undefined ? 'at least' : 'at most', value: goal },
      met });
  }

  // A figure without a peer.
  state(id, name, unit, values, atMost) {
    const value = median(values);
    this.results.push({ id, name, unit, ours: values, value,
      goal: { kind: 'at most', value: atMost }, met: value <= atMost });
  }

  skip(id, name, reason) {
    this.results.push({ id, name, skipped: reason, met: null });
  }

  async done() {
    await this.world?.done();
  }
}

// Send a slow reader's request, and take `rate` bytes a second of its answer.
async function slowReader(server, request, rate) {
  const socket = net.connect(server.port, server.host);
  await new Promise((resolve, reject) => {
    socket.on('connect', resolve).on('error', reject);
  });
  socket.pause();
  socket.write(request);
  const timer = setInterval(() => socket.read(Math.min(rate / 4,
    socket.readableLength) || undefined), 250);
  return () => {
    clearInterval(timer);
    socket.destroy();
  };
}

export const BENCHES = {
  // Repeated download of an unchanged source, against the same bytes as a
  // static file. Also what one core can send when the client is slower.
  async P1(bench) {
    await bench.filled();
    const ours = await bench.serve();
    const root = path.join(bench.dir, 'static');
    fs.mkdirSync(root, { recursive: true });
    const file = path.join(root, 'same.csv');
    await bench.world.cli(['export', '--source', bench.source.id, '--output',
      file]);
    const peer = await nginx(bench.dir, bench.cores.server, root);
    const size = fs.statSync(file).size;
    const rate = ({ bytes, seconds, value, cpu }) => {
      assert.equal(bytes, size);
      return { value: bytes / (seconds ?? value) / 1e6, cpu };
    };
    const got = await rounds('P1', bench.rounds * 2 + 1,
      async () => rate(await ours.download()),
      async () => rate(await watched(peer.pid, () =>
        curl(bench.cores.client, `${peer.base}/same.csv`))));
    bench.compare('P1', 'unchanged download', 'MB/s', got,
      { atLeast: 0.95, peerName: 'nginx sendfile, same bytes' });
    await peer.stop();
    await ours.stop();
    fs.rmSync(root, { recursive: true });
  },

  // First download with an empty cache and a server that has just begun,
  // digest included, against the sqlite3 program writing the same columns
  // (dates as stored) in the same order to /dev/null.
  async P2(bench) {
    await bench.filled();
    const copy = await bench.copyDatabase('analyzed.db');
    assert.equal((await run('sqlite3', [copy, 'ANALYZE'])).code, 0);
    const number = await bench.world.sql('SELECT number FROM source ' +
      'WHERE name = \'Bench\'');
    const query = `SELECT ${COLUMNS} FROM record WHERE source = ${number} ` +
      'ORDER BY key';
    const cold = (core) => (round) => bench.cold(`${core}-${round}`, { core });
    const peer = (core) => () => timed(core, 'sqlite3', '-csv', '-header', copy,
      query);
    const one = bench.cores.server;
    bench.compare('P2', 'first download, one core', 's',
      await rounds('P2', bench.rounds, cold(one), peer(one)),
      { atMost: 0.4, peerName: 'sqlite3 -csv after ANALYZE' });
    bench.compare('P2', 'first download, all cores', 's',
      await rounds('P2 on all cores', bench.rounds, cold(bench.cores.all),
        peer(bench.cores.all)),
      { peerName: 'sqlite3 -csv after ANALYZE' });
    fs.rmSync(copy);
  },

  // The same on PostgreSQL, against psql. Its server shares the core, or both,
  // with us and with psql, and its processor time is counted with theirs.
  async P3(bench) {
    if (!postgresqlPrograms()) {
      bench.skip('P3', 'first download, PostgreSQL', 'no PostgreSQL here');
      return;
    }
    const core = bench.cores.server;
    const peer = await postgresql(bench.dir, core);
    const env = { NELM_DATABASE: peer.url,
      NELM_SPOOL_DIR: path.join(bench.dir, 'postgresql-spool') };
    const cli = async (...args) =>
      (await bench.world.cli(args, { env })).stdout.toString();
    say('P3: filling in');
    const made = await bench.world.start(['init'], { env });
    if (made.code !== 0) {
      bench.skip('P3', 'first download, PostgreSQL', made.stderr.trim());
      await peer.stop();
      return;
    }
    const admin = JSON.parse(made.stdout.toString());
    await cli('sample', 'identities');
    const source = JSON.parse(await cli('source', 'create', '--name', 'Bench',
      '--description', 'for psql', '--owner', admin.identity.alias));
    await cli('import', '--source', source.id, bench.sampleFile);
    const psql = (sql) => ['-XAtq', peer.url, '-c', sql];
    const asked = (sql) => ['psql', psql(sql)];
    await timed(core, 'psql', ...psql('VACUUM (ANALYZE) record'));
    say('P3: waiting for what an import leaves to the server');
    const first = await bench.serve({ cache: 'found', core: bench.cores.all,
      env, admin, source });
    while ((await run(...asked('SELECT next_row > (SELECT max(next_row) - 1 ' +
      'FROM source) FROM record_find_done'))).stdout.toString().trim() !== 't')
      await sleep(200);
    await first.stop();
    const counted = async (doing) => {
      const before = peer.cpu();
      const result = await doing();
      await sleep(100); // until its last process is counted
      return { ...result, cpu: result.cpu + peer.cpu() - before };
    };
    for (const [name, at, atMost] of [['one core', core, 0.6],
      ['all cores', bench.cores.all]]) {
      peer.move(at);
      const got = await rounds(`P3 on ${name}`, bench.rounds,
        (round) => counted(() => bench.cold(`postgresql-${name}-${round}`,
          { core: at, env, admin, source })),
        () => counted(() => timed(at, 'psql', ...psql(
          `\\copy (SELECT ${COLUMNS} ` +
          'FROM record ORDER BY key) to stdout csv header'))));
      bench.compare('P3', `first download, PostgreSQL, ${name}`, 's', got,
        { atMost, peerName: 'psql \\copy to stdout csv' });
    }
    await peer.stop();
  },

  // A download after one record in the middle was changed, against one with
  // nothing changed.
  async P4(bench) {
    await bench.filled();
    const ours = await bench.serve();
    const { world } = bench;
    const user = await world.token(ours.server,
      await world.pat(world.admin.identity.alias));
    const record = '/v3/non-employee-records/' +
      await bench.recordId(bench.rows >> 1);
    await ours.download();
    const got = await rounds('P4', bench.rounds * 2 + 1, async (round) => {
      const { status, text } = await ours.server.get(record, { token: user,
        method: 'PATCH', headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify([{ op: 'replace', path: '/phone',
          value: `+1 555 ${1000 + round}` }]) });
      assert.equal(status, 200, text);
      return ours.download();
    }, () => ours.download());
    bench.compare('P4', 'download after one change', 's', got,
      { atMost: 2, peerName: 'nelm, nothing changed (P1)' });
    await ours.stop();
  },

  // Answers a second over 32 kept connections.
  async P5(bench) {
    await bench.filled();
    const ours = await bench.serve();
    const peer = await bench.small();
    const condition = await bench.unchanged(ours);
    const id = await bench.recordId(bench.rows >> 1);
    bench.compare('P5', 'conditional download (304)', 'answers/s',
      await rounds('P5', bench.rounds,
        () => ours.load(ours.url, { headers: [condition] }), peer.load),
      { atLeast: 1.0, peerName: NGINX_FILE });
    bench.compare('P5', 'one record', 'answers/s',
      await rounds('P5 record', bench.rounds,
        () => ours.load(`${ours.server.base}/v3/non-employee-records/${id}`),
        peer.load),
      { atLeast: 0.7, peerName: NGINX_FILE });
    await peer.stop();
    await ours.stop();
  },

  // Anonymous memory above idle, for a small source and the whole one: what
  // the process allocated itself, without the database's mapped pages.
  async P6(bench) {
    const { world } = bench;
    for (const rows of [Math.min(10_000, bench.rows), bench.rows]) {
      const source = await world.source(`Memory ${rows}`);
      say(`P6: ${rows}`);
      const running = world.start(['import', '--source', source.id,
        bench.sample(rows)]);
      const watch = new MemoryWatch(running.child.pid, 2);
      const { code, stderr } = await running;
      assert.equal(code, 0, stderr);
      bench.state('P6', `import, ${rows} rows`, 'MiB',
        [watch.stop().anonymous / 1048576], 64);
      const ours = await bench.serve({ cache: `memory-${rows}`, source });
      const idle = new MemoryWatch(ours.pid).stop().anonymous;
      for (const coding of ['identity', 'gzip', 'zstd']) {
        const during = new MemoryWatch(ours.pid, 2);
        await ours.download([`Accept-Encoding: ${coding}`]);
        bench.state('P6', `export, ${coding}, ${rows} rows`, 'MiB',
          [(during.stop().anonymous - idle) / 1048576], 64);
      }
      await ours.stop();
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
    const ours = () => bench.import(bench.sampleFile, bench.rows);
    const peer = async (made, counted) => {
      const file = path.join(bench.dir, 'peer.db');
      const setup = await run('sqlite3', ['-bail', file],
        { input: `PRAGMA journal_mode = WAL;\n${made}\n` });
      assert.equal(setup.code, 0, setup.stderr);
      const took = await timed(core, 'sqlite3', file,
        'PRAGMA synchronous = FULL',
        `.import --csv --skip 1 ${bench.sampleFile} file`);
      await finished(file, counted, bench.rows);
      return took;
    };
    const count = Math.min(bench.rounds, 3);
    const got = await rounds('P7', count, ours,
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
  // Creating single records, durable, with 32 clients against one. And what
  // a lone client waits, against the sqlite3 program inserting and committing
  // a row at a time into a table with one index: durable means the same
  // fsync for both.
  async P8(bench) {
    await bench.filled();
    const ours = await bench.serve();
    let runs = 0;
    const creating = (connections) => async () => {
      const script = path.join(bench.dir, 'create.lua');
      fs.writeFileSync(script, `
        wrk.method = "POST"
        wrk.headers["Content-Type"] = "application/json"
        local n = 0
        function request()
          n = n + 1
          return wrk.format(nil, nil, nil, string.format([[${JSON.stringify({
    accountName: `p8.${runs++}.%d`, firstName: 'Ada', lastName: 'Lovelace',
    phone: '+1 555 0100', email: 'ada@example.com',
    manager: bench.world.admin.identity.alias, sourceId: bench.source.id,
    startDate: '2026-01-01T00:00:00Z', endDate: '2027-01-01T00:00:00Z',
  })}]], n))
        end`);
      return ours.load(`${ours.server.base}/v3/non-employee-records`,
        { connections, script });
    };
    const many = await rounds('P8', bench.rounds, creating(32), creating(1));
    bench.compare('P8', 'creating, 32 clients', 'answers/s', many,
      { atLeast: 10, peerName: 'nelm, one client' });
    const count = Math.ceil(median(many.peer.map((one) => one.work)));
    const lone = path.join(bench.dir, 'lone.db');
    const input = path.join(bench.dir, 'lone.sql');
    fs.writeFileSync(input, 'PRAGMA synchronous = FULL;\n' + Array.from(
      { length: count }, (_, i) =>
        `INSERT INTO one VALUES ('${'x'.repeat(100)}', ${i});\n`).join(''));
    const bare = [];
    for (let i = 0; i < bench.rounds; i++) {
      assert.equal((await run('sqlite3', [lone,
        'PRAGMA journal_mode = WAL; DROP TABLE IF EXISTS one; ' +
        'CREATE TABLE one (text TEXT, number INTEGER UNIQUE)'])).code, 0);
      const took = await timed(bench.cores.server, 'sqlite3', lone,
        `.read ${input}`);
      bare.push({ value: count / took.value });
    }
    bench.compare('P8', 'creating, one client', 'answers/s',
      { ours: many.peer.map(({ value }) => ({ value })), peer: bare },
      { peerName: 'sqlite3, a commit for each INSERT' });
    await ours.stop();
  },

  // P5's 304 while 1000 connections idle and 100 clients read the export at
  // 10 kB/s, against the same without them.
  async P9(bench) {
    await bench.filled();
    const ours = await bench.serve();
    const condition = await bench.unchanged(ours);
    const { server, token } = ours;
    const load = () => ours.load(ours.url, { headers: [condition] });
    const request = `GET ${downloadPath(bench.source.id)} HTTP/1.1\r\n` +
      `Host: ${server.host}\r\nAuthorization: Bearer ${token}\r\n\r\n`;
    const idle = `GET /nothing HTTP/1.1\r\nHost: ${server.host}\r\n\r\n`;
    const got = await rounds('P9', bench.rounds, async () => {
      const readers = await Promise.all([
        ...Array.from({ length: 1000 }, () => slowReader(server, idle, 0)),
        ...Array.from({ length: 100 }, () =>
          slowReader(server, request, 10_000))]);
      await sleep(300);
      const result = await load();
      readers.forEach((stop) => stop());
      await sleep(300);
      return result;
    }, load);
    bench.compare('P9', '304 with 1000 idle, 100 slow', 'answers/s', got,
      { atLeast: 0.9, peerName: 'nelm without them' });
    await ours.stop();
  },

  // Time per row of an import, a first and a repeated download, of the whole
  // file against that of a tenth; and of each power of ten, to see the curve.
  async P10(bench) {
    const sizes = [];
    for (let rows = 10_000; rows < bench.rows; rows *= 10)
      sizes.push(rows);
    sizes.push(bench.rows);
    const { source } = bench;
    const perRow = [];
    for (const rows of sizes) {
      const count = rows > 1_000_000 ? 1 : Math.min(bench.rounds, 3);
      const took = { import: [], first: [], repeated: [] };
      const file = bench.sample(rows);
      for (let round = 0; round < count; round++) {
        say(`P10: ${rows} rows, round ${round + 1}/${count}`);
        let copy;
        took.import.push(await bench.import(file, rows,
          (kept) => { copy = kept; }));
        // The index that a server makes of new rows would be measured, too.
        await run('sqlite3', [copy, 'INSERT OR REPLACE INTO record_find_done ' +
          'SELECT number, next_row FROM source']);
        const ours = await bench.serve({ cache: `growth-${rows}`, source,
          env: { NELM_DATABASE: `sqlite:${copy}` } });
        took.first.push(await ours.download());
        for (let i = 0; i < 3; i++)
          took.repeated.push(await ours.download());
        await ours.stop();
        fs.rmSync(path.join(bench.dir, `growth-${rows}`), { recursive: true });
        await finished(copy, 'record', rows);
      }
      for (const list of Object.values(took))
        for (const one of list) {
          one.value *= 1e6 / rows;
          one.work = rows;
        }
      perRow.push(took);
    }
    say('');
    for (let i = 1; i < sizes.length; i++)
      for (const [what, name] of [['import', 'import'],
        ['first', 'first download'], ['repeated', 'repeated download']])
        bench.compare('P10', `${name}, ${sizes[i]} rows`, 'us/row',
          { ours: perRow[i][what], peer: perRow[i - 1][what] },
          { atMost: 1.2, peerName: `nelm, ${sizes[i - 1]} rows` });
  },

  // The page at nine tenths of the list against its first page.
  async P11(bench) {
    await bench.filled();
    const ours = await bench.serve();
    const { world } = bench;
    const pages = async (name, atMost) => {
      const page = (offset) => () => ours.load(`${ours.server.base}` +
        `/v3/non-employee-records?offset=${offset}&filters=` +
        encodeURIComponent(`sourceId eq "${bench.source.id}"`),
      { connections: 1 });
      const got = await rounds('P11', bench.rounds,
        page(Math.floor(bench.rows * 0.9)), page(0));
      for (const one of [...got.ours, ...got.peer])
        one.value = 1000 / one.value;
      bench.compare('P11', name, 'ms', got,
        { atMost, peerName: 'nelm, the first page' });
    };
    await pages('a late page of a list', 5);
    // Every hundredth record goes.
    const ids = (await world.sql('SELECT lower(hex(id)) FROM record ' +
      'WHERE key % 100 = 7 LIMIT 10000')).split('\n');
    const token = await world.token(ours.server,
      await world.pat(world.admin.identity.alias));
    for (let i = 0; i < ids.length; i += 1000) {
      const { status, text } = await ours.server.get(
        '/v3/non-employee-records/bulk-delete', { method: 'POST', token,
          headers: { 'Content-Type': 'application/json' },
          body: JSON.stringify({ ids: ids.slice(i, i + 1000) }) });
      assert.equal(status, 204, text);
    }
    await pages(`the same, ${ids.length} deleted`, 5);
    await ours.stop();
  },

  // From the start of the program to its first answer.
  async P12(bench) {
    await bench.filled();
    const took = [];
    for (let round = 0; round < bench.rounds; round++) {
      const began = process.hrtime.bigint();
      const server = await bench.world.serve([...UNLIMITED, '--log-level',
        'error', '--cache-dir', path.join(bench.dir, 'cache')],
      { prefix: on(bench.cores.server) });
      const { status } = await server.get('/readyz');
      took.push(Number(process.hrtime.bigint() - began) / 1e9);
      assert.equal(status, 200);
      await server.stop();
    }
    bench.state('P12', `start to ready, ${bench.rows} rows`, 's', took, 0.3);
  },
};
