/** The engine's code that comes with the page: it runs, however the server names it, and can do without. */

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { factsOf, withFacts } from '../../src/cpu/interpreter/generated-code.ts';
import {
  GIVE_UP_MS,
  skipWithoutChromium,
  startWebTest,
  state,
  type,
  untilConsole,
  untilPrompt,
  type WebTest,
} from './browser.ts';

const NAME = 'generated-code.wasm';
const EMPTY_MODULE = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);

describe("the engine's code that comes with the page", { skip: skipWithoutChromium, timeout: GIVE_UP_MS }, () => {
  let web: WebTest;
  let code: Uint8Array<ArrayBuffer>;
  before(async () => {
    web = await startWebTest();
    code = new Uint8Array(await readFile(join(web.folder, NAME)));
  });
  after(() => web?.close());

  for (const type of ['application/wasm', 'application/octet-stream']) {
    test(`is what runs, served as ${type}: none starts with code that has no functions`, async () => {
      const facts = factsOf(new WebAssembly.Module(code));
      assert.ok(facts);
      const page = await web.open({ replaced: { [NAME]: { type, bytes: withFacts(EMPTY_MODULE, facts) } } });
      await page.locator('.message.error').waitFor();
      assert.equal(await state(page), 'Off');
      await page.context().close();
    });
  }

  for (const [what, file] of [
    ['is missing', undefined],
    ['is no WebAssembly', { type: 'application/wasm', bytes: new TextEncoder().encode('<!doctype html>') }],
    ['is a module of another program', { type: 'application/wasm', bytes: EMPTY_MODULE }],
  ] as const) {
    test(`can be done without, where it ${what}`, async () => {
      const page = await web.open({ replaced: { [NAME]: file } });
      await untilPrompt(page);
      await type(page, 'echo $((6 * 7))-without\n');
      await untilConsole(page, /\n42-without\n/);
      await page.context().close();
    });
  }
});
