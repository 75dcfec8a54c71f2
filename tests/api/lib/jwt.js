// JSON web tokens made by hand, so that a test can forge any of them.

import crypto from 'node:crypto';

export const b64 = (value) => Buffer.from(
  typeof value === 'string' || Buffer.isBuffer(value)
    ? value : JSON.stringify(value)).toString('base64url');

export function decode(token) {
  const [header, payload, signature] = token.split('.');
  return {
    header: JSON.parse(Buffer.from(header, 'base64url')),
    payload: JSON.parse(Buffer.from(payload, 'base64url')),
    signature: Buffer.from(signature, 'base64url'),
    signed: `${header}.${payload}`,
  };
}

export function es256(header, payload, key) {
  const signed = `${b64(header)}.${b64(payload)}`;
  const signature = crypto.sign('sha256', Buffer.from(signed),
    { key, dsaEncoding: 'ieee-p1363' });
  return `${signed}.${b64(signature)}`;
}

export function hs256(header, payload, secret) {
  const signed = `${b64(header)}.${b64(payload)}`;
  const mac = crypto.createHmac('sha256', secret).update(signed).digest();
  return `${signed}.${b64(mac)}`;
}

export function verifies(token, jwk) {
  const { signed, signature } = decode(token);
  const key = crypto.createPublicKey({ key: jwk, format: 'jwk' });
  return signature.length === 64 && crypto.verify('sha256',
    Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' }, signature);
}

export function newKey() {
  return crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' });
}
