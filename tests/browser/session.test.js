import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Stage, checkAccessible, fillSignIn } from './lib/console.js';

let stage;

before(async () => {
  stage = await Stage.create();
  await stage.person('mia.manager');
});
after(() => stage?.done());

// Everything that outlives a page's variables.
const kept = (page) => page.evaluate(() => JSON.stringify([
  { ...localStorage }, { ...sessionStorage }, location.href, document.cookie,
  history.state, document.documentElement.outerHTML,
]));

test('sign in, reload, sign out', async () => {
  const page = await stage.visitor();
  const urls = [];
  page.on('request', (request) => urls.push(request.url()));
  const tokens = [];
  page.on('response', async (answer) => {
    if (answer.url().endsWith('/oauth/token'))
      tokens.push(await answer.json());
  });
  await page.goto('/#/people?state=ended');
  await checkAccessible(page, 'sign in');
  await fillSignIn(page, 'mia.manager');
  await page.getByRole('button', { name: 'Sign out' }).waitFor();
  assert.ok(page.url().endsWith('/#/people?state=ended'), 'back where we were');

  await page.reload();
  await page.getByRole('button', { name: 'Sign out' }).waitFor();
  assert.equal(tokens.length, 2, 'a reload signs in by itself');
  const text = await kept(page);
  for (const { access_token, refresh_token } of tokens)
    for (const secret of [access_token, refresh_token]) {
      assert.ok(!text.includes(secret), 'a token is kept');
      assert.ok(!urls.some((url) => url.includes(secret)), 'a token in a URL');
    }
  assert.doesNotMatch(text, /verifier|code=/);

  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('heading', { name: 'You are signed out' }).waitFor();
  const call = await fetch(`${stage.server.base}/v3/public-identities`, {
    headers: { Authorization: `Bearer ${tokens[1].access_token}` },
  });
  assert.equal(call.status, 401, 'the token is still good');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByLabel('Password').waitFor();
  page.blameless();
});

test('signing out of one tab is signing out of all', async () => {
  const page = await stage.signIn('mia.manager');
  const other = await page.context().newPage();
  await other.goto('/');
  await other.getByRole('button', { name: 'Sign out' }).waitFor();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await other.getByRole('heading', { name: 'You are signed out' }).waitFor();
  page.blameless();
});

test('the first load is small and comes once', async () => {
  const page = await stage.visitor();
  await page.goto('/');
  await fillSignIn(page, 'mia.manager');
  await page.getByRole('button', { name: 'Sign out' }).waitFor();
  const client = await page.context().newCDPSession(page);
  await client.send('Network.enable');
  let bytes = 0;
  client.on('Network.loadingFinished', ({ encodedDataLength }) => {
    bytes += encodedDataLength;
  });
  await client.send('Network.clearBrowserCache');
  await page.reload();
  await page.waitForLoadState('networkidle');
  const first = bytes;
  assert.ok(first > 10_000 && first < 150_000, `${first} bytes`);
  bytes = 0;
  await page.reload();
  await page.waitForLoadState('networkidle');
  assert.ok(bytes < first / 2, `${bytes} bytes again`);
});
