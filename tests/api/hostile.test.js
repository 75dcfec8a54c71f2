// Every parameter and body field that docs/api/openapi.yaml knows, with what
// nobody should send. The answer has to be a documented one, never a fault,
// and what was refused must have left nothing behind.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { makeCalls, multipart, pathOf } from './lib/good.js';
import { request } from './lib/http.js';
import { World } from './lib/nelm.js';
import { documented, mismatch, resolved } from './lib/openapi.js';
import { HEADER, state } from './lib/registry.js';

// ---- what is sent -------------------------------------------------------

const text = (value) => JSON.stringify(value);

const FRAGMENTS = [
  "' OR '1'='1", "'; DROP TABLE record; --", '" OR ""="', '\\', '%', '_',
  '%s%s%n%x%p', '{0}', '${7*7}', '$(id)', '`id`', '../../etc/passwd',
  '<script>alert(1)</script>', '=1+1', '@cmd',
];

const UNICODE = [
  '\u202Eevil', 'e\u0301\u0301\u0301',
  '\u{1F468}\u200D\u{1F469}\u200D\u{1F467}',
  '\uFEFFbom', '\u0130\u0131\u017F', '\uFFFF', '\u{10FFFF}', '\u2028',
  '\u0645\u0631\u062D\u0628\u0627',
];

// JSON that is well-formed, by its type.
const VALUES = [
  ['null', ['null']],
  ['boolean', ['true', 'false']],
  ['number', ['0', '-1', '1.5', '1e308', '12345678901234567890',
    '-9223372036854775808', '9223372036854775807', '0.1e-300']],
  ['string', ['""', '" "', text('x'.repeat(5000)), text('\u00E9'.repeat(5000)),
    '"\\u0000"', '"a\\u0000b"', '"\\u0007"', '"\\ud83d\\ude00"', '"null"',
    '"true"', '"0"', ...[...FRAGMENTS, ...UNICODE].map(text)]],
  ['array', ['[]', '[null]', '[[]]', '[{}]', '["x",1]',
    `[${'0,'.repeat(2000)}0]`]],
  ['object', ['{}', '{"a":1}', '{"id":null}', '{"":""}',
    '{"__proto__":{"x":1}}']],
].flatMap(([type, raws]) => raws.map((raw) => ({ type, raw })));

// What makes the whole body no JSON.
const BROKEN = ['"\\ud800"', '"\\udc00\\ud800"', '1e400', 'NaN', 'Infinity',
  '01', '.5', "'x'", 'undefined', '"\n"', '"\\x41"', '/**/1', '[1,]',
  `${'['.repeat(10000)}${']'.repeat(10000)}`,
  `${'{"a":'.repeat(10000)}1${'}'.repeat(10000)}`];

const BYTES = {
  'nothing': '',
  'a byte order mark': '\uFEFF{}',
  'half': '{"a":',
  'two values': '{} {}',
  'bytes behind': '{}x',
  'NUL': Buffer.from('{"a":"\0"}'),
  'bad UTF-8': Buffer.from([0x7b, 0x22, 0x61, 0x22, 0x3a, 0x22, 0xff, 0x22,
    0x7d]),
  'an overlong form': Buffer.from([0x7b, 0x22, 0xc0, 0xaf, 0x22, 0x3a, 0x31,
    0x7d]),
  'a surrogate in UTF-8': Buffer.from([0x7b, 0x22, 0xed, 0xa0, 0x80, 0x22,
    0x3a, 0x31, 0x7d]),
  'UTF-16': Buffer.from('{"a":1}', 'utf16le'),
  'a form': 'a=b&c=d',
  'deep arrays': '['.repeat(10000) + ']'.repeat(10000),
  'deep and open': '['.repeat(10000),
  'deep objects': '{"a":'.repeat(10000) + '1' + '}'.repeat(10000),
};

const TYPES = ['text/plain', 'application/xml', 'multipart/form-data',
  'application/x-www-form-urlencoded', 'application/jsonx', 'application',
  'application/json/json', '*/*', 'x'.repeat(2000),
  'application/json; charset=utf-16', 'application/json; charset=latin1'];

const QUERY = ['', '%20', '-1', '1.5', '0x10', '1e2', 'NaN',
  '99999999999999999999', 'yes', 'TRUE1', '%00', '1%00', '%ff%fe', '%ed%a0%80',
  '%F0%9F%98%80', '[]', '{}', 'x'.repeat(4000),
  ...[...FRAGMENTS, ...UNICODE].map(encodeURIComponent)];

const FILTERS = ['(', ')', '()', 'not', 'and', 'a', 'a eq', 'a eq "', 'eq "x"',
  'sourceId EQ "x"', 'sourceId ne "x"', 'sourceId eq "a" or', 'a eq "b" xor c',
  'sourceId eq "\\', `${'('.repeat(1000)}a eq "b"${')'.repeat(1000)}`,
  'not '.repeat(800) + 'a eq "b"', 'sourceId in ()', 'sourceId in ("a",',
  '1=1', 'rowid eq "1"'];

const SORTERS = [',', 'created,', ',created', '-', '--created', 'created desc',
  'rowid', 'CREATED', 'created;drop', '1', '-created,-created,x'];

const SEGMENTS = ['..', '%2e%2e', '%2e', '%2f', '%2F..%2F', '%00', '%', '%zz',
  '%ff', 'me', 'null', '0', '-1', 'x'.repeat(3000), '0'.repeat(32),
  '00000000-0000-0000-0000-000000000000', 'ffffffffffffffffffffffffffffffff',
  '{id}', '*', '%20', '0b5fd9d2-0000-7000-8000-00000000000',
  '0b5fd9d2-0000-7000-8000-0000000000000', '0b5fd9d20000-7000-8000000000000000',
  ...[...FRAGMENTS, ...UNICODE].map(encodeURIComponent)
    .filter((segment) => !segment.includes('.')),
];

const POINTERS = ['', '/', '//', 'name', '/~', '/~2', '/nothing', '/id',
  '/created', '/sourceId', '/name/0', '/approvers/99', '/approvers/-1',
  '/approvers/01', '/approvers/1e0', '/data', '/data/', '/data/nothing',
  '/data/__proto__', '/__proto__', '/constructor', '/technicalName', '/type',
  '/system', '/owner', '/secret', `/${'x'.repeat(5000)}`,
  '/a'.repeat(2000), ...FRAGMENTS.map((part) => `/${part}`)];

// Fields in which none of the values above means anything.
const NEVER = new Set(['email', 'manager', 'sourceId', 'startDate', 'endDate',
  'id', 'ids', 'op', 'path', 'expirationDate']);

// ---- how it is judged ----------------------------------------------------

let world, server, good, root, database, baseline, calls;

before(async () => {
  world = await World.create();
  server = await world.serve();
  const made = await makeCalls(world, server);
  ({ good, root } = made);
  await root.post(`/non-employee-sources/${made.source.id}/schema-attributes`,
    { type: 'TEXT', label: 'Note', technicalName: 'note' });
  database = await world.store.watch();
  calls = 0;
});
after(async () => {
  database?.stop();
  await world?.done();
});

async function settle() {
  baseline = { version: await database.version() };
}

// One hostile call. `must`: it may not succeed. Resolves to what is wrong with
// the answer, if anything is, and to whether it was taken. `kept`: its refusal
// is written down.
async function attempt(operation, fine, what, { must, free, kept } = {}) {
  calls++;
  const { method } = operation;
  const by = fine.by ?? root;
  const answer = await (by.api ?? by).call(method,
    what.path ?? pathOf(operation, fine), what.body ?? fine.body,
    { type: what.type ?? fine.type });
  const taken = answer.status < 300;
  const problems = [];

  // What does not even reach the operation is refused by who comes first.
  const early = free && [400, 404, 405, 414, 431].includes(answer.status);
  const wrong = early ? undefined : mismatch(operation, answer);
  if (wrong)
    problems.push(wrong);
  if (must && taken)
    problems.push(`${answer.status}, but it should be refused`);
  if (!taken) {
    const version = await database.version();
    if (version !== baseline.version) {
      if (!kept)
        problems.push(`${answer.status}, but something was written`);
      baseline = { version };
    }
  }
  return { problems, taken, answer };
}

// All `cases` ([label, what, options]) against one operation.
async function pass(operation, cases) {
  const make = good[operation.id] ?? (async () => ({}));
  const faults = [];
  let fine = await make();
  let successes = 0;
  const first = await state(root);

  await settle();
  for (const [label, what, options] of cases) {
    const { problems, taken, answer } = await attempt(operation, fine,
      typeof what === 'function' ? what(fine) : what, options);
    faults.push(...problems.map((problem) =>
      `${label.slice(0, 120)}: ${problem.slice(0, 300)}`));
    if (!taken || operation.method === 'GET')
      continue;
    successes++;
    await tidy(operation, fine, answer);
    if (['approve', 'reject', 'deleteRecords'].includes(operation.id))
      fine = await make();
    await settle();
  }
  if (successes === 0 && await state(root) !== first)
    faults.push('everything was refused, but something happened');
  assert.deepEqual(faults, []);
}

// Take away what a success left, so that the next one has room.
async function tidy({ id }, { ids = [] }, answer) {
  const [source] = ids;
  const path = {
    createSource: '/non-employee-sources',
    createSchemaAttribute: `/non-employee-sources/${source}/schema-attributes`,
    createRequest: '/non-employee-requests',
    createRecord: '/non-employee-records',
    createPersonalToken: '/personal-access-tokens',
    createClient: '/oauth-clients',
  }[id];
  if (path)
    await root.delete(`${path}/${answer.json.id}`);
}

// ---- where it is put --------------------------------------------------------

const splice = (body, name, raw) =>
  `{${[...Object.entries(body).filter(([key]) => key !== name)
    .map(([key, value]) => `${text(key)}:${text(value)}`),
  ...(raw === undefined ? [] : [`${text(name)}:${raw}`])].join(',')}}`;

// Does a value break what the schema says?
function breaks(schema, { type, raw }, required) {
  const types = [schema.type].flat();
  if (raw === 'null')
    return required && !types.includes('null');
  if (schema.type && !types.includes(type === 'number' ? 'integer' : type))
    return true;
  if (type === 'number')
    return !(Number.isInteger(Number(raw)) && Number(raw) >= schema.minimum &&
      Number(raw) <= schema.maximum);
  if (type !== 'string')
    return false;
  const value = JSON.parse(raw).trim();
  return [...value].length > (schema.maxLength ?? Infinity) ||
    (schema.minLength > 0 && value === '') ||
    (schema.enum && !schema.enum.includes(value)) ||
    (schema.pattern && !new RegExp(schema.pattern).test(value));
}

// Every field of a JSON body with every value, then without the field and
// with the field twice. `wrap` puts an object where its schema stands.
function fieldCases(schema, fine, wrap, prefix = '') {
  const { properties = {}, required = [] } = schema;
  return Object.entries(properties).flatMap(([name, member]) => {
    const field = resolved(member);
    const put = (raw) => (now) =>
      ({ body: wrap(now, (body) => splice(body, name, raw)) });
    const label = prefix + name;
    const needed = required.includes(name);
    const cases = VALUES.map((value) => [`${label} = ${value.raw}`,
      put(value.raw), { must: (NEVER.has(name) && value.raw !== 'null') ||
        breaks(field, value, needed) }]);
    cases.push(...BROKEN.map((raw) =>
      [`${label} = ${raw}`, put(raw), { must: true }]));
    cases.push([`no ${label}`, put(undefined), { must: needed }]);
    cases.push([`${label} twice`, (now) => ({
      body: wrap(now, (body) => splice(body, name,
        `${text(body[name] ?? 'x')},${text(name)}:${text('x')}`)),
    }), { must: true }]);
    const inside = field.type === 'array' ? resolved(field.items) : field;
    if (inside.properties)
      cases.push(...fieldCases(inside, fine, (now, change) =>
        wrap(now, (body) => {
          const deep = change(field.type === 'array'
            ? body[name]?.[0] ?? {} : body[name] ?? {});
          return splice(body, name,
            field.type === 'array' ? `[${deep}]` : deep);
        }), `${label}.`));
    else if (field.type === 'array')
      cases.push(...VALUES.map((value) =>
        [`${label}[0] = ${value.raw}`, put(`[${value.raw}]`),
          { must: value.type !== 'string' ||
            NEVER.has(name) || breaks(inside, value, true) }]));
    if (field.additionalProperties)
      for (const value of VALUES) {
        cases.push([`${label}.note = ${value.raw}`,
          put(`{"note":${value.raw}}`),
          { must: breaks(field.additionalProperties, value, false) }]);
        if (value.type === 'string')
          cases.push([`${label} key ${value.raw}`, put(`{${value.raw}:"x"}`),
            { must: true }]);
      }
    return cases;
  });
}

function bodyCases(operation) {
  const [type] = Object.keys(operation.body.content);
  const schema = resolved(operation.body.content[type].schema);
  const needed = schema.type === 'array' || schema.required?.length > 0;
  const cases = Object.entries(BYTES).map(([label, body]) =>
    [label, { body }, { must: needed || label !== 'nothing' }]);
  cases.push(...[...VALUES, ...BROKEN.map((raw) => ({ type: 'none', raw }))]
    .filter(({ type: kind }) => kind !== schema.type)
    .map(({ raw }) => [`body ${raw}`, { body: raw }, { must: true }]));
  cases.push(...TYPES.map((name) => [`as ${name}`, (now) =>
    ({ type: name, body: JSON.stringify(now.body) }), { must: true }]));
  return cases;
}

function patchCases({ id }, fine) {
  const nullable = id === 'patchClient';
  const patch = (raw) => ({ body: `[${raw}]` });
  const own = fine.body[0].path;
  const item = { op: 'replace', path: own, value: 'x' };
  const cases = ['op', 'path'].flatMap((name) => [
    ...[...VALUES.map(({ raw }) => raw), ...BROKEN].map((raw) =>
      [`${name} = ${raw}`, patch(splice(item, name, raw)), { must: true }]),
    [`no ${name}`, patch(splice(item, name)), { must: true }],
  ]);
  for (const path of POINTERS)
    for (const op of ['add', 'replace', 'remove', 'test', 'move', 'copy'])
      cases.push([`${op} ${path}`, patch(text({
        op, path, ...(op === 'remove' ? {} : { value: 'x' }),
        ...(op === 'move' || op === 'copy' ? { from: path } : {}),
      })), { must: op !== 'copy' && !path.startsWith('/data') }]);
  cases.push(...[...VALUES.map(({ type, raw }) => [raw, type !== 'string']),
    ...BROKEN.map((raw) => [raw, true])].map(([raw, must]) =>
    [`value = ${raw}`, patch(splice(item, 'value', raw)),
      { must: must && !(raw === 'null' && nullable) }]));
  cases.push(['no value', patch(splice(item, 'value')), { must: true }]);
  cases.push(['good, then bad', {
    body: text([...fine.body, { op: 'test', path: own, value: 'no such' }]),
  }, { must: true }]);
  cases.push(['very many', {
    body: text(Array.from({ length: 5000 }, () => fine.body[0])),
  }]);
  return cases;
}

function queryCases(operation, fine) {
  const others = fine.query?.split('&') ?? [];
  return operation.parameters.filter(({ in: place }) => place === 'query')
    .flatMap(({ name, schema }) => {
      const with_ = (value) => ({
        path: pathOf(operation, {
          ...fine, query: [...others.filter((one) =>
            !one.startsWith(`${name}=`)), `${name}=${value}`].join('&'),
        }),
      });
      const special =
        { filters: FILTERS, sorters: SORTERS, limit: ['251'] }[name] ?? [];
      const strict = schema.type !== 'string' || special.length > 0;
      const cases = [...QUERY, ...special.map(encodeURIComponent)].map(
        (value) => [`?${name}=${value}`, with_(value),
          { must: strict || value === '', free: true }]);
      cases.push([`?${name} twice`, with_(`1&${name}=2`), { free: true }]);
      return cases;
    });
}

function pathCases(operation, fine) {
  const names = operation.path.match(/\{[^}]+\}/g) ?? [];
  return names.flatMap((name, at) => SEGMENTS.map((segment) => {
    const ids = [...fine.ids ?? []];
    ids[at] = segment;
    return [`${name} = ${segment}`,
      { path: pathOf(operation, { ...fine, ids }) },
      { must: name !== '{requested-for}', free: true }];
  }));
}

test('a write is seen', async () => {
  const { ids, body } = await good.patchSource();
  await settle();
  assert.equal(await database.version(), baseline.version);
  await root.patch(`/non-employee-sources/${ids[0]}`, body);
  assert.notEqual(await database.version(), baseline.version);
});

const held = documented.filter(({ versioned }) => versioned);

for (const operation of held)
  test(`${operation.method} ${operation.path}`, async (t) => {
    const fine = await (good[operation.id] ?? (async () => ({})))();
    const type = Object.keys(operation.body?.content ?? {})[0];
    const parts = {
      path: pathCases(operation, fine),
      query: queryCases(operation, fine),
    };
    if (type === 'application/json') {
      const schema = resolved(operation.body.content[type].schema);
      parts.body = bodyCases(operation);
      parts.fields = fieldCases(schema, fine,
        (now, change) => change(now.body));
    } else if (type === 'application/json-patch+json') {
      parts.body = bodyCases(operation);
      parts.patch = patchCases(operation, fine);
    }
    for (const [part, cases] of Object.entries(parts))
      if (cases.length > 0)
        await t.test(part, () => pass(operation, cases));
  });

test('uploads that are no form or no CSV', async () => {
  const operation = held.find(({ id }) => id === 'uploadRecords');
  const type = 'multipart/form-data; boundary=b';
  const row = 'a.b,A,B,1,a@example.com,manager,2024-01-01,2030-01-01';
  const csv = (bytes) => multipart(bytes);
  const part = (head, body = 'x') =>
    `--b\r\n${head}\r\n\r\n${body}\r\n--b--\r\n`;
  const data = 'Content-Disposition: form-data; name="data"';
  const files = {
    'no columns': '\n', 'one column': 'accountName\n',
    'a column twice': `${HEADER},phone\n`, 'NUL': `${HEADER}\n${row}\0\n`,
    'only NUL': '\0\0\0\0', 'an open quote': `${HEADER}\n"${row}\n`,
    'text after a quote': `${HEADER}\n"a"b,${row}\n`,
    'too few cells': `${HEADER}\na,b\n`, 'too many': `${HEADER}\n${row},x\n`,
    'a long cell': `${HEADER}\n${row.replace('A', 'x'.repeat(300000))}\n`,
    'many columns': `${HEADER}${',x'.repeat(20000)}\n`,
    'bare carriage returns': `${HEADER}\r${row}\r`,
    'UTF-16': Buffer.from(`${HEADER}\n${row}\n`, 'utf16le').toString('latin1'),
    'twice the same name': `${HEADER}\n${row}\n${row.replace('a.b', 'A.B')}\n`,
    'a bad date': `${HEADER}\n${row.replace('2030-01-01', '2030-02-30')}\n`,
    'an end before the start': `${HEADER}\n${row.replace('2030', '2020')}\n`,
    'nobody as manager': `${HEADER}\n${row.replace('manager', 'nobody')}\n`,
    ...Object.fromEntries([...FRAGMENTS, ...UNICODE].map((name) =>
      [`manager ${name}`, `${HEADER}\n${row.replace('manager',
        `"${name.replaceAll('"', '""')}"`)}\n`])),
  };
  const forms = {
    'no boundary': { type: 'multipart/form-data', body: part(data, HEADER) },
    'an empty boundary': { type: 'multipart/form-data; boundary=""',
      body: part(data, HEADER) },
    'a long boundary': {
      type: `multipart/form-data; boundary=${'b'.repeat(200)}`,
      body: part(data, HEADER),
    },
    'another boundary': { type: 'multipart/form-data; boundary=c',
      body: part(data, HEADER) },
    'no end': { type, body: `--b\r\n${data}\r\n\r\n${HEADER}\n` },
    'no head': { type, body: '--b\r\n\r\nx\r\n--b--\r\n' },
    'no part': { type, body: '--b--\r\n' },
    'nothing': { type, body: '' },
    'another part': { type,
      body: part(data.replace('data"', 'file"'), HEADER) },
    'a head without end': { type, body: `--b\r\n${'x'.repeat(100000)}` },
    'very many parts': { type, body:
      `--b\r\n${data.replace('data"', 'x"')}\r\n\r\nx\r\n`.repeat(5000) +
      '--b--\r\n' },
    'two files': { type, body: `--b\r\n${data}\r\n\r\n${HEADER}\n\r\n` +
      part(data, HEADER) },
    'JSON': { type: 'application/json', body: '{"data":"x"}' },
    'a form': { type: 'application/x-www-form-urlencoded', body: 'data=x' },
    'the bare CSV': { type: 'text/csv', body: `${HEADER}\n${row}\n` },
  };
  await pass(operation, [
    ...Object.entries(files).map(([label, file]) =>
      [label, csv(file), { must: true, kept: true }]),
    ...Object.entries(forms).map(([label, what]) =>
      [label, what, { must: true }]),
    ['bad UTF-8', {
      type, body: Buffer.concat([
        Buffer.from(`--b\r\n${data}\r\n\r\n${HEADER}\n`),
        Buffer.from([0xff, 0xfe]), Buffer.from(`${row}\n\r\n--b--\r\n`),
      ]),
    }, { must: true, kept: true }],
  ]);
});

test('the token endpoint', async () => {
  const operation = documented.find(({ id }) => id === 'createToken');
  const schema = resolved(Object.values(operation.body.content)[0].schema);
  const faults = [];
  for (const name of Object.keys(schema.properties))
    for (const value of QUERY)
      for (const where of ['query', 'body']) {
        const rest = Object.entries({
          grant_type: 'client_credentials', client_id: world.admin.clientId,
          client_secret: world.admin.clientSecret,
        }).filter(([key]) => key !== name)
          .map(([key, known]) => `${key}=${known}`);
        const fields = [...rest, `${name}=${value}`].join('&');
        const answer = await request(server, {
          method: 'POST',
          path: `/oauth/token${where === 'query' ? `?${fields}` : ''}`,
          ...(where === 'query' ? {} : {
            body: fields, headers: {
              'Content-Type': 'application/x-www-form-urlencoded',
            },
          }),
        });
        const wrong = [400, 414].includes(answer.status) && where === 'query'
          ? undefined : mismatch(operation, answer);
        if (wrong)
          faults.push(`${where} ${name}=${value.slice(0, 60)}: ${wrong}`);
        const credential = ['grant_type', 'client_id', 'client_secret'];
        if (answer.status === 200 && credential.includes(name))
          faults.push(`${where} ${name}=${value.slice(0, 60)}: a token`);
      }
  assert.deepEqual(faults, []);
});

test('the server is none the worse for it', async () => {
  assert.ok(calls > 5000, `${calls} calls`);
  assert.equal(server.child.exitCode, null);
  await world.store.checkIntact();
  assert.doesNotMatch(server.log, /level=error|runtime error|Sanitizer/);
  const { code } = await server.stop();
  assert.equal(code, 0);
});
