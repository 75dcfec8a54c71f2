// The published TypeScript SDK with nothing changed but its base URL.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { digest } from './lib/http.js';
import { HEADER, World, line } from './lib/nelm.js';

let world, server, source, csv;

before(async () => {
  world = await World.create();
  await world.identity('boss');
  source = await world.source('SDK');
  csv = `${HEADER}\n${line(1, 1, 'boss')}${line(2, 1, 'boss')}`;
  await world.import(source, csv);
  server = await world.serve();
  process.env.SAIL_BASE_URL = server.base;
  process.env.SAIL_CLIENT_ID = world.admin.clientId;
  process.env.SAIL_CLIENT_SECRET = world.admin.clientSecret;
});
after(() => world?.done());

test('token and CSV, by each version of the API that it knows', async (t) => {
  const { default: sdk } = await import('sailpoint-api-client');
  const versions = ['NonEmployeeLifecycleManagementApi',
    'NonEmployeeLifecycleManagementBetaApi',
    'NonEmployeeLifecycleManagementV2024Api']
    .filter((name) => sdk[name]);
  assert.ok(versions.length > 0, Object.keys(sdk).join(' '));
  for (const name of versions) {
    await t.test(name, async () => {
      const api = new sdk[name](new sdk.Configuration());
      const answer = await api.exportNonEmployeeRecords({ id: source.id });
      assert.equal(answer.status, 200);
      assert.equal(answer.data, csv);
      assert.equal(answer.headers['x-total-count'], '2');
    });
  }
  await t.test('the template', async () => {
    const api = new sdk.NonEmployeeLifecycleManagementApi(
      new sdk.Configuration());
    const answer = await api.exportNonEmployeeSourceSchemaTemplate(
      { id: source.sourceId });
    assert.equal(answer.data, `${HEADER}\n`);
  });
  await t.test('the digest of what it asked for', async () => {
    const api = new sdk.NonEmployeeLifecycleManagementApi(
      new sdk.Configuration());
    const answer = await api.exportNonEmployeeRecords({ id: source.id },
      { responseType: 'arraybuffer', decompress: false });
    assert.equal(digest(Buffer.from(answer.data)),
      answer.headers['repr-digest']);
  });
  await t.test('a wrong secret is an error that it understands', async () => {
    process.env.SAIL_CLIENT_SECRET = '0'.repeat(64);
    const api = new sdk.NonEmployeeLifecycleManagementApi(
      new sdk.Configuration());
    await assert.rejects(
      api.exportNonEmployeeRecords({ id: source.id }));
    process.env.SAIL_CLIENT_SECRET = world.admin.clientSecret;
  });
});
