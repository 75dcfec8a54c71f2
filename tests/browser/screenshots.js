// Pictures of every screen, to be looked at:
//
//   NELM=build/nelm node tests/browser/screenshots.js DIRECTORY [NAME...]
//
// With "manual" as its name, the few small ones of docs/manual.

import fs from 'node:fs';
import path from 'node:path';

import { Stage, go, settled } from './lib/console.js';
import { people, setScene } from './lib/scene.js';

const [directory, ...wanted] = process.argv.slice(2);
fs.mkdirSync(directory, { recursive: true });

const stage = await Stage.create();

async function manual(source) {
  const shot = (page, name) => page.screenshot({
    path: path.join(directory, `console-${name}.png`) });
  const viewport = { width: 1000, height: 440 };
  const mia = await stage.signIn('mia.manager', { viewport });
  await settled(mia);
  await shot(mia, 'home');
  await go(mia, '/people?search=gar');
  await shot(mia, 'people');
  const olga = await stage.signIn('olga.reyes',
    { viewport: { width: 390, height: 560 }, colorScheme: 'dark' });
  await settled(olga);
  await shot(olga, 'decide');
  const admin = await stage.signIn('admin', { viewport });
  await go(admin, `/sources/${source.id}/upload`);
  const bad = people(20, { prefix: 'new.', manager: () => 'mia.manager' })
    .split('\n').map((line, n) => line && `${line},${n ? 'Planalto' : 'company'}`);
  bad[4] = bad[4].replace('@', ' at ');
  bad[9] = bad[9].replace(/T18:00:00\+02:00,/, 'soon,');
  bad[14] = bad[14].replace(/,Planalto$/, ',');
  await admin.locator('input[type=file]').setInputFiles({
    name: 'autumn.csv', mimeType: 'text/csv', buffer: Buffer.from(bad.join('\n')),
  });
  await admin.getByText('Correct these lines').waitFor();
  await admin.locator('section.card').filter({ hasText: 'autumn.csv' })
    .screenshot({ path: path.join(directory, 'console-upload.png') });
}

try {
  const { root, contractors } = await setScene(stage);
  const [record] = await root.get('/non-employee-records?limit=1');
  const mias = await stage.signIn('mia.manager');
  const ask = (first, last) => mias.evaluate(async ([source, one, two]) => {
    const { post } = await import(document.querySelector('script').src
      .replace('app.js', 'api.js'));
    return post('/non-employee-requests', {
      sourceId: source, accountName: `${one}.${two}`.toLowerCase(),
      firstName: one, lastName: two, email: `${one}@planalto.example`,
      phone: '+351 555 010', manager: 'mia.manager',
      data: { company: 'Planalto Lda.' },
      startDate: '2027-01-04', endDate: '2027-12-31',
    });
  }, [contractors.sourceId, first, last]);
  const asked = await ask('Rita', 'Barros');
  await ask('Sven', 'Olsen');
  await mias.context().close();

  if (wanted[0] === 'manual') {
    await manual(contractors);
    wanted.push('nothing else');
  }
  const screens = [
    ['sign-in', null, '/'],
    ['home-manager', 'mia.manager', '/'],
    ['home-approver', 'olga.reyes', '/'],
    ['home-admin', 'admin', '/'],
    ['people', 'mia.manager', '/people'],
    ['people-search', 'mia.manager', '/people?search=gar'],
    ['person', 'admin', `/people/${record.id}`],
    ['request-new', 'mia.manager',
      `/requests/new?source=${contractors.id}`],
    ['requests', 'mia.manager', '/requests'],
    ['request', 'mia.manager', `/requests/${asked.id}`],
    ['approval', 'olga.reyes', `/approvals/${asked.approvalItems[0].id}`],
    ['sources', 'admin', '/sources'],
    ['source', 'admin', `/sources/${contractors.id}`],
    ['upload', 'admin', `/sources/${contractors.id}/upload`],
    ['export', 'admin', `/sources/${contractors.id}/export`],
    ['identities', 'admin', '/identities'],
    ['tokens', 'admin', '/tokens'],
    ['audit', 'admin', '/audit'],
  ].filter(([name]) => !wanted.length || wanted.includes(name));

  for (const colorScheme of ['light', 'dark'])
    for (const width of [390, 1440]) {
      const pages = new Map();
      for (const [name, alias, at] of screens) {
        if (!pages.has(alias)) {
          const options = { colorScheme,
            viewport: { width, height: width === 390 ? 844 : 900 } };
          pages.set(alias, alias ? await stage.signIn(alias, options)
            : await stage.visitor(options));
        }
        const page = pages.get(alias);
        if (alias)
          await go(page, at);
        else
          await page.goto(at);
        await settled(page);
        await page.screenshot({ fullPage: true, path: path.join(directory,
          `${name}-${width}-${colorScheme}.png`) });
      }
      for (const page of pages.values())
        await page.context().close();
    }
} finally {
  await stage.done();
}
