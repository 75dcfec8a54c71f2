// Identities that callers may look up, and what anyone did (contract 18.1).

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { World } from './lib/nelm.js';
import { Caller, admin, person } from './lib/registry.js';

let world, server, api, ann;

before(async () => {
  world = await World.create();
  server = await world.serve();
  api = await admin(world, server);
  ann = await person(world, server, 'alison.ferguso',
    { name: 'Alison Ferguso', scopes: ['sp:scopes:default'] });
  await world.json('identity', 'create', '--alias', 'bob', '--name',
    'Bob Ümlaut', '--email', 'bob@example.com', '--manager',
    'alison.ferguso');
});
after(() => world?.done());

const find = (filters) => api.get('/public-identities?' +
  new URLSearchParams({ filters, sorters: 'name' }).toString());

test('an identity has every published member', async () => {
  const [bob] = await find('alias eq "BOB"');
  const { id, ...rest } = bob;
  assert.match(id, /^[0-9a-f]{32}$/);
  assert.deepEqual(rest, {
    name: 'Bob Ümlaut', alias: 'bob', email: 'bob@example.com',
    status: 'Active', identityState: 'ACTIVE', attributes: [],
    manager: { type: 'IDENTITY', id: ann.id, name: 'Alison Ferguso' },
  });
  const [alison] = await find(`id eq "${ann.id}"`);
  assert.equal(alison.manager, null);
});

test('filters', async () => {
  for (const [filters, want] of [
    ['alias sw "AL"', ['alison.ferguso']], ['email sw "bob@"', ['bob']],
    ['email eq "BOB@example.com"', ['bob']],
    ['firstname eq "bob"', ['bob']], ['lastname sw "ümL"', ['bob']],
    [`id in ("${ann.id}", "x")`, ['alison.ferguso']],
    ['alias sw "a" and not alias eq "admin"', ['alison.ferguso']],
    ['lastname eq "nobody"', []]])
    assert.deepEqual((await find(filters)).map(({ alias }) => alias), want,
      filters);
});

test('everybody with the least scope may look, and nobody without',
  async () => {
    assert.equal((await ann.api.get('/public-identities')).length, 3);
    await ann.api.get('/public-identities?add-core-filters=true');
    await ann.api.refuse('400.1.3 Illegal value', 'GET',
      '/public-identities?add-core-filters=');
    const nelm = new Caller(server, await world.token(server,
      await world.pat('bob', 'idn:nelm:read')));
    await nelm.refuse('403 Forbidden', 'GET', '/public-identities');
    const versioned = new Caller(server, ann.api.token, '');
    assert.equal((await versioned.get('/public-identities/v1')).length, 3);
  });

test('events are for administrators', async () => {
  const source = await person(world, server, 'source.admin',
    { levels: ['SOURCE_ADMIN'] });
  await source.api.refuse('403 Forbidden', 'GET', '/audit-events');
  await ann.api.refuse('403 Forbidden', 'GET', '/audit-events');
  const reader = new Caller(server, await world.token(server,
    await world.pat('admin', 'idn:nelm:read')));
  await reader.refuse('403 Forbidden', 'GET', '/audit-events');
  const events = await api.get('/audit-events');
  assert.ok(events.some(({ event }) => event === 'IDENTITY_CREATED'));
  const times = events.map(({ created }) => created);
  assert.deepEqual(times, [...times].sort());
  const [latest] = await api.get('/audit-events?sorters=-created&limit=1');
  assert.equal(latest.id, events.at(-1).id);
  const since = await api.get('/audit-events?filters=' +
    encodeURIComponent(`created ge "${times.at(-1)}"`));
  assert.ok(since.every(({ created }) => created >= times.at(-1)));
  const printed = await world.json('audit', 'list');
  assert.deepEqual(printed, events);
});
