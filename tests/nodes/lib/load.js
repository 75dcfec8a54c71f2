// Callers that write and read all the time and remember what was acknowledged:
// whatever a server, a node or a database does meanwhile, no acknowledged
// write may be lost, none may be half done, and no export may be wrong.

import assert from 'node:assert/strict';
import http from 'node:http';

import { parseCsv } from '../../api/lib/csv.js';
import { digest, downloadPath, request } from '../../api/lib/http.js';
import { HEADER, line, sleep } from '../../api/lib/nelm.js';
import { csvLine, personBody, replace } from '../../api/lib/registry.js';

const LIVE = 30; // accounts of a writer, more or less
const FILE_ROWS = 120;

// One account: its first name is F0 after the creation, F1 after the first
// patch and so on. What was tried and not acknowledged may have happened.
class Account {
  constructor(name) {
    this.name = name;
    this.acked = -1; // the last generation that is there for certain
    this.tried = 0; // the last one that may be
    this.deleted = ''; // 'tried' or 'acked'
  }

  // May a reader who asked when it stood as `before` see this?
  allows(generation, before = this) {
    if (generation === undefined)
      return before.acked < 0 || this.deleted !== '';
    return before.deleted !== 'acked' && generation >= before.acked &&
      generation <= this.tried;
  }

  // It was seen when nothing was going on: now that is certain.
  settle(generation) {
    if (generation === undefined)
      this.deleted = 'acked';
    else
      Object.assign(this, { acked: generation, tried: generation,
        deleted: '' });
  }
}

export class Load {
  // `server()` tells whom to ask next, `token()` with which token. Behind a
  // `gateway` a call that was cut is an answer of it (502, 504).
  constructor({
    server, token, source, fileSource, writers = 6, gateway = false,
  }) {
    Object.assign(this, { server, token, source, fileSource, writers, gateway });
    this.accounts = new Map();
    this.faults = [];
    this.reset();
    this.file = { acked: -1, tried: -1, ids: new Set() };
    this.names = 0;
    this.free = []; // accounts that writers may take up
  }

  // Count anew; what is known stays known.
  reset() {
    this.acknowledged = { create: 0, patch: 0, delete: 0, upload: 0 };
    this.unknown = 0;
    this.exports = 0;
    this.refused = new Map(); // status: how often
    this.gaps_ms = 0; // the longest time without an acknowledged write
  }

  get total() {
    return Object.values(this.acknowledged).reduce((sum, n) => sum + n, 0);
  }

  start() {
    this.running = true;
    this.agent = new http.Agent({ keepAlive: true });
    this.lastWrite = performance.now();
    this.work = Promise.all([
      ...Array.from({ length: this.writers }, () => this.write()),
      this.read(), this.upload(),
    ]);
  }

  async stop() {
    this.running = false;
    await this.work;
    this.agent.destroy();
    if (this.faults.length > 0)
      throw this.faults[0];
  }

  // The answer, or undefined when nobody can know what became of the call.
  async call(method, path, { body, type, headers = {} } = {}) {
    const server = this.server();
    let answer;
    try {
      answer = await request(server, { method, path, token: this.token(server),
        agent: this.agent, headers: { ...headers,
          ...(body === undefined ? {} : { 'Content-Type': type }) }, body });
    } catch {
      answer = undefined;
    }
    if (answer === undefined || answer.truncated) {
      this.unknown++;
      await sleep(10);
      return undefined;
    }
    if (this.gateway && answer.status >= 502 &&
        answer.headers['slpt-request-id'] === undefined) {
      this.refused.set(answer.status,
        (this.refused.get(answer.status) ?? 0) + 1);
      await sleep(50);
      return undefined;
    }
    if (answer.status >= 500) {
      this.refused.set(answer.status,
        (this.refused.get(answer.status) ?? 0) + 1);
      this.expect(answer.status === 503, `${method} ${path}: ` +
        `${answer.status} ${answer.text}`);
      this.expect(answer.headers['retry-after'] >= 1, 'no Retry-After');
      await sleep(50);
      return undefined;
    }
    return answer;
  }

  expect(holds, what) {
    if (!holds) {
      this.faults.push(new assert.AssertionError({ message: what }));
      this.running = false;
    }
  }

  done(kind) {
    const now = performance.now();
    this.gaps_ms = Math.max(this.gaps_ms, now - this.lastWrite);
    this.lastWrite = now;
    this.acknowledged[kind]++;
  }

  async write() {
    const mine = this.free.splice(0, LIVE);
    while (this.running) {
      const chance = Math.random();
      if (mine.length < LIVE / 2 || (mine.length < LIVE && chance < 0.4)) {
        const account = await this.create();
        if (account)
          mine.push(account);
        continue;
      }
      // What becomes unknown is never touched again.
      const at = Math.floor(Math.random() * mine.length);
      const account = mine[at];
      if (!(chance < 0.75 ? await this.patch(account)
        : await this.remove(account)))
        mine.splice(at, 1);
    }
  }

  async create() {
    const account = new Account(`F0.user${this.names++}`);
    this.accounts.set(account.name, account);
    const answer = await this.call('POST', '/v3/non-employee-records', {
      type: 'application/json',
      body: JSON.stringify(personBody(this.source, account.name, 'boss')),
    });
    if (answer === undefined)
      return undefined;
    this.expect(answer.status === 200, answer.text);
    account.id = answer.json.id;
    account.acked = 0;
    this.done('create');
    return account;
  }

  // True: it may be used again.
  async patch(account) {
    account.tried++;
    const answer = await this.call('PATCH',
      `/v3/non-employee-records/${account.id}`, {
        type: 'application/json-patch+json',
        body: JSON.stringify(replace('/firstName', `F${account.tried}`)),
      });
    if (answer === undefined)
      return false;
    this.expect(answer.status === 200, answer.text);
    account.acked = account.tried;
    this.done('patch');
    return true;
  }

  async remove(account) {
    account.deleted = 'tried';
    const answer = await this.call('DELETE',
      `/v3/non-employee-records/${account.id}`);
    if (answer !== undefined) {
      this.expect(answer.status === 204, answer.text);
      account.deleted = 'acked';
      this.done('delete');
    }
    return false;
  }

  // Everybody of one generation, with the same key until it is acknowledged.
  async upload() {
    while (this.running) {
      const { file } = this;
      file.tried = file.acked + 1;
      const body = `--b\r\nContent-Disposition: form-data; name="data"\r\n\r\n` +
        `${this.fileOf(file.tried)}\r\n--b--\r\n`;
      const answer = await this.call('POST', '/v3/non-employee-sources/' +
        `${this.fileSource.id}/non-employee-bulk-upload`, {
        type: 'multipart/form-data; boundary=b', body,
        headers: { 'Idempotency-Key': `generation ${file.tried}` },
      });
      if (answer?.status === 202) {
        file.acked = file.tried;
        file.ids.add(answer.json.id);
        this.done('upload');
      } else if (answer !== undefined) {
        this.expect(/current limit of 10 waiting/.test(answer.text),
          answer.text);
        await sleep(20);
      }
      await sleep(5);
    }
  }

  fileOf(generation) {
    return `${HEADER}\n` + Array.from({ length: FILE_ROWS },
      (_, n) => line(n, generation, 'boss')).join('');
  }

  // What a reader sees lies between what was certain when it asked and what
  // was tried when it had its answer.
  async read() {
    while (this.running) {
      const before = new Map([...this.accounts]
        .map(([name, account]) => [name, { ...account }]));
      const answer = await this.call('GET', downloadPath(this.source.id));
      if (answer !== undefined) {
        try {
          this.judge(this.seen(answer), before);
          this.exports++;
        } catch (error) {
          this.faults.push(error);
          this.running = false;
        }
      }
      await sleep(5);
    }
  }

  // Account names and their generations in a download, whose lines are whole.
  seen(answer) {
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.headers['repr-digest'], digest(answer.body));
    const people = parseCsv(answer.body).slice(1);
    assert.equal(answer.headers['x-total-count'], String(people.length));
    return new Map(people.map((cells) => {
      const [name, firstName] = cells;
      assert.equal(`${cells.join(',')}\n`, csvLine(
        personBody(this.source, name, 'boss', { firstName })));
      return [name, Number(firstName.slice(1))];
    }));
  }

  judge(seen, before) {
    for (const [name, account] of before)
      assert.ok(this.accounts.get(name).allows(seen.get(name), account),
        `${name}: ${seen.get(name)} is none of ${JSON.stringify(account)} to ` +
        JSON.stringify(this.accounts.get(name)));
    for (const name of seen.keys())
      assert.ok(this.accounts.has(name), `${name} was never asked for`);
  }

  // Nothing is going on: everything acknowledged is there, in full, and what
  // is unknown is settled. Waits for uploads.
  async verify(server) {
    const token = this.token(server);
    const get = async (path) => {
      const answer = await server.get(path, { token });
      assert.equal(answer.status, 200, answer.text);
      return answer;
    };
    const seen = this.seen(await get(downloadPath(this.source.id)));
    this.judge(seen, this.accounts);
    for (const [name, account] of this.accounts)
      account.settle(seen.get(name));
    this.free = [...this.accounts.values()]
      .filter(({ id, deleted }) => id !== undefined && deleted === '');

    const { file } = this;
    const status = '/v3/non-employee-sources/' +
      `${this.fileSource.id}/non-employee-bulk-upload/status`;
    let job;
    for (let turn = 0; turn < 1500; turn++) {
      job = (await get(status)).json;
      if (job.status !== 'PENDING' && job.status !== 'IN_PROGRESS')
        break;
      await sleep(20);
    }
    assert.ok(job.status === 'COMPLETED' || job.status === null,
      JSON.stringify(job));
    const { body } = await get(downloadPath(this.fileSource.id));
    const whole = [file.acked, file.tried].find((generation) =>
      body.equals(Buffer.from(generation < 0 ? `${HEADER}\n`
        : this.fileOf(generation))));
    assert.ok(whole !== undefined, 'the file is neither of generation ' +
      `${file.acked} nor of ${file.tried}: ${body.subarray(0, 300)}`);
    // Each accepted file was imported once.
    const passed = await get('/v3/audit-events?limit=1&count=true&filters=' +
      encodeURIComponent('event eq "NON_EMPLOYEE_BULK_IMPORT_PASSED"'));
    assert.equal(Number(passed.headers['x-total-count']), whole + 1,
      'imports of the file');
  }

  toString() {
    const refused = [...this.refused].map(([status, n]) => `${n} x ${status}`);
    return `${this.total} acknowledged (${Object.entries(this.acknowledged)
      .map(([kind, n]) => `${n} ${kind}`).join(', ')}), ${this.exports} ` +
      `exports judged, ${this.unknown} calls cut` +
      `${refused.length ? `, answered ${refused.join(', ')}` : ''}`;
  }
}
