// What goes in comes out, field by field, read by a CSV reader of our own;
// and putting it in again changes nothing.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { canonicalRow, parseCsv } from './lib/csv.js';
import { checkDownload, downloadPath } from './lib/http.js';
import { HEADER, World } from './lib/nelm.js';

let world, server, token;

before(async () => {
  world = await World.create();
  server = await world.serve();
  token = await world.token(server);
});
after(() => world?.done());

const get = (source) => server.get(downloadPath(source.id), { token });

test('10 000 sample rows', async (t) => {
  const sample = await world.sample(10_000, 42);
  await world.sampleManagers();
  const given = parseCsv(sample);
  const source = await world.source('Sample');
  const summary = await world.import(source, sample);
  assert.deepEqual([summary.created, summary.updated], [10_000, 0]);
  const answer = await get(source);

  await t.test('every field of every row', () => {
    checkDownload(answer, { rows: 10_000 });
    const got = parseCsv(answer.body);
    assert.equal(got.length, given.length);
    for (let i = 0; i < given.length; i++) {
      const expected = i === 0 ? given[0] : canonicalRow(given[i]);
      assert.deepEqual(got[i], expected, `row ${i}`);
    }
  });
  await t.test('importing the export again changes nothing', async () => {
    const again = await world.import(source, answer.body);
    assert.deepEqual([again.created, again.updated], [0, 0]);
    const after = await get(source);
    assert.equal(after.headers.etag, answer.headers.etag);
    assert.ok(after.body.equals(answer.body));
  });
  await t.test('importing the sample again changes nothing', async () => {
    const again = await world.import(source, sample);
    assert.deepEqual([again.created, again.updated], [0, 0]);
    assert.equal((await get(source)).headers.etag, answer.headers.etag);
  });
  await t.test('the export restores a source elsewhere', async () => {
    const copy = await world.source('Copy');
    await world.import(copy, answer.body);
    const after = await get(copy);
    checkDownload(after, { rows: 10_000, bytes: answer.body });
  });
  await t.test('the sample holds what breaks naive programs', () => {
    const text = sample.toString();
    const cells = given.slice(1).flat();
    const has = (pattern) => cells.some((cell) => pattern.test(cell));
    assert.match(text, /""/, 'quotes');
    assert.ok(has(/,/), 'commas');
    assert.ok(has(/^0\d/), 'leading zeros');
    assert.ok(has(/^\+/), 'plus phones');
    assert.ok(has(/^[=@-]/), 'formula-like cells');
    assert.ok(cells.some((cell) => cell.length > 60), 'long values');
    for (const script of ['Latin', 'Greek', 'Cyrillic', 'Arabic', 'Han'])
      assert.ok(has(new RegExp(`\\p{Script=${script}}`, 'u')), script);
    const zones = new Set(given.slice(1)
      .map((row) => row[6].slice(row[6].indexOf('T') + 1)
        .match(/(Z|[+-]\d\d:\d\d)?$/)[0]));
    assert.ok(zones.size > 10, [...zones].join(' '));
  });
});

// A generator of numbers that repeats itself for the same seed (mulberry32).
function randomFrom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const ALPHABET = [...'ab,",\'=;|\\ -+@#0\u00e4\u00df\u0416\u6f22\u05d0' +
  '\u0301\u200d\ud83d\udc69\ud83c\udffd\ufeff\u00a0\ufffd'];

test('random records survive', async (t) => {
  const seed = Number(process.env.NELM_SEED ?? Date.now() % 2 ** 31);
  t.diagnostic(`NELM_SEED=${seed}`);
  const random = randomFrom(seed);
  const below = (n) => Math.floor(random() * n);
  const text = () => {
    let made;
    do {
      made = Array.from({ length: 1 + below(12) },
        () => ALPHABET[below(ALPHABET.length)]).join('');
    } while (made.replace(/^[\s\ufeff]+|[\s\ufeff]+$/g, '') !== made ||
             made === '');
    return made;
  };
  const two = (n) => String(n).padStart(2, '0');
  const date = (year) => {
    const ms = below(3) === 0 ? `.${String(1 + below(999)).padStart(3, '0')}`
      : '';
    const zone = below(3) === 0 ? 'Z'
      : `${below(2) ? '+' : '-'}${two(1 + below(11))}:${two(below(60))}`;
    return `${year}-${two(1 + below(12))}-${two(1 + below(28))}T` +
      `${two(below(24))}:${two(below(60))}:${two(below(60))}${ms}${zone}`;
  };
  const quote = (value) => (/[",\r\n]|^ | $/.test(value) || below(4) === 0
    ? `"${value.replaceAll('"', '""')}"` : value);

  await world.identity('boss');
  const source = await world.source('Random');
  const rows = Array.from({ length: 3000 }, (_, n) => [
    // The dot is in no text, or 10 and "00" would be 100 and "0".
    `${n}.${text()}`, text(), text(), text(), `${n}@b.example`, 'boss',
    date(1950 + below(50)), date(2005 + below(7900)),
  ]);
  const csv = [HEADER.split(','), ...rows]
    .map((row) => row.map(quote).join(',')).join('\n');
  await world.import(source, csv);
  const answer = await get(source);
  checkDownload(answer, { rows: rows.length });
  const got = parseCsv(answer.body).slice(1);
  for (let i = 0; i < rows.length; i++)
    assert.deepEqual(got[i], rows[i], `row ${i}, seed ${seed}`);
});
