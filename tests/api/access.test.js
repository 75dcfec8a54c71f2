// Who may call what, and which refusal comes first (contract 3 and 4).

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import {
  PREFIXES, check401, check429, checkCommon, checkDownload, checkError,
  checkFramework, checkJson, downloadPath, templatePath,
} from './lib/http.js';
import { UNLIMITED, World } from './lib/nelm.js';

let world, server, source, token;
const UNKNOWN = '01890000-0000-7000-8000-000000000000';

before(async () => {
  world = await World.create();
  await world.identity('olga');
  source = await world.source('Access', { owner: 'olga' });
  server = await world.serve();
  token = await world.token(server);
});
after(() => world?.done());

test('unknown paths are 404 before anything else', async (t) => {
  const paths = ['/v3', '/v3/', '/v4/non-employee-sources', '/v3/nothing',
    `/V3/non-employee-sources/${source.id}/non-employees/download`,
    `/v3/Non-Employee-Sources/${source.id}/non-employees/download`,
    `/v3/non-employee-sources/${source.id}/non-employees/Download`,
    `/v3/non-employee-sources/${source.id}/non-employees/download/more`,
    `/v3/non-employee-sources/v1/${source.id}/non-employees/download`,
    `/v3x/non-employee-sources/${source.id}/non-employees/download`,
    `/non-employee-sources/${source.id}/non-employees/download`,
    `/non-employee-sources/v2/${source.id}/non-employees/download`,
    '/oauth/nothing', '/.well-known/nothing', '/%00', '/%2e%2e/%2e%2e/etc',
    '/v3/non-employee-sources/../../../etc/passwd'];
  for (const path of paths) {
    for (const [who, headers] of [['without token', {}],
      ['with token', { Authorization: `Bearer ${token}` }],
      ['with a bad token', { Authorization: 'Bearer bad' }]]) {
      await t.test(`${path} ${who}`, async () => {
        const answer = await server.get(path, { headers });
        if (path === '/%00' && answer.status === 400)
          return; // refused even earlier, as a broken request line
        checkError(answer, 404, '404 Not found');
      });
    }
  }
});

test('known paths with another method are 405 with Allow', async (t) => {
  const rows = [
    [downloadPath(source.id), 'GET', ['PUT', 'PATCH', 'DELETE']],
    [templatePath(source.id), 'GET', ['POST', 'PUT', 'PATCH', 'DELETE']],
    [downloadPath(source.id, '').replace('/non-employee-sources/',
      '/non-employee-sources/v1/'), 'GET', ['DELETE']],
    ['/oauth/token', 'POST', ['GET', 'HEAD', 'PUT', 'DELETE']],
    ['/oauth/info', 'GET', ['POST', 'DELETE']],
    ['/.well-known/jwks.json', 'GET', ['POST', 'DELETE']],
  ];
  for (const [path, allowed, methods] of rows) {
    for (const method of methods) {
      await t.test(`${method} ${path}`, async () => {
        const answer = await server.get(path, { method });
        const allow = (answer.headers.allow ?? '').split(/\s*,\s*/);
        assert.ok(allow.includes(allowed), `Allow: ${answer.headers.allow}`);
        assert.ok(!allow.includes(method));
        if (allowed === 'GET')
          assert.ok(allow.includes('HEAD'));
        if (method === 'HEAD') {
          assert.equal(answer.status, 405);
          checkCommon(answer);
        } else {
          checkFramework(answer, 405, 'NotAllowedException',
            'HTTP 405 Method Not Allowed');
        }
      });
    }
  }
});

test('401 comes before 404 and 403', async () => {
  for (const id of [source.id, UNKNOWN, 'nothing'])
    check401(await server.get(downloadPath(id)), 'JWT is required');
});

test('429 comes before 403, 404 and 400, and after 401', async () => {
  const limited = await world.serve(['--rate-limit', '2/60s']);
  const pat = await world.pat(world.admin.identity.alias, 'sp:scopes:default');
  const weak = await world.token(limited, pat);
  const call = (id, options) => limited.get(downloadPath(id),
    { token: weak, ...options });
  checkError(await call(source.id), 403, '403 Forbidden');
  checkError(await call(UNKNOWN), 403, '403 Forbidden');
  check429(await call(source.id), 60);
  check429(await call(UNKNOWN), 60);
  check429(await call(`${source.id}`, { headers: { Range: 'bytes=0-' } }), 60);
  check401(await limited.get(downloadPath(source.id)), 'JWT is required');
  checkError(await limited.get('/v3/nothing', { token: weak }), 404,
    '404 Not found');
  await limited.stop();
});

test('404 comes before 400', async () => {
  checkError(await server.get(`${downloadPath(UNKNOWN)}?lineEnd=no`,
    { token }), 404, '404 Not found');
});

const READERS = [
  ['administrator', { levels: ['ORG_ADMIN'] }, 200, 200],
  ['source administrator', { levels: ['SOURCE_ADMIN'] }, 200, 200],
  ['source sub-administrator', { levels: ['SOURCE_SUBADMIN'] }, 403, 403],
  ['nobody in particular', {}, 403, 403],
  ['several levels', { levels: ['SOURCE_SUBADMIN', 'SOURCE_ADMIN'] },
    200, 200],
];

test('rights by user level', async (t) => {
  let number = 0;
  for (const [who, how, exported, template] of READERS) {
    await t.test(who, async () => {
      const alias = `reader${number++}`;
      await world.identity(alias, how);
      const mine = await world.token(server, await world.pat(alias));
      for (const [path, status] of [[downloadPath, exported],
        [templatePath, template]]) {
        const answer = await server.get(path(source.id), { token: mine });
        if (status === 200)
          checkDownload(answer, { rows: 0 });
        else
          checkError(answer, 403, '403 Forbidden');
        // Who has no right learns nothing about which ids exist.
        for (const id of [UNKNOWN, 'nothing']) {
          const unknown = await server.get(path(id), { token: mine });
          if (status === 200)
            checkError(unknown, 404, '404 Not found');
          else
            checkError(unknown, 403, '403 Forbidden');
        }
      }
    });
  }
  await t.test('a sub-administrator of the source has its template only',
    async () => {
      const theirs = await world.source('Theirs', { workgroup: 'group 1' });
      await world.identity('sub', { levels: ['SOURCE_SUBADMIN'] });
      const mine = await world.token(server, await world.pat('sub'));
      const get = (path, id = theirs.id) =>
        server.get(path(id), { token: mine });
      checkError(await get(templatePath), 403, '403 Forbidden');
      const group = ['--group', 'group 1', '--identity', 'sub'];
      await world.cli(['workgroup', 'add', ...group]);
      checkDownload(await get(templatePath), { rows: 0 });
      checkError(await get(downloadPath), 403, '403 Forbidden');
      checkError(await get(templatePath, source.id), 403, '403 Forbidden');
      checkError(await get(templatePath, UNKNOWN), 403, '403 Forbidden');
      await world.cli(['workgroup', 'remove', ...group]);
      checkError(await get(templatePath), 403, '403 Forbidden');
    });
  await t.test('the owner of the source has no right to export', async () => {
    const mine = await world.token(server, await world.pat('olga'));
    checkError(await server.get(downloadPath(source.id), { token: mine }),
      403, '403 Forbidden');
  });
});

const SCOPES = [
  [['idn:nelm:read'], 200],
  [['idn:nelm:read', 'idn:nelm:manage'], 200],
  [['sp:scopes:all'], 200],
  [['idn:nelm:manage'], 403],
  [['sp:scopes:default'], 403],
  [['sp:my-personal-access-tokens:read'], 403],
  [['sp:my-personal-access-tokens:read', 'idn:nelm:read'], 200],
];

test('scopes, of personal tokens and of clients', async (t) => {
  for (const [scopes, status] of SCOPES) {
    for (const kind of ['personal', 'client']) {
      await t.test(`${kind}: ${scopes.join(' ')}`, async () => {
        const made = kind === 'personal'
          ? await world.pat(world.admin.identity.alias, ...scopes)
          : await world.client(`with ${scopes.join(' ')}`, { scopes });
        const mine = await world.token(server, made);
        for (const path of [downloadPath, templatePath]) {
          const answer = await server.get(path(source.id), { token: mine });
          if (status === 200)
            checkDownload(answer, { rows: 0 });
          else
            checkError(answer, 403, '403 Forbidden');
        }
      });
    }
  }
});

test('Accept-Language names the second message\'s locale', async (t) => {
  const rows = [[undefined, 'und'], ['de', 'de'], ['de-AT', 'de-AT'],
    ['fr-FR,fr;q=0.9,en;q=0.8', 'fr-FR'], ['en-GB;q=0.7, de', 'en-GB']];
  for (const [language, locale] of rows) {
    await t.test(String(language), async () => {
      const headers = language ? { 'Accept-Language': language } : {};
      checkError(await server.get('/v3/nothing', { headers }), 404,
        '404 Not found', { locale });
    });
  }
  await t.test('hostile ones do not break the answer', async () => {
    for (const language of ['"', '\\"}', '<b>', 'x'.repeat(4000), ',,;', '']) {
      const answer = await server.get('/v3/nothing',
        { headers: { 'Accept-Language': language } });
      checkJson(answer);
      assert.equal(answer.json.messages.length, 2);
    }
  });
});

test('Accept is never a reason to refuse', async () => {
  for (const accept of ['application/json', 'text/csv', 'image/png',
    'application/json, text/plain, */*', '', 'nonsense']) {
    for (const path of [downloadPath, templatePath]) {
      const answer = await server.get(path(source.id),
        { token, headers: { Accept: accept } });
      checkDownload(answer, { rows: 0 });
    }
    checkError(await server.get('/v3/x', { headers: { Accept: accept } }),
      404, '404 Not found');
  }
});

test('paths may have doubled and trailing slashes', async () => {
  const plain = downloadPath(source.id);
  for (const path of [`${plain}/`, `${plain}//`, `/${plain}`,
    plain.replaceAll('/', '//'), plain.replace('/v3/', '/v3///')]) {
    const answer = await server.get(path, { token });
    assert.equal(answer.status, 200, path);
  }
});

test('unknown parameters and headers change nothing', async () => {
  const answer = await server.get(
    `${downloadPath(source.id)}?colour=blue&limit=`,
    { token, headers: {
      'X-SailPoint-Experimental': 'true', 'cache-control': 'no-cache',
      scope: 'x', 'Content-Type': 'application/json',
    } });
  checkDownload(answer, { rows: 0 });
});

test('every family has the route', async () => {
  for (const prefix of PREFIXES) {
    checkDownload(await server.get(downloadPath(source.id, prefix),
      { token }), { rows: 0 });
  }
});

test('health', async () => {
  for (const path of ['/healthz', '/readyz']) {
    const answer = await server.get(path);
    assert.equal(answer.status, 200, path);
    checkCommon(answer, { cacheControl: answer.headers['cache-control'] });
  }
});

test('limits off means off', async () => {
  const free = await world.serve(UNLIMITED);
  const mine = await world.token(free);
  for (let i = 0; i < 150; i++) {
    const answer = await free.get(downloadPath(UNKNOWN), { token: mine });
    assert.equal(answer.status, 404);
  }
  await free.stop();
});
