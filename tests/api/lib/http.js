// HTTP as a careful client sees it: whole answers with their headers, raw
// sockets for what a client library would not send, and the checks that every
// answer has to pass.

import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import http from 'node:http';
import net from 'node:net';

// Resolves to { status, headers, rawHeaders, body, text, json }. `truncated`
// is set when the connection was cut before the announced length.
export function request(server, {
  path = '/', method = 'GET', headers = {}, body, token, agent = false,
} = {}) {
  const all = { ...headers };
  if (token)
    all.Authorization = `Bearer ${token}`;
  if (body !== undefined && all['Content-Length'] === undefined &&
      all['Transfer-Encoding'] === undefined)
    all['Content-Length'] = Buffer.byteLength(body);
  return new Promise((resolve, reject) => {
    const call = http.request({
      host: server.host, port: server.port, path, method, headers: all, agent,
    }, (answer) => {
      const pieces = [];
      const finish = (truncated) => {
        const whole = Buffer.concat(pieces);
        resolve({
          status: answer.statusCode,
          headers: answer.headers,
          rawHeaders: answer.rawHeaders,
          body: whole,
          truncated,
          get text() { return whole.toString(); },
          get json() { return JSON.parse(whole.toString()); },
        });
      };
      answer.on('data', (piece) => pieces.push(piece));
      answer.on('end', () => finish(false));
      answer.on('error', () => finish(true));
    });
    call.on('error', reject);
    call.end(body);
  });
}

// Send bytes, collect what comes back until the server closes or `quiet_ms`
// pass without a byte; resolves to { bytes, closed }.
export function exchange(server, bytes, { quiet_ms = 1500 } = {}) {
  return new Promise((resolve, reject) => {
    const pieces = [];
    const socket = net.connect(server.port, server.host, () => {
      socket.write(bytes);
    });
    const finish = (closed) => {
      socket.destroy();
      resolve({ bytes: Buffer.concat(pieces), closed });
    };
    socket.setTimeout(quiet_ms, () => finish(false));
    socket.on('data', (piece) => pieces.push(piece));
    socket.on('end', () => finish(true));
    socket.on('error', (error) => {
      if (error.code === 'ECONNRESET' || error.code === 'EPIPE')
        finish(true);
      else
        reject(error);
    });
  });
}

// Take answers apart that came over one connection: methods in order, since
// an answer to HEAD has no body. Returns { answers, rest }.
export function splitAnswers(bytes, methods) {
  const answers = [];
  let at = 0;
  for (const method of methods) {
    const end = bytes.indexOf('\r\n\r\n', at);
    if (end < 0)
      break;
    const [first, ...lines] =
      bytes.subarray(at, end).toString('latin1').split('\r\n');
    const headers = {};
    for (const text of lines) {
      const colon = text.indexOf(':');
      headers[text.slice(0, colon).toLowerCase()] =
        text.slice(colon + 1).trim();
    }
    const status = Number(first.split(' ')[1]);
    const hasBody = method !== 'HEAD' && status !== 304 && status !== 204;
    const length = hasBody ? Number(headers['content-length'] ?? 0) : 0;
    at = end + 4 + length;
    answers.push({
      status, headers, body: bytes.subarray(end + 4, at),
    });
  }
  return { answers, rest: bytes.subarray(at) };
}

const NEVER_CACHED = 'no-cache, no-store, must-revalidate';
export const REVALIDATED = 'private, no-cache';

// What contract 1.2 asks of every answer, whatever its status.
export function checkCommon(answer, { cacheControl = NEVER_CACHED } = {}) {
  const { headers } = answer;
  const date = Date.parse(headers.date);
  assert.ok(Math.abs(Date.now() - date) < 120_000, `Date: ${headers.date}`);
  assert.match(headers['slpt-request-id'] ?? '', /^[0-9a-f]{32}$/,
    'SLPT-Request-ID');
  assert.equal(headers['cache-control'], cacheControl, 'Cache-Control');
  assert.equal(headers['x-robots-tag'], 'noindex', 'X-Robots-Tag');
}

export function checkJson(answer) {
  assert.match(answer.headers['content-type'] ?? '',
    /^application\/json(;|$)/, 'Content-Type');
  assert.equal(answer.headers['content-length'],
    String(answer.body.length), 'Content-Length');
}

const TEXTS = {
  '403 Forbidden':
    'The server understood the request but refuses to authorize it.',
  '404 Not found': 'The server did not find a current representation for ' +
    'the target resource.',
  '500.0 Internal Fault': 'An internal fault occurred.',
  '503.0 Service Unavailable':
    'The server is temporarily unable to handle the request.',
};

// The error object of contract 5.1, exactly. `text` undefined: the text that
// goes with the code, or any text when that is not fixed.
export function checkError(answer, status, detailCode, {
  text = TEXTS[detailCode], locale = 'und',
} = {}) {
  checkCommon(answer);
  checkJson(answer);
  assert.equal(answer.status, status, answer.text);
  const body = answer.json;
  assert.deepEqual(Object.keys(body).sort(),
    ['causes', 'detailCode', 'messages', 'trackingId']);
  assert.equal(body.detailCode, detailCode);
  assert.equal(body.trackingId, answer.headers['slpt-request-id']);
  assert.ok(Array.isArray(body.causes));
  const said = text ?? body.messages[0].text;
  assert.ok(said.length > 0);
  assert.deepEqual(body.messages, [
    { locale: 'en-US', localeOrigin: 'DEFAULT', text: said },
    { locale, localeOrigin: 'REQUEST', text: said },
  ]);
}

// Contract 5.3: one member and nothing else.
export function check401(answer, error) {
  checkCommon(answer);
  checkJson(answer);
  assert.equal(answer.status, 401, answer.text);
  assert.deepEqual(Object.keys(answer.json), ['error']);
  if (error instanceof RegExp)
    assert.match(answer.json.error, error);
  else
    assert.equal(answer.json.error, error);
}

export function check429(answer, longest_s) {
  checkCommon(answer);
  checkJson(answer);
  assert.equal(answer.status, 429, answer.text);
  assert.deepEqual(answer.json, { message: ' Rate Limit Exceeded ' });
  assert.match(answer.headers['retry-after'], /^[1-9][0-9]*$/);
  assert.ok(Number(answer.headers['retry-after']) <= longest_s);
}

// Contract 5.4.
export function checkFramework(answer, status, errorName, errorMessage) {
  checkCommon(answer);
  checkJson(answer);
  assert.equal(answer.status, status, answer.text);
  assert.deepEqual(answer.json, {
    errorName, errorMessage, trackingId: answer.headers['slpt-request-id'],
  });
}

export function digest(bytes) {
  const sum = crypto.createHash('sha256').update(bytes).digest('base64');
  return `sha-256=:${sum}:`;
}

// A whole download: every promise of contract 16.2 that one answer can keep.
export function checkDownload(answer, { rows, bytes } = {}) {
  const { headers } = answer;
  assert.equal(answer.status, 200, answer.body.subarray(0, 500).toString());
  assert.ok(!answer.truncated, 'cut short');
  checkCommon(answer, { cacheControl: REVALIDATED });
  assert.equal(headers['content-type'], 'text/csv; charset=utf-8');
  assert.equal(headers['content-length'], String(answer.body.length));
  assert.equal(headers['repr-digest'], digest(answer.body));
  assert.match(headers.etag, /^"[\x21\x23-\x7e]+"$/);
  assert.match(headers['x-total-count'], /^(0|[1-9][0-9]*)$/);
  assert.equal(new Date(headers['last-modified']).toUTCString(),
    headers['last-modified']);
  assert.match(headers['content-disposition'], /^attachment; filename="/);
  assert.match(headers.vary ?? '', /(^|,\s*)accept-encoding(\s*,|$)/i);
  if (rows !== undefined)
    assert.equal(headers['x-total-count'], String(rows));
  if (bytes !== undefined)
    assert.ok(answer.body.equals(bytes), 'not the expected bytes');
}

export async function readToken(server, client) {
  const answer = await request(server, {
    path: '/oauth/token', method: 'POST',
    headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: client.clientId, client_secret: client.clientSecret,
    }).toString(),
  });
  assert.equal(answer.status, 200, answer.text);
  return answer.json.access_token;
}

export const PREFIXES =
  ['/v3', '/v2024', '/v2025', '/v2026', '/beta'];

export const SPELLINGS = {
  'as given': (id) => id,
  'other spelling': (id) => (id.includes('-')
    ? id.replaceAll('-', '')
    : id.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')),
  'upper case': (id) => id.toUpperCase(),
};

export function downloadPath(id, prefix = '/v3') {
  return `${prefix}/non-employee-sources/${id}/non-employees/download`;
}

export function templatePath(id, prefix = '/v3') {
  return `${prefix}/non-employee-sources/${id}` +
    '/schema-attributes-template/download';
}
