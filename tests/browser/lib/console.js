// The console in Debian's Chromium, on a throw-away registry.

import assert from 'node:assert/strict';

import axe from 'axe-core';
import { chromium } from 'playwright-core';

import { UNLIMITED, World } from '../../api/lib/nelm.js';

export const PASSWORD = 'correct horse <battery> & staple';

export class Stage {
  static async create(serve = UNLIMITED) {
    const stage = new Stage();
    stage.world = await World.create();
    stage.server = await stage.world.serve(serve);
    stage.browser = await chromium.launch({
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      args: process.getuid() === 0 ? ['--no-sandbox'] : [],
    });
    return stage;
  }

  async person(alias, options) {
    const identity = await this.world.identity(alias, options);
    await this.password(alias);
    return identity;
  }

  password(alias) {
    return this.world.cli(['identity', 'set-password', alias],
      { input: `${PASSWORD}\n` });
  }

  // A browser of its own. What a page must never do is noted as it happens
  // and told by blameless().
  async visitor(options = {}) {
    const context = await this.browser.newContext({
      baseURL: this.server.base, locale: 'en-GB', timezoneId: 'UTC',
      viewport: { width: 1280, height: 800 }, ...options,
    });
    const page = await context.newPage();
    page.setDefaultTimeout(10_000);
    page.faults = [];
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning')
        page.faults.push(message.text());
    });
    page.on('pageerror', (error) => page.faults.push(error.stack));
    page.on('request', (request) => {
      const url = new URL(request.url());
      if (url.origin !== this.server.base && url.protocol !== 'blob:' &&
          url.protocol !== 'data:')
        page.faults.push(`a request to ${url.origin}`);
    });
    // `but`: what the browser says of refusals that a test provokes.
    page.blameless = (but = /^$/) => assert.deepEqual(
      page.faults.filter((text) => !but.test(text)), []);
    return page;
  }

  // A visitor who signs in at the page and stands on the home screen.
  async signIn(alias, options) {
    const page = await this.visitor(options);
    await page.goto('/');
    await fillSignIn(page, alias);
    await page.getByRole('button', { name: 'Sign out' }).waitFor();
    return page;
  }

  async done() {
    await this.browser?.close();
    await this.world?.done();
  }
}

export async function fillSignIn(page, alias) {
  await page.getByLabel('User name').fill(alias);
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

// Go to a screen of the console; resolves when it is there.
export async function go(page, path) {
  await page.evaluate((hash) => {
    if (location.hash === hash)
      return;
    document.querySelector('h1')?.setAttribute('data-left', '');
    location.hash = hash;
  }, `#${path}`);
  await settled(page);
}

// Nothing on the screen is still loading.
export async function settled(page) {
  await page.waitForFunction(() =>
    document.querySelector('h1:not([data-left])') &&
    !document.querySelector('.loading, [aria-busy]'));
}

// What axe has against the page: nothing that is serious.
export async function checkAccessible(page, where) {
  const source = axe.source;
  // Trusted types keep scripts out of the page; the tools come from outside.
  await page.evaluate(source);
  const { violations } = await page.evaluate(() => globalThis.axe.run({
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa',
      'best-practice'],
  }));
  assert.deepEqual(violations.map(({ id, impact, nodes }) =>
    `${where}: ${id} (${impact}) ${nodes.map(({ html, failureSummary }) =>
      `${html.slice(0, 200)} ${failureSummary}`).join(' | ')}`), []);
}
