/** Pictures of graphics modes against QEMU's of the same registers and drawing (tests/firmware/record-screens.ts). */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { pictureHash, type ScreenRecord, textColumns } from './test-screens.ts';
import { TestVga } from './test-vga.ts';

const { modes, palettes }: ScreenRecord = JSON.parse(
  readFileSync(new URL('qemu-screens.json', import.meta.url), 'utf8'),
);

// Text needs the fonts of a video BIOS: tests/firmware/screen.test.ts.
for (const mode of modes.filter((recorded) => textColumns(recorded.mode) === 0)) {
  test(`${mode.name}: the same picture as QEMU's`, () => {
    const rig = new TestVga();
    rig.setMode(mode, palettes[mode.palette] as string);
    rig.draw(mode);
    const image = rig.vga.screen.image();
    assert.equal(rig.vga.screen.mode, 'graphics');
    assert.deepEqual([image.width, image.height], [mode.width, mode.height]);
    assert.equal(pictureHash(image, 0), mode.hash);
  });
}
