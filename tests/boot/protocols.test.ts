/** The other ways to start a kernel: ELF by PVH, and by Multiboot with modules and a command line. */

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { gunzip } from '../../src/host/node/platform.ts';
import { detectKernel } from '../../src/machine/kernel.ts';
import { readLinuxImage } from '../../src/machine/linux-image.ts';
import { unpackPayload } from '../../src/machine/linux-payload.ts';
import { runWith, VIVARIUM } from '../cli/spawn.ts';
import { tinyKernel } from '../tiny-kernel.ts';
import { builtInInitrd, builtInKernel, runScript } from './booted.ts';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vivarium-protocols-'));
});
after(() => rm(folder, { recursive: true }));

/** The ELF file inside the built-in bzImage. */
async function vmlinux(): Promise<Uint8Array> {
  const { payload, initBytes } = readLinuxImage(builtInKernel());
  return (await unpackPayload(payload ?? assert.fail(), initBytes, gunzip)) ?? assert.fail();
}

test('Linux boots by PVH from its ELF file, with an initrd and a command line', async () => {
  const image = await vmlinux();
  assert.equal(detectKernel(image), 'pvh');
  const { console, end } = await runScript({ image, initrd: builtInInitrd() }, 'uname -s; cat /proc/cmdline; poweroff');
  assert.deepEqual(end, { kind: 'powered-off' }, console);
  assert.equal(console, 'Linux\nconsole=ttyS0 loglevel=3 vivarium.filter=ttyS1\n');
});

test('the command line boots an ELF kernel by PVH', async () => {
  const [kernel, initrd] = [join(folder, 'vmlinux'), join(folder, 'initrd')];
  await writeFile(kernel, await vmlinux());
  await writeFile(initrd, builtInInitrd());
  const words = ['--kernel', kernel, '--initrd', initrd, '--append', 'console=ttyS0 loglevel=3 vivarium.filter'];
  const { status, stdout } = await runWith('echo done by PVH; poweroff\n', VIVARIUM, 'run', ...words);
  // Input on the console is echoed until init can tell it not to.
  assert.match(stdout, /^done by PVH$/m);
  assert.equal(status, 0);
});

/** Prints the command line, then each module's line and contents, and leaves with status 41h. */
const LISTING = [
  ...[0x3d, 0x02, 0xb0, 0xad, 0x2b], //       cmp eax, 0x2badb002
  ...[0x75, 0x36], //                         jne fail
  ...[0xbc, 0x00, 0x50, 0x10, 0x00], //       mov esp, 0x105000
  ...[0x8b, 0x73, 0x10], //                   mov esi, [ebx + 16]     ; cmdline
  ...[0xe8, 0x2b, 0x00, 0x00, 0x00], //       call puts
  ...[0x8b, 0x7b, 0x18], //                   mov edi, [ebx + 24]     ; mods_addr
  ...[0x8b, 0x4b, 0x14], //                   mov ecx, [ebx + 20]     ; mods_count
  ...[0xe3, 0x1d], //                   next: jecxz done
  ...[0x51], //                               push ecx
  ...[0x8b, 0x77, 0x08], //                   mov esi, [edi + 8]      ; string
  ...[0xe8, 0x1a, 0x00, 0x00, 0x00], //       call puts
  ...[0x8b, 0x37], //                         mov esi, [edi]          ; mod_start
  ...[0x8b, 0x4f, 0x04], //                   mov ecx, [edi + 4]      ; mod_end
  ...[0x29, 0xf1], //                         sub ecx, esi
  ...[0x66, 0xba, 0xf8, 0x03], //             mov dx, 0x3f8
  ...[0xf3, 0x6e], //                         rep outsb
  ...[0x83, 0xc7, 0x10], //                   add edi, 16
  ...[0x59, 0x49], //                         pop ecx; dec ecx
  ...[0xeb, 0xe1], //                         jmp next
  ...[0xb0, 0x20, 0xe6, 0xf4], //       done: mov al, 0x20; out 0xf4, al
  ...[0xfa, 0xf4], //                   fail: cli; hlt
  ...[0x66, 0xba, 0xf8, 0x03], //       puts: mov dx, 0x3f8
  ...[0xac, 0x84, 0xc0], //                1: lodsb; test al, al
  ...[0x74, 0x03], //                         jz 2
  ...[0xee, 0xeb, 0xf8], //                   out dx, al; jmp 1
  ...[0xb0, 0x0a, 0xee, 0xc3], //          2: mov al, 10; out dx, al; ret
];

test('a Multiboot kernel gets its command line and its modules', async () => {
  const kernel = join(folder, 'kernel.elf');
  await writeFile(kernel, tinyKernel(LISTING));
  const contents = 'contents of the first\n';
  const large = Buffer.alloc(300_000, 'a line of the second\n');
  await writeFile(join(folder, 'first'), contents);
  await writeFile(join(folder, 'second'), large);
  const { status, stdout, stderr } = await runWith(
    '',
    VIVARIUM,
    ...['run', '--kernel', kernel, '--append', 'root=/dev/nowhere quiet', '--device', 'isa-debug-exit'],
    ...['--module', `${join(folder, 'first')},name=one, two`, '--module', join(folder, 'second'), '--memory', '16M'],
  );
  assert.equal(stderr, '');
  const lines = stdout.split('\n');
  assert.match(lines[0], /root=\/dev\/nowhere quiet$/);
  assert.deepEqual(lines.slice(1, 3), ['name=one, two', 'contents of the first']);
  assert(stdout.endsWith(`\n${large}`));
  assert.equal(status, 0x41);
});
