import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { findBootRom, readBootRom } from './boot-rom.ts';

test('a card’s ROM is found in the first folder that has it, and read if it can be one', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'vivarium-rom-'));
  try {
    const [none, first, second] = ['none', 'first', 'second'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    for (const path of [first, second]) {
      mkdirSync(path);
      writeFileSync(join(path, 'pxe-pcnet.rom'), path);
    }
    const found = (await findBootRom('pcnet', [none, first, second])) as string;
    assert.equal(found, join(first, 'pxe-pcnet.rom'));
    assert.equal(Buffer.from(await readBootRom(found)).toString(), first);
    assert.equal(await findBootRom('e1000', [none, first, second]), undefined);
    const empty = join(folder, 'empty.rom');
    writeFileSync(empty, '');
    await assert.rejects(readBootRom(empty), /^VivariumError: The boot ROM .*empty\.rom cannot be used: its 0 bytes/);
    await assert.rejects(readBootRom(join(folder, 'no.rom')), /cannot be read: there is no such file/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
