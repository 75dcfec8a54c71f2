// Personal access tokens (contract 18.2) and API clients in the published
// shape.

import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { after, before, test } from 'node:test';

import { readToken } from './lib/http.js';
import { World } from './lib/nelm.js';

const PATS = '/v3/personal-access-tokens';
const CLIENTS = '/v3/oauth-clients';
const DAY = 86_400_000;

let world, server, admin, ann, bob, application;

before(async () => {
  world = await World.create();
  for (const alias of ['ann', 'bob', 'full', 'limited'])
    await world.identity(alias);
  server = await world.serve();
  admin = await world.token(server);
  ann = await world.token(server, await world.pat('ann'));
  bob = await world.token(server, await world.pat('bob'));
  application = await world.token(server, await world.client('robot'));
});
after(() => world?.done());

function call(method, path, { token = admin, body, type } = {}) {
  return server.get(path, {
    method, token,
    headers: body === undefined ? {}
      : { 'Content-Type': type ?? 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
}

const patch = (path, operations, more = {}) => call('PATCH', path,
  { body: operations, type: 'application/json-patch+json', ...more });

function failed(answer, detailCode, text = /./) {
  assert.equal(answer.json.detailCode, detailCode, answer.text);
  assert.match(answer.json.messages[0].text, text);
}

async function makePat(token, body = {}) {
  const answer = await call('POST', PATS,
    { token, body: { name: crypto.randomUUID(), ...body } });
  assert.equal(answer.status, 200, answer.text);
  return answer.json;
}

async function events(name, object) {
  return Number(await world.sql(`SELECT count(*) FROM audit WHERE event =
    '${name}' AND hex(object_id) = upper('${object.replaceAll('-', '')}')`));
}

// --- personal access tokens -------------------------------------------------

test('a token is made, works, is listed without its secret, and goes',
  async () => {
    const made = await makePat(ann, { scope: ['idn:nelm:read'] });
    assert.match(made.secret, /^[0-9a-f]{64}$/);
    assert.match(made.id, /^[0-9a-f-]{36}$/);
    assert.deepEqual(made.scope, ['idn:nelm:read']);
    assert.equal(made.accessTokenValiditySeconds, 43200);
    assert.equal(made.owner.type, 'IDENTITY');
    assert.equal(made.owner.name, 'ann');
    assert.equal(made.lastUsed, null);
    const days = (Date.parse(made.expirationDate) - Date.now()) / DAY;
    assert.ok(days > 180 && days < 185, made.expirationDate);

    const used = await readToken(server,
      { clientId: made.id, clientSecret: made.secret });
    const { json } = await call('GET', PATS, { token: ann });
    const listed = json.find(({ id }) => id === made.id);
    assert.equal(listed.secret, undefined);
    assert.equal(listed.managed, false);
    assert.match(listed.lastUsed, /Z$/);
    assert.equal(await events('PERSONAL_ACCESS_TOKEN_CREATED', made.id), 1);

    const gone = await call('DELETE', `${PATS}/${made.id}`, { token: ann });
    assert.equal(gone.status, 204);
    assert.equal((await call('GET', '/v3/non-employee-sources',
      { token: used })).status, 401);
    assert.equal(await events('PERSONAL_ACCESS_TOKEN_DELETED', made.id), 1);
  });

test('a body is checked', async (t) => {
  await makePat(ann, { name: 'taken' });
  const soon = new Date(Date.now() + 10 * DAY).toISOString();
  const bad = {
    'no name': [{}, '400.1 Bad Request Content', /name is required;/],
    'blank name': [{ name: ' ' }, '400.1 Bad Request Content',
      /name is required;/],
    'long name': [{ name: 'x'.repeat(129) },
      '400.1.2 Value length out of range'],
    'name taken': [{ name: 'taken' }, '400.1.409 Reference conflict', /taken/],
    'scope no array': [{ name: 'a', scope: 'x' }],
    'scope empty': [{ name: 'a', scope: [] }],
    'scope with a blank': [{ name: 'a', scope: ['a b'] }],
    'scope no text': [{ name: 'a', scope: [1] }],
    'short life': [{ name: 'a', accessTokenValiditySeconds: 14 }],
    'long life': [{ name: 'a', accessTokenValiditySeconds: 43201 }],
    'life no number': [{ name: 'a', accessTokenValiditySeconds: '60' }],
    'end past': [{ name: 'a', expirationDate: '2020-01-01' }],
    'end too far': [{ name: 'a', expirationDate: '2999-01-01' }],
    'end no date': [{ name: 'a', expirationDate: 'soon' }],
    'no object': [[], '400.1 Bad Request Content'],
  };
  for (const [name, [body, code = '400.1.3 Illegal value', text]] of
    Object.entries(bad))
    await t.test(name, async () => {
      failed(await call('POST', PATS, { token: ann, body }), code, text);
    });
  await t.test('no JSON', async () => {
    failed(await server.get(PATS, { method: 'POST', token: ann, body: '{' }),
      '400.0 Bad request syntax');
  });
  await t.test('another end and life are taken', async () => {
    const made = await makePat(bob,
      { expirationDate: soon, accessTokenValiditySeconds: 15 });
    assert.equal(made.expirationDate, soon);
    assert.equal(made.accessTokenValiditySeconds, 15);
    assert.equal(made.scope, null);
  });
  await t.test('the name of somebody else is free', async () => {
    await makePat(bob, { name: 'taken' });
  });
});

test('an owner has ten at most', async () => {
  const token = await world.token(server, await world.pat('full'));
  for (let i = 1; i < 10; i++)
    await makePat(token);
  failed(await call('POST', PATS, { token, body: { name: 'eleventh' } }),
    '400.1.4 Limit violation', /limit of 10 personal access tokens\./);
});

test('name and scope can be patched', async (t) => {
  const made = await makePat(ann);
  const other = await makePat(ann);
  const path = `${PATS}/${made.id}`;
  await t.test('both', async () => {
    const answer = await patch(path, [
      { op: 'replace', path: '/name', value: 'new name' },
      { op: 'replace', path: '/scope', value: ['sp:scopes:default'] },
    ], { token: ann });
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.json.name, 'new name');
    assert.deepEqual(answer.json.scope, ['sp:scopes:default']);
    assert.equal(answer.json.secret, undefined);
    assert.equal(await events('PERSONAL_ACCESS_TOKEN_UPDATED', made.id), 1);
  });
  await t.test('its own name again is no conflict', async () => {
    const answer = await patch(path,
      [{ op: 'replace', path: '/name', value: 'new name' }], { token: ann });
    assert.equal(answer.status, 200, answer.text);
    assert.equal(await events('PERSONAL_ACCESS_TOKEN_UPDATED', made.id), 1);
  });
  const bad = {
    'a name that is taken': [{ path: '/name', value: other.name },
      '400.1.409 Reference conflict'],
    'another path': [{ path: '/owner', value: 'x' },
      '400.1.1 Illegal update attempt'],
    'the life': [{ path: '/accessTokenValiditySeconds', value: 60 },
      '400.1.1 Illegal update attempt'],
    'a scope that is none': [{ path: '/scope', value: [''] },
      '400.1.3 Illegal value'],
    'no name': [{ op: 'remove', path: '/name' },
      '400.1 Bad Request Content'],
  };
  for (const [name, [operation, code]] of Object.entries(bad))
    await t.test(name, async () => {
      failed(await patch(path, [{ op: 'replace', ...operation }],
        { token: ann }), code);
    });
  await t.test('the scope counts at the next token', async () => {
    const now = await readToken(server,
      { clientId: made.id, clientSecret: made.secret });
    assert.equal((await call('GET', '/v3/non-employee-sources',
      { token: now })).status, 403);
  });
});

test('everybody has their own, administrators all', async (t) => {
  const made = await makePat(ann);
  const path = `${PATS}/${made.id}`;
  const owner = made.owner.id;
  const rename = [{ op: 'replace', path: '/name', value: 'x' }];
  await t.test('a list is one\'s own', async () => {
    const { json } = await call('GET', PATS, { token: bob });
    assert.ok(json.length > 0);
    assert.ok(json.every((token) => token.owner.name === 'bob'));
    const me = await call('GET', `${PATS}?owner-id=me`, { token: bob });
    assert.deepEqual(me.json, json);
  });
  await t.test('somebody else\'s are forbidden', async () => {
    for (const answer of [
      await call('GET', `${PATS}?owner-id=${owner}`, { token: bob }),
      await patch(path, rename, { token: bob }),
      await call('DELETE', path, { token: bob }),
      await patch(`${PATS}/${crypto.randomUUID()}`, rename, { token: bob }),
      await call('DELETE', `${PATS}/nothing`, { token: bob }),
    ])
      failed(answer, '403 Forbidden');
  });
  await t.test('administrators reach all', async () => {
    const list = await call('GET', `${PATS}?owner-id=${owner}`);
    assert.ok(list.json.some(({ id }) => id === made.id));
    assert.ok(list.json.every((token) => token.owner.id === owner));
    const everybody = await call('GET', PATS);
    assert.ok(new Set(everybody.json.map((pat) => pat.owner.id)).size > 1);
    failed(await call('DELETE', `${PATS}/${crypto.randomUUID()}`),
      '404 Not found');
    assert.equal((await patch(path, rename)).status, 200);
  });
  await t.test('an administrator without the scope for all does not',
    async () => {
      const mine = await world.token(server,
        await world.pat('admin', 'sp:my-personal-access-tokens:read'));
      failed(await call('GET', `${PATS}?owner-id=${owner}`, { token: mine }),
        '403 Forbidden');
      const { json } = await call('GET', PATS, { token: mine });
      assert.ok(json.every((token) => token.owner.name === 'Administrator'));
      failed(await call('DELETE', path, { token: mine }), '403 Forbidden');
    });
  await t.test('the scope for reading does not manage', async () => {
    const reader = await world.token(server,
      await world.pat('limited', 'sp:all-personal-access-tokens:read'));
    assert.equal((await call('GET', PATS, { token: reader })).status, 200);
    failed(await call('POST', PATS, { token: reader, body: { name: 'x' } }),
      '403 Forbidden');
  });
  await t.test('an application has none of its own', async () => {
    failed(await call('POST', PATS, { token: application,
      body: { name: 'x' } }), '403 Forbidden');
    failed(await call('GET', `${PATS}?owner-id=me`, { token: application }),
      '403 Forbidden');
  });
  await t.test('a NELM scope is not enough', async () => {
    const reader = await world.token(server,
      await world.pat('limited', 'idn:nelm:read'));
    failed(await call('GET', PATS, { token: reader }), '403 Forbidden');
  });
});

test('the list filters by last use and pages', async () => {
  const unused = await call('GET', `${PATS}?count=true&filters=` +
    encodeURIComponent('lastUsed isnull'));
  assert.ok(unused.json.length > 0);
  assert.ok(unused.json.every(({ lastUsed }) => lastUsed === null));
  assert.equal(unused.headers['x-total-count'], String(unused.json.length));
  const used = await call('GET', `${PATS}?filters=` + encodeURIComponent(
    `lastUsed le "${new Date(Date.now() + DAY).toISOString()}"`));
  assert.ok(used.json.length > 0);
  assert.ok(used.json.every(({ lastUsed }) => lastUsed !== null));
  assert.equal((await call('GET', `${PATS}?limit=1&offset=1`)).json.length, 1);
  failed(await call('GET', `${PATS}?filters=` +
    encodeURIComponent('name eq "x"')), '400.1.3 Illegal value');
});

test('current SDKs find the tokens under their own path', async () => {
  const answer = await call('GET', '/personal-access-tokens/v1',
    { token: ann });
  assert.equal(answer.status, 200);
});

// --- API clients -------------------------------------------------------------

const whole = (more = {}) => ({
  name: 'Portal', description: 'made by a test', businessName: 'Acme',
  homepageUrl: 'https://acme.example.com/',
  accessTokenValiditySeconds: 600, refreshTokenValiditySeconds: 3600,
  redirectUris: ['https://acme.example.com/back'],
  grantTypes: ['AUTHORIZATION_CODE', 'REFRESH_TOKEN', 'CLIENT_CREDENTIALS'],
  accessType: 'OFFLINE', type: 'CONFIDENTIAL', internal: false, enabled: true,
  strongAuthSupported: false, claimsSupported: false,
  scope: ['idn:nelm:read'], ...more,
});

async function makeClient(more) {
  const answer = await call('POST', CLIENTS, { body: whole(more) });
  assert.equal(answer.status, 200, answer.text);
  return answer.json;
}

test('a client is made, read, used, and deleted', async () => {
  const made = await makeClient();
  const { id, secret, created, modified, ...rest } = made;
  assert.match(secret, /^[0-9a-f]{64}$/);
  assert.match(created, /Z$/);
  assert.equal(created, modified);
  assert.deepEqual(rest, { ...whole(), metadata: null, lastUsed: null });

  const got = await call('GET', `${CLIENTS}/${id.toUpperCase()}`);
  assert.equal(got.json.secret, undefined);
  assert.deepEqual({ ...got.json, secret }, made);
  const listed = await call('GET', CLIENTS);
  assert.ok(listed.json.some((client) => client.id === id));

  const token = await readToken(server, { clientId: id, clientSecret: secret });
  assert.equal((await call('GET', '/v3/non-employee-sources',
    { token })).status, 200);
  assert.equal((await call('DELETE', `${CLIENTS}/${id}`)).status, 204);
  assert.equal((await call('GET', '/v3/non-employee-sources',
    { token })).status, 401);
  failed(await call('GET', `${CLIENTS}/${id}`), '404 Not found');
  failed(await call('DELETE', `${CLIENTS}/${id}`), '404 Not found');
  for (const event of ['API_CLIENT_CREATED', 'API_CLIENT_DELETED'])
    assert.equal(await events(event, id), 1, event);
});

test('a public client has no secret', async () => {
  const made = await makeClient({ type: 'PUBLIC',
    grantTypes: ['AUTHORIZATION_CODE'] });
  assert.equal(made.secret, undefined);
  assert.equal(made.type, 'PUBLIC');
});

test('what a client must be', async (t) => {
  const required = ['name', 'grantTypes', 'accessType', 'enabled',
    'accessTokenValiditySeconds'];
  for (const name of required)
    await t.test(`no ${name}`, async () => {
      failed(await call('POST', CLIENTS, { body: whole({ [name]: undefined }) }),
        '400.1 Bad Request Content', new RegExp(`${name} is required;`));
    });
  const redirects = ['', 'acme', '/back', 'https://a/#x', 'https://a/ b',
    'https://a/\nb', 'javascript:alert(1)', 'DATA:text/html,x', ':x',
    'https://a/"', 'https://\u00e9/'];
  const illegal = {
    ...Object.fromEntries(redirects.map((uri) =>
      [`redirect ${JSON.stringify(uri)}`, { redirectUris: [uri] }])),
    'grant': { grantTypes: ['PASSWORD'] },
    'no grants': { grantTypes: [] },
    'access type': { accessType: 'SOMETIMES' },
    'type': { type: 'SECRET' },
    'a public client that asks for itself': { type: 'PUBLIC' },
    'life': { accessTokenValiditySeconds: 0 },
    'refresh life': { refreshTokenValiditySeconds: -1 },
    'enabled': { enabled: 'yes' },
    'scope': { scope: ['a b'] },
  };
  for (const [name, more] of Object.entries(illegal))
    await t.test(name, async () => {
      failed(await call('POST', CLIENTS, { body: whole(more) }),
        '400.1.3 Illegal value');
    });
  await t.test('no redirects for codes', async () => {
    failed(await call('POST', CLIENTS, { body: whole({ redirectUris: null }) }),
      '400.1 Bad Request Content', /redirectUris is required;/);
  });
});

test('a client can be patched, and switched off at once', async (t) => {
  const made = await makeClient();
  const path = `${CLIENTS}/${made.id}`;
  const token = await readToken(server,
    { clientId: made.id, clientSecret: made.secret });
  await t.test('members', async () => {
    const answer = await patch(path, [
      { op: 'replace', path: '/name', value: 'Renamed' },
      { op: 'add', path: '/redirectUris/-', value: 'app.example:/back' },
      { op: 'replace', path: '/accessType', value: 'ONLINE' },
      { op: 'replace', path: '/description', value: null },
    ]);
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.json.name, 'Renamed');
    assert.equal(answer.json.redirectUris.length, 2);
    assert.equal(answer.json.accessType, 'ONLINE');
    assert.equal(answer.json.description, null);
    assert.notEqual(answer.json.modified, made.modified);
    assert.equal(await world.sql(`SELECT detail FROM audit WHERE event =
      'API_CLIENT_UPDATED' ORDER BY number DESC LIMIT 1`),
    'name description redirectUris accessType');
  });
  for (const name of ['id', 'type', 'secret', 'created', 'internal'])
    await t.test(`not ${name}`, async () => {
      failed(await patch(path, [{ op: 'add', path: `/${name}`, value: 'x' }]),
        '400.1.1 Illegal update attempt');
    });
  await t.test('off', async () => {
    const off = await patch(path,
      [{ op: 'replace', path: '/enabled', value: false }]);
    assert.equal(off.json.enabled, false);
    assert.equal((await call('GET', '/v3/non-employee-sources',
      { token })).status, 401);
    await assert.rejects(readToken(server,
      { clientId: made.id, clientSecret: made.secret }));
    await patch(path, [{ op: 'replace', path: '/enabled', value: true }]);
    await readToken(server, { clientId: made.id, clientSecret: made.secret });
  });
});

test('clients are for administrators', async (t) => {
  const { id } = await makeClient();
  const source = await world.token(server, await (async () => {
    await world.identity('sources', { levels: ['SOURCE_ADMIN'] });
    return world.pat('sources');
  })());
  const reader = await world.token(server,
    await world.pat('admin', 'sp:oauth-client:read'));
  const callers = { ann, application, source };
  for (const [name, token] of Object.entries(callers))
    await t.test(name, async () => {
      for (const [method, path, body] of [
        ['GET', CLIENTS], ['GET', `${CLIENTS}/${id}`],
        ['GET', `${CLIENTS}/${crypto.randomUUID()}`],
        ['POST', CLIENTS, whole()], ['PATCH', `${CLIENTS}/${id}`, []],
        ['DELETE', `${CLIENTS}/${id}`]])
        failed(await call(method, path, { token, body }), '403 Forbidden');
    });
  await t.test('the scope to read does not manage', async () => {
    assert.equal((await call('GET', CLIENTS, { token: reader })).status, 200);
    failed(await call('DELETE', `${CLIENTS}/${id}`, { token: reader }),
      '403 Forbidden');
  });
  await t.test('a personal access token is no client', async () => {
    const { id: pat } = await makePat(ann);
    failed(await call('GET', `${CLIENTS}/${pat}`), '404 Not found');
    failed(await patch(`${CLIENTS}/${pat}`, []), '404 Not found');
    failed(await call('DELETE', `${CLIENTS}/${pat}`), '404 Not found');
    failed(await call('DELETE', `${PATS}/${id}`), '404 Not found');
  });
});
