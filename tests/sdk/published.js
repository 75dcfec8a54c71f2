// Judges raw answers by the published description of the API, whose copy lies
// beside this file (MIT, its notice inside).

import assert from 'node:assert/strict';
import fs from 'node:fs';

import Ajv from 'ajv';
import addFormats from 'ajv-formats';

const published = JSON.parse(fs.readFileSync(
  new URL('./nelm-v3.openapi.json', import.meta.url)));

// Where the published description is known to be wrong, as patches to it. They
// are the only ones.
export const EXCEPTIONS = {
  'status is null while a source had no upload': () => {
    published.components.schemas.NonEmployeeBulkUploadStatus
      .properties.status = {
        oneOf: [{ enum: ['PENDING', 'IN_PROGRESS', 'COMPLETED', 'ERROR'] },
          { type: 'null' }],
      };
  },
  // Several operations on one object list 400 and 403 only.
  '404 for what does not exist': () => {
    for (const operations of Object.values(published.paths))
      for (const { responses } of Object.values(operations))
        responses['404'] ??= { $ref: '#/components/responses/404' };
  },
};

// Members that an answer may lack.
const OPTIONAL = new Set([
  'comment', // only where somebody gave one
  'completionDate', // only when a request has ended
  'requester', // an application that asks is nobody
]);

for (const apply of Object.values(EXCEPTIONS))
  apply();

const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: true });
addFormats(ajv);
// Ids are dashed UUIDs or 32 hex digits; the description says UUID.
ajv.addFormat('UUID',
  /^[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}$/);
ajv.addSchema(published, 'nelm');

export const operations = Object.entries(published.paths).flatMap(
  ([path, methods]) => Object.entries(methods).map(([method, operation]) => ({
    id: operation.operationId, method: method.toUpperCase(), path,
    pattern: new RegExp(`^${path.replace(/\{[^}]+\}/g, '([^/]+)')}$`),
    literal: !path.includes('{'),
    responses: operation.responses,
  })));

const escaped = (name) => name.replaceAll('~', '~0').replaceAll('/', '~1');

function resolve(node, at) {
  while (node.$ref) {
    at = node.$ref;
    node = at.slice(2).split('/').reduce((value, key) =>
      value[key.replaceAll('~1', '/').replaceAll('~0', '~')], published);
  }
  return [node, at];
}

// Members that a schema names and a value lacks, by their paths.
function lacking(schema, value, at = '') {
  [schema] = resolve(schema);
  if (schema.allOf)
    return schema.allOf.flatMap((part) => lacking(part, value, at));
  if (Array.isArray(value))
    return value.flatMap((item, n) =>
      lacking(schema.items ?? {}, item, `${at}/${n}`));
  if (typeof value !== 'object' || value === null || !schema.properties)
    return [];
  return Object.entries(schema.properties).flatMap(([name, member]) => {
    if (Object.hasOwn(value, name))
      return lacking(member, value[name], `${at}/${name}`);
    return OPTIONAL.has(name) ? [] : [`${at}/${name}`];
  });
}

export function operationOf(method, path) {
  const found = operations.filter((operation) =>
    operation.method === method && operation.pattern.test(path));
  return found.find(({ literal }) => literal) ?? found[0];
}

// Fails unless `text`, the answer of `method` and `path` (without the API
// version), has the published shape; returns the id of the operation.
export function judge(method, path, status, type, text) {
  const what = `${method} ${path} ${status}`;
  const operation = operationOf(method, path);
  assert.ok(operation, `${what} is not published`);
  assert.ok(operation.responses[status], `${what} is not published`);
  const pointer = `#/paths/${escaped(operation.path)}/` +
    `${method.toLowerCase()}/responses/${status}`;
  const [response, at] =
    resolve(operation.responses[status], pointer);
  if (!response.content) {
    assert.equal(text ?? '', '', `${what} has a body`);
    return operation.id;
  }
  const published_ = Object.keys(response.content)[0];
  assert.ok(type?.startsWith(published_), `${what} is ${type}`);
  const { schema } = response.content[published_];
  if (!schema)
    return operation.id;
  const value = JSON.parse(text);
  const check = ajv.compile({
    $ref: `nelm${at}/content/${escaped(published_)}/schema`,
  });
  assert.ok(check(value),
    `${what}: ${ajv.errorsText(check.errors)}\n${text}`);
  assert.deepEqual(lacking(schema, value), [], `${what}: ${text}`);
  return operation.id;
}
