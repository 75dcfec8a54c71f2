// Every screen, in both colour schemes, wide and narrow: nothing for axe to
// complain about, nothing wider than the window, no fault, no other origin.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Stage, checkAccessible, go } from './lib/console.js';
import { setScene } from './lib/scene.js';

let stage;
let screens;

before(async () => {
  stage = await Stage.create();
  const { root, contractors } = await setScene(stage, { rows: 60 });
  const [record] = await root.get('/non-employee-records?limit=1');
  const request = await root.post('/non-employee-requests', {
    sourceId: contractors.sourceId, accountName: 'a.b', firstName: 'A',
    lastName: 'B', email: 'a@b.example', phone: '1', manager: 'mia.manager',
    data: { company: 'x' }, startDate: '2027-01-01', endDate: '2027-02-01',
  });
  screens = {
    'mia.manager': ['/', '/people', '/people?search=gar', '/people?search=zzz',
      `/people/${record.id}`, '/requests', `/requests/${request.id}`,
      `/requests/new?source=${contractors.id}`, '/tokens', '/nowhere',
      '/people/0b5fd9d2-0000-7000-8000-000000000000'],
    'olga.reyes': ['/', `/approvals/${request.approvalItems[0].id}`],
    admin: ['/', '/sources', `/sources/${contractors.id}`,
      `/sources/${contractors.id}/upload`, `/sources/${contractors.id}/export`,
      '/identities', '/tokens', '/audit'],
  };
});
after(() => stage?.done());

const LOOKS = [['light', 1440], ['dark', 390]];

for (const [colorScheme, width] of LOOKS)
  test(`every screen, ${colorScheme}, ${width} pixels`, async () => {
    for (const [alias, paths] of Object.entries(screens)) {
      const page = await stage.signIn(alias,
        { colorScheme, viewport: { width, height: 800 } });
      for (const path of paths) {
        await go(page, path);
        const where = `${alias} ${path}`;
        await checkAccessible(page, where);
        const wide = await page.evaluate(() =>
          document.documentElement.scrollWidth - innerWidth);
        assert.ok(wide <= 0, `${where} is ${wide} pixels too wide`);
        if (!/nowhere|0b5fd9d2/.test(path))
          assert.equal(await page.locator('.problem').count(), 0, where);
      }
      page.blameless(/status of 40[34]/);
      await page.context().close();
    }
  });

test('with the keyboard alone', async () => {
  const page = await stage.signIn('mia.manager');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter'); // skip to content
  const at = () => page.evaluate(() => document.activeElement.textContent ||
    document.activeElement.id);
  assert.equal(await page.evaluate(() => document.activeElement.id), 'main');
  await go(page, '/people');
  assert.equal(await at(), 'People', 'the new screen\'s title has the focus');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Tab');
  await page.keyboard.type('gar');
  await page.waitForFunction(() =>
    document.querySelectorAll('tbody tr').length > 0 &&
    [...document.querySelectorAll('tbody tr')]
      .every((each) => /gar/i.test(each.textContent)));
  page.blameless();
});

test('an error is told in the server\'s words, with its id', async () => {
  const page = await stage.signIn('mia.manager');
  await page.route('**/v3/non-employee-records?*', (route) => route.fulfill({
    status: 500, contentType: 'application/json',
    headers: { 'SLPT-Request-ID': 'c0ffee' },
    body: JSON.stringify({ messages: [{ text: 'An internal fault occurred.' }],
      causes: [] }),
  }));
  await go(page, '/people');
  await page.getByText('An internal fault occurred.').waitFor();
  await page.getByText('c0ffee').waitFor();
  await page.unroute('**/v3/non-employee-records?*');
  await page.getByRole('button', { name: 'Try again' }).click();
  await page.getByRole('table').waitFor();
});
