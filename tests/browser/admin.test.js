// What an administrator makes: a source with its people and columns, a token.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Stage, go, settled } from './lib/console.js';

let stage;

before(async () => {
  stage = await Stage.create();
  await stage.password('admin');
  await stage.world.identity('olga.reyes', { name: 'Olga Reyes' });
});
after(() => stage?.done());

test('a source, an approver, an attribute, and the end of it', async () => {
  const page = await stage.signIn('admin');
  await page.getByRole('link', { name: 'Make the first source' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Name').fill('Interns');
  await dialog.getByRole('button', { name: 'Create' }).click();
  assert.equal(await dialog.getByLabel('Owner').getAttribute('aria-invalid'),
    'true');
  await dialog.getByLabel('Owner').fill('olga');
  await dialog.getByRole('button', { name: /Olga Reyes/ }).click();
  await dialog.getByRole('button', { name: 'Create' }).click();
  await page.getByRole('heading', { name: 'Interns' }).waitFor();

  await page.getByRole('button', { name: 'Add an approver' }).click();
  await dialog.getByLabel('Person').fill('reyes');
  await dialog.getByRole('button', { name: /Olga Reyes/ }).click();
  await dialog.getByRole('button', { name: 'Add' }).click();
  await page.getByRole('button', { name: 'Remove Olga Reyes' }).waitFor();

  await page.getByRole('button', { name: 'Add an attribute' }).click();
  await dialog.getByLabel('Label').fill('Cost centre');
  await dialog.getByLabel('Column in the CSV').fill('costCentre');
  await dialog.getByLabel('Must be filled in').check();
  await dialog.getByRole('button', { name: 'Create' }).click();
  await page.getByRole('cell', { name: 'costCentre' }).waitFor();
  await settled(page);

  await page.getByRole('button', { name: 'Delete', exact: true }).click();
  await dialog.getByLabel('Type the name').fill('interns');
  await dialog.getByRole('button', { name: 'Delete for ever' }).click();
  await dialog.getByText('This is not "Interns"').waitFor();
  await dialog.getByLabel('Type the name').fill('Interns');
  await dialog.getByRole('button', { name: 'Delete for ever' }).click();
  await page.getByText('Interns was deleted.').waitFor();
  page.blameless();
});

test('a token, whose secret is shown once', async () => {
  const page = await stage.signIn('admin');
  await go(page, '/tokens');
  await page.getByRole('button', { name: 'New token' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('What it is for').fill('nightly export');
  await dialog.getByRole('button', { name: 'Create' }).click();
  await dialog.getByText('The secret is shown only now.').waitFor();
  const [clientId, clientSecret] =
    await dialog.locator('code').allInnerTexts();
  await dialog.getByRole('button', { name: 'I have kept it' }).click();
  await page.getByRole('cell', { name: 'nightly export' }).first().waitFor();
  assert.ok(await stage.world.token(stage.server, { clientId, clientSecret }));
  assert.ok(!(await page.content()).includes(clientSecret));
  page.blameless();
});
