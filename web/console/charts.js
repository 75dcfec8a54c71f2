// Pictures of numbers, drawn here as SVG; each has its numbers as a table for
// those who rather read.

import { get } from './api.js';
import { card, count, h, later, link, svg, table } from './ui.js';

// So many units that texts keep their size on a phone.
const WIDTH = innerWidth < 700 ? 340 : 640;
const HEIGHT = 150;
const FOOT = 22; // for the months
const LEFT = 44; // for the scale

const DAY = new Intl.DateTimeFormat(undefined,
  { day: 'numeric', month: 'short', year: 'numeric', timeZone: 'UTC' });
const MONTH = new Intl.DateTimeFormat(undefined,
  { month: 'short', timeZone: 'UTC' });

// A round number that is not below: 1, 2 or 5 with zeros.
function roundUp(n) {
  const step = 10 ** Math.floor(Math.log10(Math.max(n, 1)));
  return [1, 2, 3, 4, 5, 6, 8, 10].map((times) => times * step).find((each) => each >= n);
}

const xOf = (index, total) => LEFT + (index + 0.5) * (WIDTH - LEFT) / total;
const yOf = (value, top) => 6 + (HEIGHT - FOOT - 6) * (1 - value / top);

// The scale, a month below its first week, and where today is.
function grid(weeks, top) {
  const line = (value) => [
    svg('line', { x1: LEFT, x2: WIDTH, y1: yOf(value, top),
      y2: yOf(value, top), class: 'grid' }),
    svg('text', { x: LEFT - 6, y: yOf(value, top) + 4, 'text-anchor': 'end' },
      count(value))];
  const months = weeks.map(({ begins }, index) => [new Date(begins), index])
    .filter(([date]) => date.getUTCDate() <= 7 &&
      (weeks.length < 60 || date.getUTCMonth() % 3 === 0))
    .filter((each, index) => index % (WIDTH < 400 ? 4 : 2) === 0)
    .map(([date, index]) => svg('text', {
      x: xOf(index, weeks.length), y: HEIGHT - 5, 'text-anchor': 'middle',
    }, MONTH.format(date)));
  const now = weeks.findIndex(({ begins }) =>
    Date.parse(begins) + 7 * 86_400_000 > Date.now());
  return [[0, top / 2, top].filter(Number.isInteger).map(line), months,
    now >= 0 && svg('line', { x1: xOf(now, weeks.length),
      x2: xOf(now, weeks.length), y1: 6, y2: HEIGHT - FOOT, class: 'now' })];
}

const picture = (label, ...parts) => svg('svg', {
  viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: 'chart', role: 'img',
  'aria-label': label,
}, ...parts);

const asTable = (caption, columns, rows) => h('details', { class: 'numbers' },
  h('summary', null, 'As a table'), table(caption, columns, rows));

const week = { label: 'Week from', cell: ({ begins }) =>
  DAY.format(new Date(begins)) };

// The area begins at zero, so that a small change looks small.
function headcount(weeks) {
  const top = roundUp(Math.max(...weeks.map((each) => each.headcount)));
  const points = weeks.map((each, index) =>
    `${xOf(index, weeks.length)},${yOf(each.headcount, top)}`);
  return [
    picture(`Headcount by week, from ${count(weeks[0].headcount)} to ` +
      `${count(weeks.at(-1).headcount)}`,
    grid(weeks, top),
    svg('polygon', { class: 'area', points: [
      `${xOf(0, weeks.length)},${yOf(0, top)}`, ...points,
      `${xOf(weeks.length - 1, weeks.length)},${yOf(0, top)}`].join(' ') }),
    svg('polyline', { class: 'curve', points: points.join(' ') })),
    asTable('Headcount', [week, { label: 'Headcount', numeric: true,
      cell: (each) => count(each.headcount) }], weeks),
  ];
}

// Starts stand on a middle line, ends hang from it.
function comings(weeks) {
  const top = roundUp(Math.max(1,
    ...weeks.flatMap(({ starts, ends }) => [starts, ends])));
  const middle = 6 + (HEIGHT - FOOT - 6) / 2;
  const unit = (HEIGHT - FOOT - 6) / 2 / top;
  const wide = (WIDTH - LEFT) / weeks.length * 0.7;
  const bar = (value, index, down) => value > 0 && svg('rect', {
    x: xOf(index, weeks.length) - wide / 2, width: wide,
    y: down ? middle + 1 : middle - value * unit, height: value * unit,
    class: down ? 'down' : 'up',
  });
  const scale = [[top, middle - top * unit], [top, middle + top * unit]]
    .map(([value, y]) => [
      svg('line', { x1: LEFT, x2: WIDTH, y1: y, y2: y, class: 'grid' }),
      svg('text', { x: LEFT - 6, y: y + 4, 'text-anchor': 'end' },
        count(value))]);
  return [
    h('p', { class: 'legend' }, h('span', { class: 'key up' }), 'Starts ',
      h('span', { class: 'key down' }), 'Ends'),
    picture('Starts and ends by week', scale,
      grid(weeks, top).slice(1),
      svg('line', { x1: LEFT, x2: WIDTH, y1: middle, y2: middle,
        class: 'grid' }),
      weeks.map((each, index) => [bar(each.starts, index),
        bar(each.ends, index, true)])),
    asTable('Starts and ends', [week,
      { label: 'Starts', numeric: true, cell: (each) => count(each.starts) },
      { label: 'Ends', numeric: true, cell: (each) => count(each.ends) }],
    weeks),
  ];
}

// Names with a bar as long as their number.
const bars = (rows) => {
  const top = Math.max(...rows.map(({ n }) => n));
  return h('ul', { class: 'bars' }, rows.map(({ name, n, href }) => h('li',
    null, h('span', null, href ? link(href, name) : name),
    svg('svg', { viewBox: '0 0 100 10', preserveAspectRatio: 'none',
      'aria-hidden': 'true' },
    svg('rect', { class: 'bar', width: 100 * n / top, height: 10 })),
    h('strong', { class: 'number' }, count(n)))));
};

// The curves and the bars, for two places on the screen: { curves, bars }.
export function statistics() {
  let told = null;
  const load = () => {
    told ??= get('/non-employee-statistics', { weeks: 52 });
    told.catch(() => { told = null; });
    return told;
  };
  const curves = later(async () => {
    const { weeks, states } = await load();
    return states.total === 0 ? null : [
      card('Headcount', headcount(weeks)),
      card('Starts and ends per week', comings(weeks))];
  }, { what: 'Counting', className: 'later stack' });
  const ending = later(async () => {
    const { endingByManager, endingBySource } = await load();
    return endingByManager.length === 0 ? null : [
      card('Ending soon by manager', bars(endingByManager.slice(0, 6)
        .map((each) => ({ name: each.manager, n: each.count,
          href: `#/people?search=${encodeURIComponent(each.manager)}` +
            '&state=ending' })))),
      card('Ending soon by source', bars(endingBySource.slice(0, 6)
        .map((each) => ({ name: each.name, n: each.count }))))];
  }, { what: 'Counting', className: 'later stack' });
  return { curves, bars: ending };
}
