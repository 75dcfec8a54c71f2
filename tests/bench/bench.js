// Measures the program against nginx, sqlite3 and PostgreSQL on this machine,
// in one run, and prints ratios: absolute figures say more about the machine.
//
//   node tests/bench/bench.js [P1 ... P12] [--rows N] [--rounds N]
//       [--quick] [--json FILE]
//
// The program and each peer run on one core, their client on another; rounds
// of the program and its peer take turns, and the medians are compared.
// Nobody writes a log. A goal that is missed is shown, and is no failure.

import fs from 'node:fs';
import os from 'node:os';
import process from 'node:process';

import { mib } from '../api/lib/memory.js';
import { NELM } from '../api/lib/nelm.js';
import { Unusable, version } from './measure.js';
import { postgresqlPrograms } from './peers.js';
import { BENCHES, Bench } from './work.js';

function usage(problem) {
  process.stderr.write(`${problem}\nusage: bench.js [P1 ... P12] ` +
    '[--rows N] [--rounds N] [--quick] [--json FILE]\n');
  process.exit(2);
}

function parseArguments(args) {
  const options = { work: [] };
  const usual = { rows: 1_000_000, rounds: 5, seconds: 3 };
  while (args.length > 0) {
    const arg = args.shift();
    if (/^P[0-9]+$/i.test(arg)) {
      const id = arg.toUpperCase();
      if (!BENCHES[id])
        usage(`${id} is not measured here`);
      options.work.push(id);
    } else if (arg === '--quick') {
      Object.assign(usual, { rows: 100_000, rounds: 3, seconds: 1 });
    } else if (arg === '--rows' || arg === '--rounds') {
      const number = Number(args.shift());
      if (!Number.isInteger(number) || number < 1)
        usage(`${arg} takes a number`);
      options[arg.slice(2)] = number;
    } else if (arg === '--json' && args.length > 0) {
      options.json = args.shift();
    } else {
      usage(`"${arg}" is not understood`);
    }
  }
  if (options.work.length === 0)
    options.work = Object.keys(BENCHES);
  return { ...usual, ...options };
}

// --- the report ---

function figure(value, unit) {
  if (unit === 's')
    return `${value.toFixed(3)} s`;
  if (unit === 'MiB')
    return mib(value * 1048576);
  return `${value < 100 ? value.toFixed(2) : Math.round(value)} ${unit}`;
}

function report(results) {
  const rows = [['', 'work', 'ours', 'peer', 'ratio', 'CPU', 'goal', '', 'peer is']];
  for (const result of results) {
    const { id, name, unit, median: medians, goal, met } = result;
    if (result.skipped) {
      rows.push([id, name, '-', '-', '-', '-', '-', 'not measured',
        result.skipped]);
      continue;
    }
    const sign = goal && (goal.kind === 'at least' ? '>= ' : '<= ');
    rows.push([id, name,
      figure(medians?.ours ?? result.value, unit),
      medians ? figure(medians.peer, unit) : '-',
      medians ? `${result.ratio.toFixed(2)} ` +
        `(${result.ratioLeast.toFixed(2)}..${result.ratioMost.toFixed(2)})`
        : '-',
      result.cpuRatio?.toFixed(2) ?? '-',
      goal ? `${sign}${goal.value}${medians ? '' : ` ${unit}`}` : '-',
      met === null ? '' : met ? 'met' : 'MISSED',
      result.peerName ?? '-']);
  }
  const widths = rows[0].map((_, i) =>
    Math.max(...rows.map((row) => row[i].length)));
  for (const row of rows) {
    process.stdout.write(`${row.map((cell, i) => cell.padEnd(widths[i]))
      .join('  ').trimEnd()}\n`);
  }
}

// The machine, without its name, and what was measured with.
function describe() {
  version('taskset', '--version');
  return {
    began: new Date().toISOString(),
    rows: options.rows,
    rounds: options.rounds,
    machine: { cpu: os.cpus()[0]?.model, cores: os.cpus().length,
      memory: os.totalmem(), kernel: os.release() },
    versions: { nelm: version(NELM, '--version'),
      nginx: version('nginx', '-v'), psql: version('psql', '--version'),
      sqlite3: version('sqlite3', '--version'),
      wrk: version('wrk', '-v'), curl: version('curl', '--version') },
  };
}

const options = parseArguments(process.argv.slice(2));
let about, bench;
try {
  about = describe();
  bench = new Bench(options);
} catch (error) {
  if (!(error instanceof Unusable))
    throw error;
  usage(error.message);
}
let failed = false;
try {
  await bench.prepare();
  for (const id of options.work)
    await BENCHES[id](bench);
} catch (error) {
  failed = true;
  process.stderr.write(`\n${error.stack}\n`);
} finally {
  await bench.done();
}
report(bench.results);
process.stdout.write(`${about.machine.cores} cores, ${about.machine.cpu}, ` +
  `${options.rows} rows, medians of ${options.rounds} or more rounds, ` +
  'ratio (least..most of the rounds), CPU time for the same work\n');
if (options.json) {
  fs.writeFileSync(options.json,
    `${JSON.stringify({ ...about, results: bench.results }, null, 2)}\n`);
}
process.exitCode = failed ? 1 : 0;
