// The published API as its callers see it: people with tokens, calls that are
// judged on the way, and the whole state of the registry as one text.

import assert from 'node:assert/strict';
import http from 'node:http';

import { REVALIDATED, checkCommon, checkError, request } from './http.js';
import { HEADER, sleep } from './nelm.js';

export { HEADER };

const agent = new http.Agent({ keepAlive: true });

const JSON_TYPE = 'application/json';
const PATCH_TYPE = 'application/json-patch+json';

// One caller with a token (or none) under one URL family. Every answer is
// held to contract 1.2, and none may be a fault of the server.
export class Caller {
  constructor(server, token, prefix = '/v3') {
    this.server = server;
    this.token = token;
    this.prefix = prefix;
  }

  // `body`: an object becomes JSON, text and bytes go out as they are.
  async call(method, path, body, { headers = {}, type } = {}) {
    const json = body !== undefined && typeof body !== 'string' &&
      !Buffer.isBuffer(body);
    const all = { ...headers };
    if (body !== undefined && type !== null)
      all['Content-Type'] = type ??
        (method === 'PATCH' ? PATCH_TYPE : JSON_TYPE);
    const answer = await request(this.server, {
      method, path: this.prefix + path, headers: all, agent,
      token: this.token, body: json ? JSON.stringify(body) : body,
    }).catch((error) => {
      throw new Error(`${method} ${path}: ${error.message}\n` +
        this.server.log.slice(-2000));
    });
    answer.what = `${method} ${path}`;
    const download = path.includes('/download') && answer.status < 400;
    checkCommon(answer, download ? { cacheControl: REVALIDATED } : {});
    assert.ok(answer.status < 500,
      `${answer.what}: ${answer.status} ${answer.text}`);
    if (answer.status >= 400 && answer.status !== 401 &&
        answer.status !== 429 && answer.status !== 416 && method !== 'HEAD')
      assert.equal(answer.json.trackingId, answer.headers['slpt-request-id'],
        answer.what);
    return answer;
  }

  // The status that a call has to answer with; resolves to its JSON.
  async expect(status, method, path, body, options) {
    const answer = await this.call(method, path, body, options);
    assert.equal(answer.status, status,
      `${answer.what}: ${answer.status} ${answer.text}`);
    return status === 204 || answer.body.length === 0
      ? undefined : answer.json;
  }

  get(path) { return this.expect(200, 'GET', path); }
  post(path, body) { return this.expect(200, 'POST', path, body); }
  put(path, body) { return this.expect(200, 'PUT', path, body); }
  patch(path, body) { return this.expect(200, 'PATCH', path, body); }
  delete(path) { return this.expect(204, 'DELETE', path); }

  // A call that must be refused, with the error object of contract 5.1;
  // `text` when it is fixed. Resolves to the answer.
  async refuse(detailCode, method, path, body, { text, ...options } = {}) {
    const answer = await this.call(method, path, body, options);
    assert.equal(`${answer.status} ${detailCode}`,
      `${Number(detailCode.slice(0, 3))} ${detailCode}`,
      `${answer.what}: ${answer.text}`);
    checkError(answer, Number(detailCode.slice(0, 3)), detailCode,
      text === undefined ? {} : { text });
    return answer;
  }

  // The CSV of a source, as text.
  async export(source) {
    const path = `/non-employee-sources/${source.id ?? source}` +
      '/non-employees/download';
    const answer = await this.call('GET', path);
    assert.equal(answer.status, 200, answer.text);
    return answer.text;
  }

  // A multipart upload made by hand; resolves to the answer.
  upload(source, csv, {
    field = 'data', query = '', headers, extra = '', boundary = 'x0-boundary',
  } = {}) {
    const body = Buffer.concat([
      Buffer.from(`${extra}--${boundary}\r\nContent-Disposition: form-data; ` +
        `name="${field}"; filename="people.csv"\r\n` +
        'Content-Type: text/csv\r\n\r\n'),
      Buffer.from(csv), Buffer.from(`\r\n--${boundary}--\r\n`),
    ]);
    const path = `/non-employee-sources/${source.id ?? source}` +
      `/non-employee-bulk-upload${query}`;
    return this.call('POST', path, body,
      { type: `multipart/form-data; boundary=${boundary}`, headers });
  }

  // Upload and wait for the end; resolves to the status object.
  async uploaded(source, csv, options) {
    const answer = await this.upload(source, csv, options);
    assert.equal(answer.status, 202, answer.text);
    assert.ok(['PENDING', 'IN_PROGRESS', 'COMPLETED']
      .includes(answer.json.status), answer.text);
    return this.settled(source);
  }

  async settled(source) {
    const path = `/non-employee-sources/${source.id ?? source}` +
      '/non-employee-bulk-upload/status';
    for (let turn = 0; turn < 2400; turn++) {
      const job = await this.get(path);
      if (job.status !== 'PENDING' && job.status !== 'IN_PROGRESS')
        return job;
      await sleep(25);
    }
    throw new Error('the upload never ended');
  }
}

// Make somebody and sign them in: { id, alias, name, api }.
export async function person(world, server, alias, {
  levels = [], name = alias, scopes = [],
} = {}) {
  const identity = await world.identity(alias, { levels, name });
  const client = await world.pat(alias, ...scopes);
  return {
    ...identity, client,
    api: new Caller(server, await world.token(server, client)),
  };
}

export async function admin(world, server) {
  return new Caller(server, await world.token(server));
}

export function sourceBody(name, owner, {
  approvers = [], managers = [], workgroup,
} = {}) {
  const ids = (people) => people.map(({ id }) => ({ id }));
  return {
    name, description: `${name}, made by a test`, owner: { id: owner.id },
    approvers: ids(approvers), accountManagers: ids(managers),
    ...(workgroup === undefined ? {} : { managementWorkgroup: workgroup }),
  };
}

// Body of a new record or request (contract 9.5).
export function personBody(source, accountName, manager, extra = {}) {
  const [first, last = 'Doe'] = accountName.split('.');
  return {
    accountName, firstName: first, lastName: last,
    email: `${accountName}@example.com`, phone: '+1 555 0100', manager,
    sourceId: source.sourceId, startDate: '2024-01-01T08:00:00+01:00',
    endDate: '2030-12-31T17:30:00-05:00', ...extra,
  };
}

// A CSV line for such a body; values need no quotes.
export function csvLine(body, custom = []) {
  return [body.accountName, body.firstName, body.lastName, body.phone,
    body.email, body.manager, body.startDate, body.endDate, ...custom]
    .join(',') + '\n';
}

// Everything that a caller who may see everything sees, as one text: equal
// texts mean that nothing happened in between.
export async function state(api) {
  const sources =
    await api.get('/non-employee-sources?non-employee-count=true');
  const rest = await Promise.all([
    api.get('/non-employee-records'), api.get('/non-employee-approvals'),
    ...sources.flatMap((source) => [
      api.get(`/non-employee-sources/${source.id}/schema-attributes`),
      api.export(source),
      ...source.accountManagers.map(({ id }) =>
        api.get(`/non-employee-requests?requested-for=${id}`)),
    ]),
  ]);
  return JSON.stringify([sources, rest], null, 1);
}

export const replace = (path, value) => [{ op: 'replace', path, value }];

// The 32 operations by name, method and path; `{}` stands for an id.
export const OPERATIONS = Object.fromEntries([
  ['listSources', 'GET', '/non-employee-sources'],
  ['createSource', 'POST', '/non-employee-sources'],
  ['getSource', 'GET', '/non-employee-sources/{}'],
  ['patchSource', 'PATCH', '/non-employee-sources/{}'],
  ['deleteSource', 'DELETE', '/non-employee-sources/{}'],
  ['listAttributes', 'GET', '/non-employee-sources/{}/schema-attributes'],
  ['createAttribute', 'POST', '/non-employee-sources/{}/schema-attributes'],
  ['deleteAttributes', 'DELETE', '/non-employee-sources/{}/schema-attributes'],
  ['getAttribute', 'GET', '/non-employee-sources/{}/schema-attributes/{}'],
  ['patchAttribute', 'PATCH', '/non-employee-sources/{}/schema-attributes/{}'],
  ['deleteAttribute', 'DELETE',
    '/non-employee-sources/{}/schema-attributes/{}'],
  ['template', 'GET',
    '/non-employee-sources/{}/schema-attributes-template/download'],
  ['export', 'GET', '/non-employee-sources/{}/non-employees/download'],
  ['upload', 'POST', '/non-employee-sources/{}/non-employee-bulk-upload'],
  ['uploadStatus', 'GET',
    '/non-employee-sources/{}/non-employee-bulk-upload/status'],
  ['listRecords', 'GET', '/non-employee-records'],
  ['createRecord', 'POST', '/non-employee-records'],
  ['getRecord', 'GET', '/non-employee-records/{}'],
  ['putRecord', 'PUT', '/non-employee-records/{}'],
  ['patchRecord', 'PATCH', '/non-employee-records/{}'],
  ['deleteRecord', 'DELETE', '/non-employee-records/{}'],
  ['bulkDelete', 'POST', '/non-employee-records/bulk-delete'],
  ['listRequests', 'GET', '/non-employee-requests'],
  ['createRequest', 'POST', '/non-employee-requests'],
  ['getRequest', 'GET', '/non-employee-requests/{}'],
  ['deleteRequest', 'DELETE', '/non-employee-requests/{}'],
  ['requestSummary', 'GET', '/non-employee-requests/summary/{}'],
  ['listApprovals', 'GET', '/non-employee-approvals'],
  ['getApproval', 'GET', '/non-employee-approvals/{}'],
  ['approve', 'POST', '/non-employee-approvals/{}/approve'],
  ['reject', 'POST', '/non-employee-approvals/{}/reject'],
  ['approvalSummary', 'GET', '/non-employee-approvals/summary/{}'],
].map(([name, method, path]) => [name, { name, method, path }]));
