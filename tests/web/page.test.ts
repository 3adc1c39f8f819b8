/** The page in Chromium, as its user has it. */

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import type { Page } from 'playwright-core';
import { copyingDisk, echoingFloppy } from './boot-sectors.ts';
import {
  choose,
  drop,
  GIVE_UP_MS,
  skipWithoutChromium,
  startWebTest,
  state,
  type,
  untilConsole,
  untilPrompt,
  untilState,
  type WebTest,
} from './browser.ts';

const noise = Uint8Array.from({ length: 100_000 }, (_, i) => (i * 2654435761) >>> 13);
const error = (page: Page): Promise<string> => page.locator('.message.error p').first().innerText();
const start = (page: Page): Promise<void> => page.locator('#start-dialog button[value=start]').click();

describe('the page', { skip: skipWithoutChromium, timeout: GIVE_UP_MS }, () => {
  let web: WebTest;
  before(async () => {
    web = await startWebTest();
  });
  after(() => web?.close());

  for (const isIsolated of [false, true]) {
    test(`comes to a prompt and runs what is typed, ${isIsolated ? 'with' : 'without'} isolation`, async () => {
      const page = await web.open({ isIsolated });
      await untilPrompt(page);
      assert.equal(await page.evaluate(() => crossOriginIsolated), isIsolated);
      await type(page, 'echo $((6 * 7))-is-it; uname -m\n');
      await untilConsole(page, /\n42-is-it\nx86_64\n/);
      await page.context().close();
    });
  }

  test('runs commands by the library', async () => {
    const page = await web.open();
    await untilPrompt(page);
    const result = await page.evaluate(() =>
      globalThis.vivarium.vm?.exec('sh', ['-c', 'cat; echo oops >&2; exit 3'], { stdin: 'from the page' }),
    );
    assert.deepEqual(result, { stdout: 'from the page', stderr: 'oops\n', exitCode: 3, signal: undefined });
    await page.context().close();
  });

  test('saves a snapshot that goes on after a reload', async () => {
    const page = await web.open();
    await untilPrompt(page);
    await type(page, 'KEPT=here; echo set-$KEPT\n');
    await untilConsole(page, /\nset-here\n/);
    const downloading = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Snapshot' }).click();
    const download = await downloading;
    assert.match(download.suggestedFilename(), /^Built-in Linux .*\.snap$/);
    const bytes = await readFile(await download.path());
    await page.reload();
    await untilPrompt(page);
    await choose(page, 'mine.snap', bytes);
    await start(page);
    await page.getByText('mine.snap', { exact: true }).waitFor();
    await type(page, 'echo still-$KEPT\n');
    await untilConsole(page, /\nstill-here\n/);
    await page.context().close();
  });

  test('says what is wrong with a file in a sentence, and the guest goes on', async () => {
    const page = await web.open();
    await untilPrompt(page);
    await drop(page, 'holiday.jpg', noise);
    assert.equal(
      await error(page),
      'holiday.jpg (98 KB) is no ISO, disk image, kernel or snapshot, so there is nothing to start.',
    );
    await page.getByRole('button', { name: 'Put this message away' }).click();
    // What looks like a snapshot or a kernel, and is none, is found out by the machine.
    const torn = noise.slice();
    torn.set([0x89, 0x56, 0x49, 0x56, 0x0d, 0x0a, 0x1a, 0x0a]);
    const broken = noise.slice();
    broken.set(new TextEncoder().encode('HdrS'), 0x202);
    for (const [name, bytes] of [
      ['torn.snap', torn],
      ['bzImage', broken],
    ] as const) {
      await drop(page, name, bytes);
      await start(page);
      assert.match(await error(page), /^[A-Z].*\.$/);
      assert.equal(await state(page), 'Running');
      await page.getByRole('button', { name: 'Put this message away' }).click();
    }
    await type(page, 'echo $((40 + 2))-alive\n');
    await untilConsole(page, /\n42-alive\n/);
    await page.context().close();
  });

  test('keeps a disk across a reload, with what the guest wrote', async () => {
    const page = await web.open();
    await untilPrompt(page);
    await choose(page, 'copying.img', copyingDisk);
    await start(page);
    await untilConsole(page, /K/);
    const saving = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Snapshot' }).click();
    const snapshot = await readFile(await (await saving).path());
    await page.reload();
    const downloading = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Save to file: copying.img' }).click();
    const bytes = await readFile(await (await downloading).path());
    assert.equal(bytes.length, copyingDisk.length);
    assert.deepEqual(bytes.subarray(512, 1024), Buffer.from(copyingDisk.subarray(0, 512)));
    await page.getByRole('button', { name: 'Delete: copying.img' }).click();
    await page.locator('#confirm-yes').click();
    await page.getByText('copying.img is deleted.').waitFor();
    // The snapshot has the disk in it.
    await untilPrompt(page);
    await choose(page, 'copied.snap', snapshot);
    await start(page);
    await page.getByText('copied.snap', { exact: true }).waitFor();
    assert.equal(await state(page), 'Running');
    await page.context().close();
  });

  test("brings keys and the mouse to a PC's screen", async () => {
    const page = await web.open();
    await untilPrompt(page);
    await choose(page, 'echo.img', echoingFloppy);
    await start(page);
    await untilConsole(page, />$/);
    await page.locator('#canvas').focus();
    await page.keyboard.type('ab1');
    await untilConsole(page, />ab1/);
    await page.getByRole('button', { name: 'Full screen' }).click();
    await page.getByRole('button', { name: 'Leave full screen' }).waitFor();
    const canvas = await page.locator('#canvas').boundingBox();
    const bar = await page.locator('#stage .bar').boundingBox();
    assert.ok(canvas && bar && canvas.y >= bar.y + bar.height && canvas.y + canvas.height <= 800);
    await page.getByRole('button', { name: 'Leave full screen' }).click();
    await page.getByRole('button', { name: 'Capture mouse' }).click();
    await page.waitForFunction(() => document.pointerLockElement?.id === 'canvas');
    // As text, for what compiles this file would add calls that the page does not know.
    await page.evaluate('vivarium.vm.pointer.move = (...by) => { globalThis.movedBy = by; }');
    await page.locator('#canvas').dispatchEvent('mousemove', { movementX: 5, movementY: -3 });
    assert.deepEqual(await page.evaluate('globalThis.movedBy'), [5, -3]);
    await page.context().close();
  });

  test('pauses, goes on, and begins again', async () => {
    const page = await web.open();
    await untilPrompt(page);
    await page.getByRole('button', { name: 'Pause' }).click();
    await untilState(page, 'Paused');
    await type(page, 'echo $((1 + 1))-late\n');
    await page.getByRole('button', { name: 'Go on' }).click();
    await untilConsole(page, /\n2-late\n/);
    await page.getByRole('button', { name: 'Reset' }).click();
    await page.waitForFunction(() => !globalThis.vivarium.consoleText.includes('late'));
    await untilPrompt(page);
    await type(page, 'poweroff\n');
    await untilState(page, 'Switched off');
    await page.getByRole('button', { name: 'Start', exact: true }).click();
    await untilState(page, 'Running');
    await untilPrompt(page);
    await page.context().close();
  });

  test('can be used by keyboard alone', async () => {
    const page = await web.open();
    await untilPrompt(page);
    await type(page, 'echo a\tb\n');
    await page.keyboard.down('ControlLeft');
    await page.keyboard.down('AltLeft');
    await page.keyboard.up('AltLeft');
    await page.keyboard.up('ControlLeft');
    const focused = (): Promise<string | undefined> => page.evaluate(() => document.activeElement?.id);
    assert.equal(await focused(), 'run');
    await page.keyboard.press('Space');
    await untilState(page, 'Paused');
    await page.keyboard.press('Space');
    await untilState(page, 'Running');
    const reached: (string | undefined)[] = [];
    for (let i = 0; i < 6; i++) {
      await page.keyboard.press('Tab');
      reached.push(await focused());
    }
    assert.deepEqual(reached, ['reset', 'save', 'open', 'theme', 'tab-console', 'show-keys']);
    await page.getByRole('tab', { name: 'Console' }).focus();
    await page.keyboard.press('ArrowRight');
    assert.ok(await page.getByText('This machine has no display adapter.').isVisible());
    await page.context().close();
  });

  test('shows what the machine does, and that it has no network', async () => {
    const page = await web.open();
    await untilPrompt(page);
    await page.getByText('No disk in this machine.').waitFor();
    assert.ok(await page.getByText(/^No network: /).isVisible());
    await type(page, 'while :; do cat /proc/self/stat; done\n');
    await page.getByRole('list', { name: 'Exits a second, by cause' }).getByText('page fault').waitFor();
    // As text, for what compiles this file would add calls that the page does not know.
    const coloursOf = (id: string): Promise<number> =>
      page.evaluate(`(() => {
        const canvas = document.getElementById('${id}');
        const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        return new Set(new Uint32Array(data.buffer).filter((pixel) => pixel >>> 24 === 255)).size;
      })()`);
    assert.ok((await coloursOf('speed-chart')) > 0);
    assert.ok((await coloursOf('exits-chart')) > 1);
    assert.match(await page.locator('#speed-about').innerText(), /^The last minute, [\d.]+ at most$/);
    await choose(page, 'copying.img', copyingDisk);
    await start(page);
    await page.locator('#written').waitFor();
    assert.ok(await page.getByText('No disk in this machine.').isHidden());
    await page.context().close();
  });

  test('says what is wrong in full screen, too, and moves nothing for it', async () => {
    const page = await web.open();
    await untilPrompt(page);
    await page.getByRole('button', { name: 'Full screen' }).click();
    await page.getByRole('button', { name: 'Leave full screen' }).waitFor();
    const before = await page.locator('#console').boundingBox();
    await drop(page, 'holiday.jpg', noise);
    // It can be clicked only where nothing lies over it.
    await page.getByRole('button', { name: 'Put this message away' }).click();
    await page.locator('.message.error').waitFor({ state: 'detached' });
    assert.deepEqual(await page.locator('#console').boundingBox(), before);
    await page.context().close();
  });

  test('fits a telephone without scrolling sideways', async () => {
    const page = await web.open({ viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true });
    await untilPrompt(page);
    const overhang = (): Promise<number> => page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.equal(await overhang(), 0);
    await drop(page, `${'long'.repeat(30)}.jpg`, noise);
    await page.locator('.message.error').waitFor();
    assert.equal(await overhang(), 0);
    await page.getByRole('tab', { name: 'Screen' }).click();
    assert.equal(await overhang(), 0);
    await page.context().close();
  });

  test('is dark or light as the system is, until it is told otherwise', async () => {
    const page = await web.open({ colorScheme: 'dark' });
    const ground = (): Promise<string> => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const dark = await ground();
    await page.emulateMedia({ colorScheme: 'light' });
    const light = await ground();
    assert.notEqual(light, dark);
    await page.getByRole('button', { name: 'Dark colours' }).click();
    assert.equal(await ground(), dark);
    await page.reload();
    assert.equal(await ground(), dark);
    await page.context().close();
  });
});
