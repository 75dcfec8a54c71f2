// A believable registry for looking at: sources with approvers and managers,
// custom attributes, people in every state, requests at every stage.

import { Caller, sourceBody } from '../../api/lib/registry.js';
import { HEADER } from '../../api/lib/nelm.js';

const FIRST = ['Ana', 'Bilal', 'Chiara', 'Dmitri', 'Eszter', 'Femi', 'Greta',
  'Hugo', 'Inês', 'Jonas', 'Keiko', 'Luca', 'Mina', 'Noor', 'Owen', 'Priya'];
const LAST = ['Almeida', 'Brandt', 'Costa', 'Dietrich', 'Eriksen', 'Fischer',
  'García', 'Hansen', 'Ivanova', 'Jansen', 'Kovács', 'Lindqvist', 'Moreau'];
const DAY = 86_400_000;

const iso = (time) => new Date(time).toISOString().slice(0, 10);

export function people(rows, { prefix = '', manager, now = Date.now() } = {}) {
  const lines = [];
  for (let n = 0; n < rows; n++) {
    const first = FIRST[n % FIRST.length];
    const last = LAST[(n * 7) % LAST.length];
    const plain = `${first}.${last}`.normalize('NFD')
      .replace(/[^A-Za-z.]/g, '').toLowerCase();
    const account = `${prefix}${plain}${n}`;
    const start = now - ((n * 37) % 700 - 25) * DAY;
    const end = start + (180 + (n * 53) % 640) * DAY;
    lines.push([account, first, last, `+49 30 5550${1000 + n}`,
      `${account}@partner.example`, manager(n),
      `${iso(start)}T08:00:00+02:00`, `${iso(end)}T18:00:00+02:00`].join(','));
  }
  return `${HEADER}\n${lines.join('\n')}\n`;
}

export async function setScene(stage, { rows = 240 } = {}) {
  const { world, server } = stage;
  await stage.password('admin');
  const mia = await stage.person('mia.manager', { name: 'Mia Manager' });
  const tom = await stage.person('tom.berg', { name: 'Tom Berg' });
  const olga = await stage.person('olga.reyes', { name: 'Olga Reyes' });
  const paul = await stage.person('paul.adler', { name: 'Paul Adler' });
  const root = new Caller(server, await world.token(server));
  const owner = world.admin.identity;
  const contractors = await root.post('/non-employee-sources', {
    ...sourceBody('Contractors', owner,
      { approvers: [olga, paul].map((id) => ({ id: id.id })),
        managers: [mia, tom].map((id) => ({ id: id.id })) }),
    description: 'People of partner companies who work in our projects',
  });
  const interns = await root.post('/non-employee-sources', {
    ...sourceBody('Interns', owner, { approvers: [{ id: olga.id }],
      managers: [{ id: mia.id }] }),
    description: 'Students, for half a year at most',
  });
  await root.post(`/non-employee-sources/${contractors.id}/schema-attributes`, {
    type: 'TEXT', label: 'Company', technicalName: 'company', required: true,
    helpText: 'As it is written on the contract', placeholder: 'Planalto Lda.',
  });
  await root.post(`/non-employee-sources/${contractors.id}/schema-attributes`, {
    type: 'TEXT', label: 'Cost centre', technicalName: 'costCentre',
    placeholder: '4711',
  });
  const csv = people(rows, {
    manager: (n) => (n % 3 ? 'mia.manager' : 'tom.berg'),
  }).split('\n').map((line, n) => (line === '' ? ''
    : `${line},${n ? `Partner ${n % 9}` : 'company'}`)).join('\n');
  await world.import(contractors, csv);
  await world.import(interns, people(Math.ceil(rows / 6),
    { prefix: 'i.', manager: () => 'mia.manager' }));
  return { root, mia, tom, olga, paul, contractors, interns };
}
