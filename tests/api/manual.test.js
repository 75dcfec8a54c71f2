// What the manual claims about tests and metrics is there.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (file) => fs.readFileSync(root + file, 'utf8');

test('every threat names tests, and they are there', async (t) => {
  const rows = read('docs/manual/security.md')
    .split(/^## What is trusted$/m)[1].split(/^## /m).slice(1)
    .flatMap((section) => section.match(/^\| .+ \|$/gm) ?? [])
    .filter((row) => !/^\| (Threat|---)/.test(row));
  assert.ok(rows.length > 20);
  for (const row of rows) {
    const [, threat, , tests] = row.split('|').map((cell) => cell.trim());
    await t.test(threat, () => {
      const named = [...tests.matchAll(/`([^`:]+): ([^`]+)`/g)];
      assert.ok(named.length > 0, 'no test');
      for (const [, file, title] of named)
        assert.ok(read(file).replaceAll('\\\'', '\'').includes(title),
          `${file} has no "${title}"`);
    });
  }
});

test('monitoring.md names metrics that there are', () => {
  const known = new Set([...read('docs/manual/metrics.md')
    .matchAll(/^\| `(\w+)`/gm)].map(([, name]) => name));
  const named = [...read('docs/manual/monitoring.md')
    .matchAll(/\b(?:nelm|process)_\w+/g)].map(([name]) => name);
  assert.ok(named.length > 20);
  for (const name of named)
    assert.ok(known.has(name) || known.has(name.replace(/_bucket$/, '')), name);
});

const below = (dir) => fs.readdirSync(root + dir, { withFileTypes: true });

test('README.md leads to every page', () => {
  const readme = read('README.md');
  for (const { name } of below('docs/manual'))
    if (name.endsWith('.md'))
      assert.ok(readme.includes(`(docs/manual/${name})`), name);
});

test('pages lead to files that there are', () => {
  const pages = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md',
    'docs/architecture.md', 'docs/performance.md', 'tests/fuzz/README.md',
    ...below('docs/manual').map(({ name }) => `docs/manual/${name}`)]
    .filter((name) => name.endsWith('.md'));
  for (const page of pages)
    for (const [, to] of read(page).matchAll(/\]\(([^):#]+)(?:#[^)]*)?\)/g))
      assert.ok(fs.existsSync(path.join(root, path.dirname(page), to)),
        `${page}: ${to}`);
});

test('the code map names every directory', () => {
  const [, map] = read('docs/architecture.md').split('```');
  const shown = new Set(map.match(/^\S+/gm));
  for (const dir of ['src', 'tests', 'web', 'docs'])
    for (const entry of below(dir))
      if (entry.isDirectory() && entry.name !== 'node_modules')
        assert.ok(shown.has(`${dir}/${entry.name}`), `${dir}/${entry.name}`);
  for (const name of shown)
    if (!name.includes('*'))
      assert.ok(fs.existsSync(root + name), name);
});
