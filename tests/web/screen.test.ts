/** A PC with firmware in the page: its screen, pixel by pixel, is that of the same PC in Node. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { MemoryDisk } from '../../src/block/memory-disk.ts';
import { nodePlatform } from '../../src/host/node/platform.ts';
import { Guest } from '../../src/vmm/guest.ts';
import { pictureFloppy } from './boot-sectors.ts';
import { choose, GIVE_UP_MS, skipWithoutChromium, startWebTest, untilPrompt } from './browser.ts';

const firmware = fileURLToPath(new URL('../../firmware/', import.meta.url));
const LOOK_MS = 50;
/** Of what the boot sector draws, the stripes of this many pixels at the end are there when all is. */
const LAST_PIXELS = 64;

interface Picture {
  readonly width: number;
  readonly height: number;
  readonly pixels: Buffer;
}

/** The end of the picture is not of one colour, as text on black would be. */
function isDrawn({ pixels }: Picture): boolean {
  const colours = new Set<number>();
  for (let i = 1; i <= LAST_PIXELS; i++) colours.add(pixels.readUInt32LE(pixels.length - 4 * i));
  return colours.size > 8;
}

async function pictureInNode(): Promise<Picture> {
  const guest = await Guest.create({
    memoryBytes: 64 << 20,
    firmware: {
      bios: readFileSync(`${firmware}bios-256k.bin`),
      vgaBios: readFileSync(`${firmware}vgabios-stdvga.bin`),
      drives: [{ bus: 'floppy', unit: 0, kind: 'floppy', backend: new MemoryDisk(pictureFloppy.slice()) }],
      nics: [],
      bootOrder: 'a',
    },
    time: 'real',
    seed: 1,
    optionalDevices: [],
    onConsole: () => {},
    host: nodePlatform,
  });
  const running = guest.run();
  try {
    for (;;) {
      const image = guest.screen?.image();
      assert.ok(image);
      const { width, height, pixels } = image;
      const picture = { width, height, pixels: Buffer.from(pixels) };
      if (isDrawn(picture)) return picture;
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  } finally {
    guest.stop();
    await running;
  }
}

test('a PC that starts from a floppy disk shows the picture that it shows in Node', {
  skip: skipWithoutChromium,
  timeout: GIVE_UP_MS,
}, async () => {
  const expected = await pictureInNode();
  const web = await startWebTest();
  try {
    const page = await web.open();
    await untilPrompt(page);
    await choose(page, 'picture.img', pictureFloppy);
    await page.locator('#start-dialog button[value=start]').click();
    for (;;) {
      const { width, height, base64 } = await page.evaluate(() => {
        const canvas = document.getElementById('canvas') as HTMLCanvasElement;
        const { width, height } = canvas;
        const data = canvas.getContext('2d')?.getImageData(0, 0, width, height).data as Uint8ClampedArray;
        let text = '';
        for (let i = 0; i < data.length; i += 0x8000) text += String.fromCharCode(...data.subarray(i, i + 0x8000));
        return { width, height, base64: btoa(text) };
      });
      const shown = { width, height, pixels: Buffer.from(base64, 'base64') };
      if (isDrawn(shown)) {
        assert.deepEqual([width, height], [expected.width, expected.height]);
        assert.ok(shown.pixels.equals(expected.pixels), 'the pictures differ');
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  } finally {
    await web.close();
  }
});
