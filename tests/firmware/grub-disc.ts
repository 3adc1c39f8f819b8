/** Discs that start with GRUB, made by grub-mkrescue. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const TOOLS = ['grub-mkrescue', 'xorriso', 'mformat'] as const;
const missing = TOOLS.filter((tool) => spawnSync(tool, ['--version']).error !== undefined);

/** Why no discs can be made, or false. */
export const skipWithoutGrub = missing.length > 0 && `not installed: ${missing.join(', ')}`;

/** `files` are in `/boot`; `script` is what GRUB does. */
export function grubDisc(script: string, files: Readonly<Record<string, Uint8Array>>): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), 'vivarium-grub-'));
  try {
    const boot = join(folder, 'disc', 'boot');
    mkdirSync(join(boot, 'grub'), { recursive: true });
    for (const [name, bytes] of Object.entries(files)) writeFileSync(join(boot, name), bytes);
    writeFileSync(join(boot, 'grub', 'grub.cfg'), script);
    const image = join(folder, 'disc.iso');
    const made = spawnSync('grub-mkrescue', ['-o', image, join(folder, 'disc')], { encoding: 'utf8' });
    assert.equal(made.status, 0, made.stderr);
    const bytes = readFileSync(image);
    return Buffer.concat([bytes, new Uint8Array(-bytes.length & 2047)]);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
