// Tampering with audit rows and history is found by `nelm audit verify`. Each
// kind of it is in src/store/chain_test.c; here is the command.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { HEADER, World, line } from './lib/nelm.js';

const person = (n) => line(n, 1, 'jim.smith');

let world, source;

before(async () => {
  world = await World.create();
  await world.identity('jim.smith');
  source = await world.source('Retail');
  await world.import(source, `${HEADER}\n${person(1)}${person(2)}`);
});
after(() => world?.done());

test('chains as they were written are whole', async () => {
  const whole = await world.json('audit', 'verify');
  assert.equal(whole.problems, 0);
  assert.equal(whole.changes, 1);
  assert.ok(whole.auditRows > 3);
  assert.ok(whole.heads.some(({ chain, source: id, links }) =>
    chain === 'CHANGE' && id === source.id && links === 1));
  for (const { hash } of whole.heads)
    assert.match(hash, /^[0-9a-f]{64}$/);
  const heads = whole.heads.flatMap(({ hash }) => ['--head', hash]);
  await world.import(source, `${HEADER}\n${person(3)}`);
  assert.equal((await world.json('audit', 'verify', ...heads)).problems, 0);
});

test('a person changed behind its back is named, and exit is 1', async () => {
  await world.sql(
    'UPDATE record SET line = line || \' \' WHERE account_name = \'user.3\'');
  const { stdout, stderr } = await world.cli(['audit', 'verify'], { code: 1 });
  assert.equal(JSON.parse(stdout).problems, 1);
  assert.match(stderr, /^the change to revision 3 of source 1 .*was changed/);
  assert.match(stderr, /\nnelm: 1 problem, see above\n$/);
});

test('nelm check says what does not fit, and exit is 1', async () => {
  await world.sql(
    'UPDATE record SET line = rtrim(line) WHERE account_name = \'user.3\'');
  const whole = await world.json('check');
  assert.equal(whole.problems, 0);
  assert.equal(whole.records, 3);
  await world.sql('UPDATE source SET record_count = 9');
  const { stdout, stderr } = await world.cli(['check'], { code: 1 });
  assert.ok(JSON.parse(stdout).problems > 0);
  assert.match(stderr, /source 1: record_count is 9 and there are 3\n/);
});

test('a head that is none is wrong usage', async () => {
  await world.cli(['audit', 'verify', '--head', 'abc'], { code: 2 });
});
