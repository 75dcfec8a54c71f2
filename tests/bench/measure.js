// What the benchmarks measure with: cores, clients, rounds, CPU time.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import process from 'node:process';

import { run } from '../api/lib/nelm.js';

export class Unusable extends Error {}

// The cores that we may use: one for servers, one for clients and ourselves.
export function cores() {
  const text = /^Cpus_allowed_list:\s+(.*)$/m.exec(
    fs.readFileSync('/proc/self/status', 'latin1'))[1];
  const list = text.split(',').flatMap((range) => {
    const [first, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
  if (list.length < 2)
    throw new Unusable('two cores are needed: a server\'s and its client\'s');
  const [server, client] = list.map(String);
  spawnSync('taskset', ['-acp', client, String(process.pid)]);
  return { server, client, all: list.join() };
}

export function on(core) {
  return ['taskset', '-c', core];
}

export function version(program, ...args) {
  const { stdout, stderr, error } = spawnSync(program, args);
  if (error)
    throw new Unusable(`${program} is not installed: ./dev setup bench`);
  return `${stdout}${stderr}`.trim().split('\n')[0];
}

export const median = (numbers) => {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]
    : (sorted[middle - 1] + sorted[middle]) / 2;
};

// What is going on, for somebody who watches.
export function say(text) {
  if (process.stderr.isTTY)
    process.stderr.write(`\r\x1b[K${text}`);
}

const TICK = 1 / Number(spawnSync('getconf', ['CLK_TCK']).stdout);

// Seconds of CPU time that a process has taken, all its threads together.
export function cpuOf(pid) {
  const text = fs.readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK;
}

// What a server does meanwhile: { value, work, cpu } with the CPU time of
// `pid`.
export async function watched(pid, doing) {
  const before = cpuOf(pid);
  const result = await doing();
  return { ...result, cpu: cpuOf(pid) - before };
}

// A program from its start to its end; its output goes nowhere. The shell
// tells what its children took, and is itself nearly nothing.
export async function timed(core, program, ...args) {
  const began = process.hrtime.bigint();
  const { code, stdout, stderr } = await run('sh', ['-c',
    '"$@" >/dev/null || exit; times', 'sh', ...on(core), program, ...args]);
  const seconds = Number(process.hrtime.bigint() - began) / 1e9;
  assert.equal(code, 0, stderr);
  const times = [...stdout.toString().split('\n')[1]
    .matchAll(/(\d+)m([0-9.]+)s/g)];
  return { value: seconds,
    cpu: times.reduce((sum, [, m, s]) => sum + m * 60 + Number(s), 0) };
}

// Seconds that a download takes its client, from connecting to the last byte.
export async function curl(core, url, headers = []) {
  const { stdout, stderr, code } = await run('taskset', ['-c', core,
    'curl', '-sS', '-o', '/dev/null', '-w',
    '%{http_code} %{size_download} %{time_total}',
    ...headers.flatMap((header) => ['-H', header]), url]);
  assert.equal(code, 0, stderr);
  const [status, bytes, seconds] = stdout.toString().split(' ').map(Number);
  assert.equal(status, 200, url);
  return { bytes, seconds };
}

// Answers a second over kept connections; `script` may be a wrk script.
export async function wrk(core, url, { headers = [], seconds, connections = 32,
  script } = {}) {
  const { stdout, code, stderr } = await run('taskset', ['-c', core,
    'wrk', '-t1', `-c${connections}`, `-d${seconds}s`,
    ...(script ? ['-s', script] : []),
    ...headers.flatMap((header) => ['-H', header]), url]);
  assert.equal(code, 0, stderr);
  const text = stdout.toString();
  assert.ok(!/Non-2xx|Socket errors/.test(text), text);
  const [, answers, took] = /(\d+) requests in ([0-9.]+\w+)/.exec(text);
  return { value: Number(/^Requests\/sec:\s+([0-9.]+)/m.exec(text)[1]),
    work: Number(answers), took };
}

// ours() and peer() in turn, after one round of each that does not count.
export async function rounds(name, count, ours, peer) {
  const results = { ours: [], peer: [] };
  for (let round = 0; round <= count; round++) {
    say(`${name}: round ${round}/${count}`);
    const one = await ours(round);
    const other = await peer?.(round);
    if (round > 0) {
      results.ours.push(one);
      results.peer.push(other);
    }
  }
  say('');
  return results;
}

// CPU time for the same work, ours to the peer's; undefined when it was too
// short to be counted.
export function cpuRatio({ ours, peer }) {
  const each = (list) => {
    const sum = (name) =>
      list.reduce((total, one) => total + (one[name] ?? 1), 0);
    return list.every((one) => one?.cpu !== undefined) && sum('cpu') > 5 * TICK
      ? sum('cpu') / sum('work') : undefined;
  };
  const [a, b] = [each(ours), each(peer)];
  return a === undefined || b === undefined ? undefined : a / b;
}
