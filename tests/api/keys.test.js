// Signing keys change while two servers run on one database: a new key signs
// at once on both, an old one verifies what it signed, and what is revoked is
// refused by both (RFC 8725, RFC 9700).

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { check401, request } from './lib/http.js';
import { decode, verifies } from './lib/jwt.js';
import { World } from './lib/nelm.js';

let world, nodes, path;

before(async () => {
  world = await World.create();
  const source = await world.source('Keys');
  path = `/v3/non-employee-sources/${source.id}`;
  nodes = [await world.serve(), await world.serve()];
});
after(() => world?.done());

const kidOf = (token) => decode(token).header.kid;
const jwks = async (node) =>
  (await node.get('/.well-known/jwks.json')).json.keys;
const statuses = (token) => Promise.all(nodes.map(async (node) =>
  (await node.get(path, { token })).status));
const events = async () => (await world.json('audit', 'list'))
  .map(({ event, type }) => event ?? type);

test('a rotation is seen by every server at once, and nobody has to sign in',
  async () => {
    const before = await Promise.all(nodes.map((node) => world.token(node)));
    assert.equal(kidOf(before[0]), kidOf(before[1]));
    assert.deepEqual(await statuses(before[0]), [200, 200]);

    const keys = await world.json('key', 'rotate');
    assert.deepEqual(await world.json('key', 'list'), keys);
    assert.equal(keys.length, 2);
    const [signs, old] = keys;
    assert.equal(signs.signs, true);
    assert.equal(signs.verifiesUntil, undefined);
    assert.equal(old.signs, false);
    assert.equal(old.kid, kidOf(before[0]));
    const left_s = (Date.parse(old.verifiesUntil) - Date.now()) / 1000;
    assert.ok(left_s >= 43200 && left_s < 44000, `${left_s} s`);
    assert.ok(!JSON.stringify(keys).includes('rivate'));

    const after = await Promise.all(nodes.map((node) => world.token(node)));
    for (const [i, node] of nodes.entries()) {
      assert.equal(kidOf(after[i]), signs.kid);
      const shown = await jwks(node);
      assert.deepEqual(shown.map(({ kid }) => kid).sort(),
        keys.map(({ kid }) => kid).sort());
      for (const token of [before[i], after[i]])
        assert.ok(verifies(token,
          shown.find(({ kid }) => kid === kidOf(token))));
    }
    for (const token of [...before, ...after])
      assert.deepEqual(await statuses(token), [200, 200]);
    assert.ok((await events()).includes('SIGNING_KEY_ROTATED'));
  });

test('revoked keys end every token on every server', async () => {
  const token = await world.token(nodes[0]);
  assert.deepEqual(await statuses(token), [200, 200]);
  const keys = await world.json('key', 'rotate', '--revoke');
  assert.equal(keys.length, 1);
  for (const node of nodes) {
    check401(await node.get(path, { token }),
      'JWT validation failed: signature is invalid');
    assert.deepEqual((await jwks(node)).map(({ kid }) => kid),
      keys.map(({ kid }) => kid));
  }
  assert.deepEqual(await statuses(await world.token(nodes[1])), [200, 200]);
  assert.ok((await events()).includes('SIGNING_KEYS_REVOKED'));
});

test('a deleted credential is refused by every server at once', async () => {
  const pat = await world.pat(world.admin.identity.alias);
  const token = await world.token(nodes[0], pat);
  assert.deepEqual(await statuses(token), [200, 200]);
  await world.cli(['token', 'delete', pat.clientId]);
  for (const node of nodes)
    check401(await request(node, { path, token }),
      'JWT validation failed: JWT is revoked');
});
