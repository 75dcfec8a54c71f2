// The whole story, as its people see it: a manager asks, two approvers decide,
// the person is there, is extended; the administrator uploads a file with
// three bad lines, corrects it, and exports what is there.

import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import { after, before, test } from 'node:test';

import { Caller } from '../api/lib/registry.js';
import { HEADER } from '../api/lib/nelm.js';
import { Stage, go, settled } from './lib/console.js';
import { setScene } from './lib/scene.js';

let stage;
let scene;

before(async () => {
  stage = await Stage.create();
  scene = await setScene(stage, { rows: 60 });
});
after(() => stage?.done());

const day = (days) => new Date(Date.now() + days * 86_400_000)
  .toISOString().slice(0, 10);

test('a manager asks, the approvers decide one after another', async () => {
  const mia = await stage.signIn('mia.manager');
  await mia.getByRole('link', { name: 'Request a person' }).first().click();
  await mia.getByLabel('Source').selectOption({ label: 'Contractors' });
  const company = mia.getByLabel('Company');
  await company.waitFor();
  assert.equal(await company.getAttribute('placeholder'), 'Planalto Lda.');
  await mia.getByText('As it is written on the contract').waitFor();

  // What is missing is said where it is missing, before anything is sent.
  await mia.getByRole('button', { name: 'Send request' }).click();
  assert.equal(await mia.getByLabel('Account Name')
    .getAttribute('aria-invalid'), 'true');
  await mia.getByLabel('Account Name').fill('rita.barros');
  await mia.getByLabel('First Name').fill('Rita');
  await mia.getByLabel('Last Name').fill('Barros');
  await mia.getByLabel('Phone').fill('+351 555 010');
  await mia.getByLabel('Email').fill('rita@planalto.example');
  await mia.getByLabel('Start Date').fill(day(0));
  await mia.getByLabel('End Date').fill(day(-1));
  await company.fill('Planalto Lda.');
  await mia.getByRole('button', { name: 'Send request' }).click();
  // What only the server knows is said in its words.
  await mia.getByText(/end ?date/i).and(mia.locator('.fault, .problem-text'))
    .first().waitFor();
  await mia.getByLabel('End Date').fill(day(20));
  await mia.getByRole('button', { name: 'Send request' }).click();
  await mia.getByRole('heading', { name: 'Rita Barros' }).waitFor();
  await mia.getByText('Olga Reyes', { exact: true }).waitFor();

  const olga = await stage.signIn('olga.reyes');
  await olga.getByText('Mia Manager asks for Contractors').waitFor();
  await olga.getByRole('button', { name: 'Approve Rita Barros' }).click();
  await olga.keyboard.type('Fine with me');
  await olga.getByRole('button', { name: 'Approve', exact: true }).click();
  await olga.getByText('Nothing waits for you').waitFor();
  olga.blameless();

  const paul = await stage.signIn('paul.adler');
  await paul.getByRole('link', { name: 'Rita Barros' }).click();
  await paul.getByText('rita@planalto.example').waitFor();
  await paul.getByRole('button', { name: 'Approve' }).click();
  await paul.getByRole('dialog').getByRole('button', { name: 'Approve' })
    .click();
  await paul.getByText('Rita Barros was approved.').waitFor();
  paul.blameless();

  await mia.reload();
  await mia.getByText('Fine with me').waitFor();
  await go(mia, '/people?search=rita');
  await mia.getByRole('link', { name: 'Rita Barros' }).click();
  await mia.getByText('Ending soon', { exact: true }).waitFor();
  mia.blameless(/status of 400/);
});

test('a rejection needs a word, and the requester reads it', async () => {
  const mia = await stage.signIn('mia.manager');
  const made = await scene.root.post('/non-employee-requests', {
    sourceId: scene.interns.sourceId, accountName: 'no.body',
    firstName: 'No', lastName: 'Body', email: 'no@body.example', phone: '1',
    manager: 'mia.manager', startDate: day(0), endDate: day(9),
  });
  const olga = await stage.signIn('olga.reyes');
  await olga.getByRole('button', { name: 'Reject No Body' }).click();
  const dialog = olga.getByRole('dialog');
  await dialog.getByRole('button', { name: 'Reject' }).click();
  assert.equal(await dialog.getByLabel('Comment')
    .getAttribute('aria-invalid'), 'true');
  await dialog.getByLabel('Comment').fill('Who is this?');
  await dialog.getByRole('button', { name: 'Reject' }).click();
  await olga.getByText('No Body was rejected.').waitFor();
  await go(mia, `/requests/${made.id}`);
  await mia.getByText('Who is this?').waitFor();
  mia.blameless();
});

test('who ends soon is extended from home', async () => {
  const mia = await stage.signIn('mia.manager');
  await mia.getByRole('button', { name: 'Extend Rita Barros' }).click();
  await mia.getByLabel('New last day').fill(day(120));
  await mia.getByRole('dialog').getByRole('button', { name: 'Extend' })
    .click();
  await mia.getByText(/Rita Barros stays until/).waitFor();
  await settled(mia);
  assert.equal(await mia.getByRole('button', { name: 'Extend Rita Barros' })
    .count(), 0);
  const [rita] = (await scene.root.get('/non-employee-records?limit=250'))
    .filter(({ accountName }) => accountName === 'rita.barros');
  assert.equal(rita.endDate.slice(0, 10), day(120));
  mia.blameless();
});

// The export's own lines for people, with what is wrong with three of them.
const row = (n, changes = {}) => Object.values({
  accountName: `up.${n}`, firstName: 'Up', lastName: `Loaded${n}`, phone: '1',
  email: `up${n}@x.example`, manager: 'mia.manager',
  startDate: `${day(0)}T00:00:00Z`, endDate: `${day(99)}T00:00:00Z`, ...changes,
}).join(',');

const file = (lines) => ({
  name: 'people.csv', mimeType: 'text/csv',
  buffer: Buffer.from(`${HEADER}\n${lines.join('\n')}\n`),
});

test('a file with bad lines is corrected, applied and exported', async () => {
  const admin = await stage.signIn('admin', { acceptDownloads: true });
  await go(admin, `/sources/${scene.interns.id}`);
  await admin.getByRole('link', { name: 'Upload' }).click();
  const good = Array.from({ length: 20 }, (_, n) => row(n));
  const bad = [...good];
  bad[3] = row(3, { email: 'nonsense' });
  bad[8] = row(8, { endDate: 'tomorrow' });
  bad[15] = row(15, { lastName: '' });
  await admin.locator('input[type=file]').setInputFiles(file(bad));
  await admin.getByRole('heading', { name: '3 lines of people.csv are wrong' })
    .waitFor();
  const told = await admin.locator('table').first().innerText();
  for (const part of ['5', 'email', '10', 'endDate', '17', 'lastName'])
    assert.ok(told.includes(part), part);
  const [list] = await Promise.all([
    admin.waitForEvent('download'),
    admin.getByRole('button', { name: 'Save the list' }).click(),
  ]);
  const saved = fs.readFileSync(await list.path(), 'utf8');
  assert.equal(saved.trim().split('\r\n').length, 4);
  assert.equal((await scene.root.get('/non-employee-records?limit=250'))
    .filter(({ lastName }) => lastName.startsWith('Loaded')).length, 0,
  'a preview changes nothing');

  await admin.locator('input[type=file]').setInputFiles(file(good));
  await admin.getByRole('button', { name: 'Apply 20 changes' }).click();
  await admin.getByRole('heading', { name: 'The file was imported' })
    .waitFor();

  await go(admin, `/sources/${scene.interns.id}/export`);
  const sum = await admin.locator('dd code').first().innerText();
  for (const [title, query] of [['Exact', ''], ['For a spreadsheet',
    '?bom=true&lineEnd=crlf&formulaGuard=true']]) {
    const [download] = await Promise.all([
      admin.waitForEvent('download'),
      admin.getByRole('button', { name: `Download: ${title}` }).click(),
    ]);
    assert.doesNotMatch(download.url(), /token|Bearer|eyJ/);
    assert.match(download.suggestedFilename(), /Interns.*\.csv$/);
    const bytes = fs.readFileSync(await download.path());
    const api = await new Caller(stage.server, scene.root.token).call('GET',
      `/non-employee-sources/${scene.interns.id}/non-employees/download${query}`);
    assert.ok(bytes.equals(api.body), title);
    if (title === 'Exact')
      assert.equal(
        crypto.createHash('sha256').update(bytes).digest('hex'), sum);
  }
  admin.blameless();
});
