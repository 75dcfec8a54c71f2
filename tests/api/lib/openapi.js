// docs/api/openapi.yaml, its references resolved where a test looks.

import fs from 'node:fs';

import Ajv from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import yaml from 'js-yaml';

export const document = yaml.load(fs.readFileSync(
  new URL('../../../docs/api/openapi.yaml', import.meta.url), 'utf8'));

export function resolved(node) {
  while (node?.$ref)
    node = node.$ref.slice(2).split('/')
      .reduce((value, key) => value[key], document);
  return node;
}

// One object for each operation of the document.
export const documented = Object.entries(document.paths).flatMap(
  ([path, item]) => Object.entries(item)
    .filter(([method]) => ['get', 'post', 'put', 'patch', 'delete']
      .includes(method))
    .map(([method, operation]) => ({
      id: operation.operationId, method: method.toUpperCase(), path,
      versioned: item.servers === undefined,
      summary: operation.summary,
      security: operation.security,
      parameters: [...(item.parameters ?? []), ...(operation.parameters ?? [])]
        .map((parameter) => resolved(parameter)),
      body: operation.requestBody,
      responses: operation.responses,
    })));

// What is not documented must not be answered.
function close(node) {
  if (Array.isArray(node))
    return node.map(close);
  if (typeof node !== 'object' || node === null)
    return node;
  const copy = Object.fromEntries(Object.entries(node)
    .map(([key, value]) => [key, close(value)]));
  if (copy.properties && copy.type === 'object')
    copy.additionalProperties ??= false;
  return copy;
}

const ajv = new Ajv({ strict: false, allErrors: true });
addFormats(ajv);
ajv.addSchema(close(document), 'nelm');
const checks = new Map(); // compiled, by the place of the schema
function checkAt(at) {
  if (!checks.has(at))
    checks.set(at, ajv.compile({ $ref: `nelm#${at}` }));
  return checks.get(at);
}

const escaped = (name) => name.replaceAll('~', '~0').replaceAll('/', '~1');

// Why `answer` is not what the document says of the operation; undefined when
// it is.
export function mismatch(operation, answer) {
  const { status } = answer;
  let response = operation.responses[status];
  if (!response)
    return `${status} is not documented`;
  let at = `/paths/${escaped(operation.path)}/` +
    `${operation.method.toLowerCase()}/responses/${status}`;
  if (response.$ref) {
    at = response.$ref.slice(1);
    response = resolved(response);
  }
  const type = answer.headers['content-type']?.split(';')[0];
  if (!response.content)
    return undefined;
  if (!response.content[type])
    return `${status} with ${type} is not documented`;
  if (type !== 'application/json')
    return undefined;
  const check = checkAt(`${at}/content/${escaped(type)}/schema`);
  return check(answer.json) ? undefined
    : `${status}: ${ajv.errorsText(check.errors)} in ${answer.text}`;
}
