// An OpenID issuer of our own, on this machine, that can be made to do what
// issuers should not.

import crypto from 'node:crypto';
import http from 'node:http';
import https from 'node:https';

import { b64 } from './jwt.js';

const KINDS = {
  RS256: ['rsa', { modulusLength: 2048 }],
  PS256: ['rsa', { modulusLength: 2048 }],
  ES256: ['ec', { namedCurve: 'P-256' }],
  ES384: ['ec', { namedCurve: 'P-384' }],
  EdDSA: ['ed25519', {}],
};

export function newKey(alg, kid) {
  const [type, options] = KINDS[alg];
  return { alg, kid, ...crypto.generateKeyPairSync(type, options) };
}

export function jwkOf({ alg, kid, publicKey }) {
  return { ...publicKey.export({ format: 'jwk' }), alg, kid, use: 'sig' };
}

function sign(alg, text, key) {
  if (alg === 'EdDSA')
    return crypto.sign(null, text, key);
  return crypto.sign(alg.endsWith('384') ? 'sha384' : 'sha256', text, {
    key, dsaEncoding: 'ieee-p1363',
    ...(alg === 'PS256' ? {
      padding: crypto.constants.RSA_PKCS1_PSS_PADDING,
      saltLength: crypto.constants.RSA_PSS_SALTLEN_DIGEST,
    } : {}),
  });
}

export function makeToken({ alg, kid, privateKey }, claims, header = {}) {
  const signed =
    `${b64({ alg, kid, typ: 'at+jwt', ...header })}.${b64(claims)}`;
  return `${signed}.${b64(sign(alg, Buffer.from(signed), privateKey))}`;
}

export const AUDIENCE = 'https://nelm.example';

export class Issuer {
  // `tls`: { key, cert } to speak HTTPS.
  static async create({ alg = 'RS256', path = '', tls, port = 0 } = {}) {
    const issuer = new Issuer();
    issuer.path = path;
    issuer.scheme = tls ? 'https' : 'http';
    issuer.tls = tls;
    issuer.keys = [newKey(alg, 'first')];
    issuer.asked = { configuration: 0, keys: 0 };
    issuer.sockets = new Set();
    await issuer.listen(port);
    return issuer;
  }

  async listen(port = this.port) {
    const answer = (request, response) => this.answer(request, response);
    this.server = this.tls ? https.createServer(this.tls, answer)
      : http.createServer(answer);
    this.server.on('connection', (socket) => {
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
    });
    await new Promise((resolve, reject) => {
      this.server.on('error', reject);
      this.server.listen(port, '127.0.0.1', resolve);
    });
    this.port = this.server.address().port;
    this.origin = `${this.scheme}://${this.tls ? 'localhost' : '127.0.0.1'}` +
      `:${this.port}`;
    this.url ??= `${this.origin}${this.path}`;
  }

  get key() {
    return this.keys.at(-1);
  }

  // What `nelm serve` needs to know.
  get settings() {
    return ['--issuer', this.url, '--issuer-audience', AUDIENCE];
  }

  configuration() {
    return { issuer: this.url, jwks_uri: `${this.origin}/keys` };
  }

  jwks() {
    return { keys: this.keys.map(jwkOf) };
  }

  // Tests put functions in place of `configurationAnswer` and `keysAnswer`.
  answer(request, response) {
    const json = (value) => {
      response.setHeader('Content-Type', 'application/json');
      response.end(JSON.stringify(value));
    };
    const base = this.path.replace(/\/$/, '');
    if (request.url === `${base}/.well-known/openid-configuration`) {
      this.asked.configuration++;
      if (this.configurationAnswer)
        this.configurationAnswer(response);
      else
        json(this.configuration());
    } else if (request.url.split('?')[0] === '/keys') {
      this.asked.keys++;
      if (this.keysAnswer)
        this.keysAnswer(response);
      else
        json(this.jwks());
    } else {
      response.statusCode = 404;
      response.end();
    }
  }

  claims(subject, more = {}) {
    const now = Math.floor(Date.now() / 1000);
    return {
      iss: this.url, aud: AUDIENCE, sub: subject, client_id: 'some-app',
      jti: crypto.randomUUID(), iat: now, exp: now + 600,
      scope: 'openid sp:scopes:all', ...more,
    };
  }

  token(subject, more, { key = this.key, header } = {}) {
    return makeToken(key, this.claims(subject, more), header);
  }

  async stop() {
    for (const socket of this.sockets)
      socket.destroy();
    await new Promise((resolve) => { this.server.close(resolve); });
  }
}
