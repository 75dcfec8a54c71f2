// A strict reader of Prometheus' text format: what the real one would refuse
// or misread is an error here, and what `promtool check metrics` objects to.

import assert from 'node:assert/strict';

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const LABEL = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(,|$)/;
// Names that say their type, or count in other than base units.
const ODD_NAME = new RegExp('[A-Z]|_(bucket|count|sum|' +
  '(milli|micro|nano)seconds|ms|minutes|hours|days|weeks|(kilo|mega|giga)' +
  'bytes|[kmg]i?b|bits|percent)(_|$)|(^|_)(counter|gauge|histogram)(_|$)');
const SUFFIXES = { histogram: ['_bucket', '_sum', '_count'] };

function readLabels(text) {
  const labels = {};
  while (text.length > 0) {
    const found = LABEL.exec(text);
    assert.ok(found, `labels: ${text}`);
    assert.ok(!(found[1] in labels), `label twice: ${found[1]}`);
    labels[found[1]] = found[2];
    text = text.slice(found[0].length);
  }
  return labels;
}

function checkHistogram({ name, samples }) {
  const series = new Map();
  for (const { suffix, labels: { le, ...labels }, value } of samples) {
    const key = JSON.stringify(labels);
    const one = series.get(key) ?? { buckets: [] };
    series.set(key, one);
    if (suffix === '_bucket')
      one.buckets.push([le === '+Inf' ? Infinity : Number(le), value]);
    else
      one[suffix] = value;
  }
  for (const { buckets, _sum, _count } of series.values()) {
    assert.ok(_sum >= 0 && _count >= 0, `${name}: sum or count is missing`);
    assert.equal(buckets.at(-1)[0], Infinity, name);
    assert.equal(buckets.at(-1)[1], _count, name);
    for (let i = 1; i < buckets.length; i++)
      assert.ok(buckets[i][0] > buckets[i - 1][0] &&
        buckets[i][1] >= buckets[i - 1][1], `${name}: buckets`);
  }
}

// A map of name to { type, help, samples: [{ suffix, labels, value }] }.
export function readMetrics(text) {
  const metrics = new Map();
  const seen = new Set();
  let metric;
  assert.ok(text.endsWith('\n'), 'the last line has no end');
  for (const line of text.slice(0, -1).split('\n')) {
    const head = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line);
    if (head?.[1] === 'HELP') {
      assert.match(head[2], NAME);
      assert.doesNotMatch(head[2], ODD_NAME);
      assert.ok(!metrics.has(head[2]), `twice: ${head[2]}`);
      metric = { name: head[2], help: head[3], samples: [] };
      metrics.set(head[2], metric);
    } else if (head) {
      assert.equal(head[2], metric?.name, 'TYPE without its HELP');
      assert.match(head[3], /^(counter|gauge|histogram)$/);
      metric.type = head[3];
      assert.equal(metric.name.endsWith('_total'), metric.type === 'counter',
        metric.name);
    } else {
      const found = /^([^{ ]+)(?:\{(.+)\})? (\d+(?:\.\d+)?)$/.exec(line);
      assert.ok(found, `not a sample: ${line}`);
      assert.ok(found[1].startsWith(metric.name), `${line} is not among its own`);
      const suffix = found[1].slice(metric.name.length);
      assert.ok((SUFFIXES[metric.type] ?? ['']).includes(suffix), line);
      const key = `${found[1]}{${found[2] ?? ''}}`;
      assert.ok(!seen.has(key), `twice: ${key}`);
      seen.add(key);
      const labels = readLabels(found[2] ?? '');
      assert.equal('le' in labels, suffix === '_bucket', line);
      metric.samples.push({ suffix, labels, value: Number(found[3]) });
    }
  }
  for (const one of metrics.values()) {
    assert.ok(one.type, `${one.name} has no type`);
    if (one.type === 'histogram')
      checkHistogram(one);
  }
  return metrics;
}

// The one sample with these labels; undefined when there is none.
export function sample(metrics, name, labels = {}, suffix = '') {
  return metrics.get(name)?.samples.find((one) => one.suffix === suffix &&
    Object.entries(labels).every(([key, value]) => one.labels[key] === value))
    ?.value;
}
