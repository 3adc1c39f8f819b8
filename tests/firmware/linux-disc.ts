/** A disc from which GRUB starts Debian's kernel with a script of ours as its init, and drivers as modules. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { builtInInitrd } from '../boot/booted.ts';
import { grubDisc, skipWithoutGrub } from './grub-disc.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const CACHE = 'node_modules/.cache/vivarium';
const PACKAGE = 'linux-image-amd64';

/** The kernel and its modules, or why there are none. */
export type DebianKernel =
  | { readonly image: string; readonly modules: readonly string[] }
  | { readonly missing: string };

export function debianKernel(modules: readonly string[]): DebianKernel {
  if (skipWithoutGrub !== false) return { missing: skipWithoutGrub };
  const fetch = (script: string, words: readonly string[]): readonly string[] | string => {
    const options = { cwd: root, encoding: 'utf8' } as const;
    const { error, status, stdout, stderr } = spawnSync('bash', [`guests/debian/${script}`, CACHE, ...words], options);
    if (status === 0) return stdout.trim().split('\n');
    return error?.message ?? stderr.trim().split('\n').at(-1) ?? `${script} ended with status ${status}`;
  };
  const images = fetch('fetch.sh', [PACKAGE]);
  if (typeof images === 'string') return { missing: images };
  const files = modules.length === 0 ? [] : fetch('fetch-modules.sh', [PACKAGE, ...modules]);
  if (typeof files === 'string') return { missing: files };
  return { image: images[0].split('\t')[1], modules: files };
}

interface ArchiveEntry {
  readonly name: string;
  readonly mode: number;
  readonly content: Uint8Array;
}

/** A cpio archive as initramfs are ("newc"; Linux, Documentation/driver-api/early-userspace/buffer-format.rst). */
export function archive(entries: readonly ArchiveEntry[]): Uint8Array {
  const padded = (bytes: Uint8Array): Uint8Array[] => [bytes, new Uint8Array(-bytes.length & 3)];
  const trailer = { name: 'TRAILER!!!', mode: 0, content: new Uint8Array() };
  const parts = [...entries, trailer].flatMap(({ name, mode, content }, index) => {
    const numbers = [index + 1, mode, 0, 0, 1, 0, content.length, 0, 0, 0, 0, name.length + 1, 0];
    const header = `070701${numbers.map((n) => n.toString(16).padStart(8, '0')).join('')}${name}\0`;
    return [...padded(Buffer.from(header, 'latin1')), ...padded(content)];
  });
  return Buffer.concat(parts);
}

const PREAMBLE = `#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
`;

/**
 * `script` runs with its output on COM1 once all modules are there; the machine is switched off when it ends. `words` are
 * for the kernel's command line.
 */
export function linuxDisc(kernel: DebianKernel, script: string, words = ''): Uint8Array {
  assert('image' in kernel);
  const names = kernel.modules.map((path) => path.replace(/^.*\//, ''));
  const insert = names.map((name) => `insmod /${name}\n`).join('');
  // The kernel's last word is not output.
  const init = `${PREAMBLE}${insert}${script}\necho 0 >/proc/sys/kernel/printk\npoweroff -f\n`;
  const extra = archive([
    { name: 'check', mode: 0o100755, content: Buffer.from(init) },
    ...kernel.modules.map((path, i) => ({ name: names[i], mode: 0o100644, content: readFileSync(path) })),
  ]);
  const line = `console=ttyS0 loglevel=3 rdinit=/check ${words}`.trimEnd();
  return grubDisc(`linux /boot/vmlinuz ${line}\ninitrd /boot/initrd\nboot\n`, {
    vmlinuz: readFileSync(kernel.image),
    initrd: Buffer.concat([builtInInitrd(), extra]),
  });
}
