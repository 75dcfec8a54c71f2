// A real OpenID provider: Debian's Glewlwyd, on this machine, with a database
// of its own in a directory that goes with it.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';

const PROGRAM = '/usr/bin/glewlwyd';
const SCHEMA = '/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3';
const MODULES = '/usr/lib/glewlwyd';
const READY_MS = 20_000;

export const ABSENT = !fs.existsSync(PROGRAM) && 'glewlwyd is not installed';

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function freePort() {
  const server = net.createServer();
  await new Promise((resolve) => server.listen(0, 'localhost', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const FORM = 'application/x-www-form-urlencoded';
const CALLBACK = 'http://localhost:1/back';

export class Glewlwyd {
  static async create(audience) {
    const provider = new Glewlwyd();
    provider.audience = audience;
    provider.dir = fs.mkdtempSync(path.join(os.tmpdir(), 'nelm-glewlwyd-'));
    provider.port = await freePort();
    provider.origin = `http://localhost:${provider.port}`;
    provider.issuer = `${provider.origin}/api/oidc`;
    await provider.start();
    return provider;
  }

  async start() {
    const file = (name) => path.join(this.dir, name);
    execFileSync('sqlite3', [file('db')], { input: fs.readFileSync(SCHEMA) });
    fs.writeFileSync(file('conf'), `
      port = ${this.port}
      bind_address = "127.0.0.1"
      external_url = "${this.origin}"
      login_url = "login.html"
      api_prefix = "api"
      log_mode = "console"
      log_level = "INFO"
      cookie_domain = "localhost"
      cookie_secure = 0
      session_expiration = 3600
      session_key = "GLEWLWYD2_SESSION_ID"
      admin_scope = "g_admin"
      profile_scope = "g_profile"
      user_module_path = "${MODULES}/user"
      client_module_path = "${MODULES}/client"
      user_auth_scheme_module_path = "${MODULES}/scheme"
      plugin_module_path = "${MODULES}/plugin"
      use_secure_connection = false
      secure_connection_key_file = "none"
      secure_connection_pem_file = "none"
      hash_algorithm = "SHA512"
      database = { type = "sqlite3"; path = "${file('db')}"; };
      `);
    this.log = '';
    this.child = spawn(PROGRAM, [`--config-file=${file('conf')}`],
      { stdio: ['ignore', 'pipe', 'pipe'] });
    this.ended = new Promise((resolve) => { this.child.on('close', resolve); });
    process.on('exit', () => {
      this.child.kill('SIGKILL');
      fs.rmSync(this.dir, { recursive: true, force: true });
    });
    for (const stream of [this.child.stdout, this.child.stderr])
      stream.on('data', (piece) => { this.log += piece; });
    for (let waited = 0; !/Glewlwyd started/.test(this.log); waited += 100) {
      assert.ok(this.child.exitCode === null && waited < READY_MS, this.log);
      await sleep(100);
    }
    this.admin = await this.signIn('admin', 'password');
  }

  async call(pathname, { method = 'GET', cookie, json, form, basic } = {}) {
    const answer = await fetch(`${this.origin}/api/${pathname}`, {
      method, redirect: 'manual',
      headers: {
        ...(cookie ? { Cookie: cookie } : {}),
        ...(json ? { 'Content-Type': 'application/json' } : {}),
        ...(form ? { 'Content-Type': FORM } : {}),
        ...(basic ? { Authorization:
          `Basic ${Buffer.from(basic).toString('base64')}` } : {}),
      },
      body: json ? JSON.stringify(json)
        : form && new URLSearchParams(form).toString(),
    });
    const text = await answer.text();
    assert.ok(answer.status < 400,
      `${method} ${pathname}: ${answer.status} ${text}\n${this.log}`);
    return { headers: answer.headers, text };
  }

  async signIn(username, password) {
    const { headers } = await this.call('auth',
      { method: 'POST', json: { username, password } });
    return headers.getSetCookie()[0].split(';')[0];
  }

  configure(pathname, json, method = 'POST') {
    return this.call(pathname, { method, json, cookie: this.admin });
  }

  // The plugin that issues tokens, with a new key of `type` ("rsa", "ecdsa").
  async useKey(type, first = false) {
    const pair = type === 'rsa'
      ? crypto.generateKeyPairSync('rsa', { modulusLength: 2048 })
      : crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const plugin = {
      module: 'oidc', name: 'oidc', display_name: 'oidc', order_rank: 0,
      enabled: true,
      parameters: {
        'iss': this.issuer,
        'jwt-type': type,
        'jwt-key-size': '256',
        'key': pair.privateKey.export({ type: 'pkcs8', format: 'pem' }),
        'cert': pair.publicKey.export({ type: 'spki', format: 'pem' }),
        'access-token-duration': 600,
        'refresh-token-duration': 1200,
        'code-duration': 60,
        'allow-non-oidc': true,
        'auth-type-code-enabled': true,
        'auth-type-client-enabled': true,
        'auth-type-refresh-enabled': true,
        'pkce-allowed': true,
        'jwks-show': true,
        'subject-type': 'public',
        'scope': [],
        'additional-parameters': [
          { 'user-parameter': 'username',
            'token-parameter': 'preferred_username' },
          { 'user-parameter': 'groups', 'token-parameter': 'groups' },
        ],
        'resource-allowed': true,
        'resource-scope': Object.fromEntries(this.scopes.map(
          (scope) => [scope, [this.audience]])),
      },
    };
    if (first)
      await this.configure('mod/plugin/', plugin);
    else {
      await this.configure('mod/plugin/oidc', plugin, 'PUT');
      await this.configure('mod/plugin/oidc/reset', undefined, 'PUT');
    }
  }

  async setUp(scopes) {
    this.scopes = scopes;
    for (const name of scopes)
      await this.configure('scope/', { name, display_name: name,
        password_required: false, password_max_age: 0, scheme: {},
        scheme_required: {} });
    await this.useKey('rsa', true);
    await this.configure('mod/user/database', { module: 'database',
      name: 'database', display_name: 'users', order_rank: 0, readonly: false,
      parameters: { 'use-glewlwyd-connection': true, 'data-format': { groups: {
        'multiple': true, 'read': true, 'write': true, 'profile-read': true,
        'profile-write': false } } } }, 'PUT');
    await this.configure('mod/user/database/reset', undefined, 'PUT');
    await this.configure('client/', { client_id: 'app', name: 'app',
      client_secret: 'secret of app', confidential: true, enabled: true,
      scope: scopes, authorization_type: ['code', 'client_credentials'],
      token_endpoint_auth_method: ['client_secret_basic'],
      redirect_uri: [CALLBACK] });
  }

  addUser(username, groups) {
    return this.configure('user/', { username, name: username, groups,
      password: `password of ${username}`, email: `${username}@example.com`,
      enabled: true, scope: ['openid', ...this.scopes] });
  }

  async exchange(form) {
    const { text } = await this.call('oidc/token', { method: 'POST',
      basic: 'app:secret of app', form: { ...form, resource: this.audience } });
    return JSON.parse(text).access_token;
  }

  // As a browser does it: sign in, agree, come back with a code (with PKCE).
  async tokenOf(username, scope) {
    const verifier = crypto.randomBytes(32).toString('hex');
    const cookie = await this.signIn(username, `password of ${username}`);
    await this.call('auth/grant/app', { method: 'PUT', json: { scope }, cookie });
    const { headers } = await this.call(`oidc/auth?${new URLSearchParams({
      response_type: 'code', client_id: 'app', redirect_uri: CALLBACK, scope,
      state: 'x', nonce: 'y', resource: this.audience, g_continue: '',
      code_challenge: crypto.createHash('sha256').update(verifier)
        .digest('base64url'),
      code_challenge_method: 'S256',
    })}`, { cookie });
    const code = new URL(headers.get('location')).searchParams.get('code');
    return this.exchange({ grant_type: 'authorization_code', code,
      redirect_uri: CALLBACK, code_verifier: verifier });
  }

  tokenOfClient(scope) {
    return this.exchange({ grant_type: 'client_credentials', scope });
  }

  async done() {
    this.child.kill('SIGTERM');
    await this.ended;
    fs.rmSync(this.dir, { recursive: true, force: true });
  }
}
