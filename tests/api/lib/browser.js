// A browser that signs in, as far as the pages of the authorization code flow
// need one.

import assert from 'node:assert/strict';
import crypto from 'node:crypto';

export const BACK = 'http://127.0.0.1:1/back';
export const FORM = 'application/x-www-form-urlencoded';
export const PASSWORD = 'correct horse <battery> & staple';

export const encode = (fields) => new URLSearchParams(fields).toString();

export function pkce() {
  const verifier = crypto.randomBytes(32).toString('base64url');
  const challenge =
    crypto.createHash('sha256').update(verifier).digest('base64url');
  return { verifier, challenge };
}

export function authorizePath(client, { challenge, ...more } = {}) {
  const fields = {
    client_id: client.clientId, response_type: 'code', redirect_uri: BACK,
    state: 'st', ...(challenge
      ? { code_challenge: challenge, code_challenge_method: 'S256' } : {}),
    ...more,
  };
  for (const [name, value] of Object.entries(fields))
    if (value === undefined)
      delete fields[name];
  return `/oauth/authorize?${encode(fields)}`;
}

const unescape = (text) => text.replaceAll('&lt;', '<').replaceAll('&gt;', '>')
  .replaceAll('&quot;', '"').replaceAll('&#39;', '\'').replaceAll('&amp;', '&');

// A browser as far as these pages need one: cookies and forms.
export class Browser {
  constructor(server) {
    this.server = server;
    this.cookies = new Map();
  }

  async go(path, { method = 'GET', fields, headers = {} } = {}) {
    const cookie =
      [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const answer = await this.server.get(path, {
      method,
      headers: {
        ...(cookie ? { Cookie: cookie } : {}),
        ...(fields ? { 'Content-Type': FORM } : {}), ...headers,
      },
      body: fields ? encode(fields) : undefined,
    });
    for (const line of answer.headers['set-cookie'] ?? []) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
      if (/Max-Age=0/.test(line))
        this.cookies.delete(name);
      else
        this.cookies.set(name, value);
    }
    this.path = path;
    return answer;
  }

  // Send the form of the page that was seen last, as a browser would.
  async submit(page, fields) {
    const [, key] = /name="form_key" value="([^"]*)"/.exec(page.text);
    return this.go(this.path, {
      method: 'POST', fields: { form_key: unescape(key), ...fields },
    });
  }

  async signIn(path, username, password = PASSWORD) {
    const page = await this.go(path);
    assert.equal(page.status, 200, page.text);
    assert.match(page.text, /type="password"/);
    return this.submit(page, { action: 'signin', username, password });
  }

  // All the way to the code; returns the parameters of the redirect.
  async authorize(client, username, parameters = {}) {
    const path = authorizePath(client, parameters);
    let answer = await this.go(path);
    if (/type="password"/.test(answer.text)) {
      answer = await this.submit(answer,
        { action: 'signin', username, password: PASSWORD });
      assert.equal(answer.status, 303, answer.text);
      answer = await this.go(answer.headers.location);
    }
    if (answer.status === 200)
      answer = await this.submit(answer, { action: 'allow' });
    assert.equal(answer.status, 302, answer.text);
    return new URL(answer.headers.location).searchParams;
  }
}
