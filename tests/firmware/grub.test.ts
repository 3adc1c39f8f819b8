/** GRUB, from a disc, starts what it is used to start: Debian's kernels of 64 and of 32 bits, and memtest86+. */

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { type Fetched, fetch32BitKernel } from '../../bench/debian.ts';
import { builtInInitrd, builtInKernel } from '../boot/booted.ts';
import { assembled, skipWithoutNasm } from './boot-images.ts';
import { grubDisc, skipWithoutGrub } from './grub-disc.ts';
import { archive, debianKernel } from './linux-disc.ts';
import { disc, startPc } from './pc.ts';

const CACHE = 'node_modules/.cache/vivarium';

const amd64 = skipWithoutGrub === false ? debianKernel([]) : { missing: skipWithoutGrub };
test('GRUB starts Debian’s amd64 kernel, to a shell and to power-off', {
  skip: 'missing' in amd64 && amd64.missing,
}, async () => {
  assert('image' in amd64);
  const script = 'linux /boot/vmlinuz console=ttyS0 loglevel=3\ninitrd /boot/initrd\nboot\n';
  const image = grubDisc(script, { vmlinuz: readFileSync(amd64.image), initrd: builtInInitrd() });
  const pc = await startPc([disc(image)], { memoryBytes: 512 << 20 });
  await pc.until(() => pc.console().includes(':~#'));
  assert.ok(pc.screen().includes('Welcome to GRUB!'));
  pc.type('uname -m; dmesg -r | grep -cE "(BUG|WARNING|Oops|Call Trace)"; poweroff\n');
  assert.deepEqual(await pc.end, { kind: 'powered-off' });
  assert.match(pc.console(), /\nx86_64\n0\n/);
});

test('Linux restarts the machine, and comes back through firmware and GRUB', { skip: skipWithoutGrub }, async () => {
  const script = 'linux /boot/vmlinuz console=ttyS0 loglevel=3\ninitrd /boot/initrd\nboot\n';
  const image = grubDisc(script, { vmlinuz: builtInKernel(), initrd: builtInInitrd() });
  const pc = await startPc([disc(image)], {}, { resetEnds: false });
  const prompts = (): number => pc.console().split(':~#').length - 1;
  await pc.until(() => prompts() === 1);
  pc.type('reboot -f\n');
  await pc.until(() => prompts() === 2);
  pc.type('poweroff -f\n');
  assert.deepEqual(await pc.end, { kind: 'powered-off' });
});

const i686: Fetched = skipWithoutGrub === false ? fetch32BitKernel(CACHE) : { missing: skipWithoutGrub };
const skip32 = skipWithoutNasm || ('missing' in i686 && i686.missing);
test('GRUB starts Debian’s i686 kernel, to its init and to power-off', { skip: skip32 }, async () => {
  assert('kernel' in i686);
  const script = 'linux /boot/vmlinuz console=ttyS0 loglevel=3\ninitrd /boot/initrd\nboot\n';
  const initrd = archive([{ name: 'init', mode: 0o100755, content: assembled('init32') }]);
  const image = grubDisc(script, { vmlinuz: readFileSync(i686.kernel), initrd });
  const pc = await startPc([disc(image)]);
  assert.deepEqual(await pc.end, { kind: 'powered-off' });
  assert.match(pc.console(), new RegExp(`${i686.version.replaceAll('.', '\\.')} on i686\n`));
});

/** Debian's package `memtest86+`. The last test of a pass waits for minutes, and is skipped as a user would: F1, F5. */
for (const name of ['x64', 'ia32']) {
  const path = `/boot/memtest86+${name}.bin`;
  const skip = skipWithoutGrub || (!existsSync(path) && `${path}: not installed`);
  test(`memtest86+ (${name}) passes over 16 MiB without an error`, { skip }, async () => {
    const image = grubDisc('linux16 /boot/memtest console=ttyS0\nboot\n', { memtest: readFileSync(path) });
    const pc = await startPc([disc(image)], { memoryBytes: 16 << 20 });
    const shows = (text: string): boolean => pc.screen().some((row) => row.includes(text));
    await pc.until(() => shows('Test #10'));
    pc.type('1');
    await pc.until(() => shows('Skip current test'));
    pc.type('5');
    await pc.until(() => shows('Pass:  1'));
    assert.ok(shows('Errors: 0'), pc.screen().join('\n'));
    pc.guest.stop();
    await pc.end;
  });
}
