// Schema attributes (contract 9.3, 11).

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { World } from './lib/nelm.js';
import {
  HEADER, admin, personBody, replace, sourceBody,
} from './lib/registry.js';

let world, server, api, source, path;
let serial = 0;

before(async () => {
  world = await World.create();
  server = await world.serve();
  api = await admin(world, server);
});
after(() => world?.done());

test.beforeEach(async () => {
  source = await api.post('/non-employee-sources',
    sourceBody(`Source ${++serial}`, world.admin.identity));
  path = `/non-employee-sources/${source.id}/schema-attributes`;
});

const text = (technicalName, extra) =>
  ({ type: 'TEXT', label: 'Label', technicalName, ...extra });

test('the eight built-in attributes come first, in the CSV\'s order',
  async () => {
    await api.post(path, text('zeta'));
    await api.post(path, text('alpha'));
    const list = await api.get(path);
    assert.deepEqual(list.map(({ technicalName }) => technicalName),
      [...HEADER.split(','), 'zeta', 'alpha']);
    for (const [i, attribute] of list.entries()) {
      assert.deepEqual(Object.keys(attribute).sort(), ['created',
        'helpText', 'id', 'label', 'modified', 'placeholder', 'required',
        'system', 'technicalName', 'type']);
      assert.equal(attribute.system, i < 8);
      assert.equal(attribute.required, i < 8);
      assert.deepEqual(await api.get(`${path}/${attribute.id}`), attribute);
    }
    assert.deepEqual(list.map(({ type }) => type), ['TEXT', 'TEXT', 'TEXT',
      'TEXT', 'TEXT', 'IDENTITY', 'DATE', 'DATE', 'TEXT', 'TEXT']);
  });

test('what is left out is empty, what is sent too much is ignored',
  async () => {
    const made = await api.post(path, text('a.b_c-1',
      { system: true, id: 'x', created: 'never' }));
    const { id, created, modified, ...rest } = made;
    assert.deepEqual(rest, { system: false, type: 'TEXT', label: 'Label',
      technicalName: 'a.b_c-1', helpText: '', placeholder: '',
      required: false });
    assert.equal(created, modified);
    assert.equal(id.length, 36);
  });

const REFUSED = [
  ['nothing', {}, '400.1 Bad Request Content',
    'type is required; label is required; technicalName is required;'],
  ['a date', { ...text('a'), type: 'DATE' }, '400.1.3 Illegal value'],
  ['another type', { ...text('a'), type: 'text' }, '400.1.3 Illegal value'],
  ['a long label', text('a', { label: 'x'.repeat(257) }),
    '400.1.2 Value length out of range'],
  ['a long name', text('a'.repeat(129)), '400.1.2 Value length out of range'],
  ['a long help', text('a', { helpText: 'x'.repeat(4001) }),
    '400.1.2 Value length out of range'],
  ['a digit first', text('1a'), '400.1.3 Illegal value'],
  ['a blank inside', text('a b'), '400.1.3 Illegal value'],
  ['a comma', text('a,b'), '400.1.3 Illegal value'],
  ['a letter of another script', text('é'), '400.1.3 Illegal value'],
  ['required as text', text('a', { required: 'true' }),
    '400.1.3 Illegal value'],
  ...['id', 'sourceId', 'DATA', 'created', 'Modified'].map((name) =>
    [`the name ${name}`, text(name), '400.1.3 Illegal value']),
  ['a built-in name', text('ACCOUNTNAME'), '400.1.409 Reference conflict'],
];

test('what is refused, and how', async (t) => {
  for (const [what, body, code, said] of REFUSED)
    await t.test(what, () => api.refuse(code, 'POST', path, body,
      { text: said }));
  await t.test('a limit comes before a taken name', async () => {
    for (let i = 0; i < 10; i++)
      await api.post(path, text(`c${i}`));
    await api.refuse('400.1.4 Limit violation', 'POST', path, text('c1'), {
      text: 'You have reached the current limit of 10 custom schema ' +
        'attributes.',
    });
    await api.refuse('400.1.3 Illegal value', 'POST', path, text('-'));
  });
});

test('patching', async () => {
  const made = await api.post(path, text('note'));
  const one = `${path}/${made.id}`;
  const after_ = await api.patch(one, [
    { op: 'replace', path: '/label', value: ' Notes ' },
    { op: 'add', path: '/helpText', value: 'what\nfor' },
    { op: 'replace', path: '/required', value: true }]);
  assert.deepEqual({ ...after_, modified: 0 }, { ...made, label: 'Notes',
    helpText: 'what\nfor', required: true, modified: 0 });
  assert.deepEqual(await api.get(one), after_);
  assert.deepEqual(await api.patch(one, []), after_);
  assert.equal((await api.patch(one, [{ op: 'remove', path: '/helpText' }]))
    .helpText, '');
  await api.refuse('400.1 Bad Request Content', 'PATCH', one,
    [{ op: 'remove', path: '/label' }], { text: 'label is required;' });
  for (const member of ['technicalName', 'type', 'system', 'id', 'nothing'])
    await api.refuse('400.1.1 Illegal update attempt', 'PATCH', one,
      replace(`/${member}`, 'x'));
});

test('built-in attributes stay as they are, but for their texts', async () => {
  const [first] = await api.get(path);
  const one = `${path}/${first.id}`;
  assert.equal((await api.patch(one, replace('/label', 'Login'))).label,
    'Login');
  await api.refuse('400.1.1 Illegal update attempt', 'PATCH', one,
    replace('/required', false));
  await api.refuse('400.1.1 Illegal update attempt', 'DELETE', one);
});

test('an attribute of another source is not there', async () => {
  const [first] = await api.get(path);
  const other = await api.post('/non-employee-sources',
    sourceBody(`Other ${serial}`, world.admin.identity));
  const there =
    `/non-employee-sources/${other.id}/schema-attributes/${first.id}`;
  for (const [method, body] of [['GET'], ['PATCH', 'x'], ['DELETE']])
    await api.refuse('404 Not found', method, there, body);
});

test('deleting takes the values along, and the name is free again',
  async () => {
    await api.post(path, text('one'));
    const two = await api.post(path, text('two', { required: true }));
    await api.refuse('400.1 Bad Request Content', 'POST',
      '/non-employee-records', personBody(source, 'abby', 'admin'),
      { text: 'two is required;' });
    const record = await api.post('/non-employee-records',
      personBody(source, 'abby', 'admin', { data: { one: '1', two: '2' } }));
    await api.delete(`${path}/${two.id}`);
    await api.post(path, text('two'));
    const one = `/non-employee-records/${record.id}`;
    assert.deepEqual((await api.get(one)).data, { one: '1' });
    await api.delete(path);
    assert.equal((await api.get(path)).length, 8);
    assert.deepEqual((await api.get(one)).data, {});
    await api.delete(path);
    const rows = await api.get('/audit-events?filters=' +
      encodeURIComponent(`object eq "${source.id}"`));
    assert.deepEqual(rows.slice(1).map(({ detail }) => detail), [
      'schema attribute one created', 'schema attribute two created',
      'schema attribute two deleted', 'schema attribute two created',
      'schema attribute (all) deleted', 'schema attribute (all) deleted']);
  });
