/** Looks into a copy of the Debian disk from outside, by e2fsprogs, without mounting it. */

import { spawnSync } from 'node:child_process';
import { PARTITION_SECTOR } from './recipe.ts';

/** The root file system, as e2fsprogs name one that does not begin where its file does. */
const fileSystem = (image: string): string => `${image}?offset=${PARTITION_SECTOR * 512}`;

export function copyOfDisk(image: string, to: string): void {
  const { status, stderr } = spawnSync('cp', ['--sparse=always', image, to], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`cp failed: ${stderr}`);
}

export function fileOnDisk(image: string, path: string): string {
  return spawnSync('debugfs', ['-R', `cat ${path}`, fileSystem(image)], { encoding: 'utf8', maxBuffer: 64 << 20 })
    .stdout;
}

/** What is wrong with the file system; nothing if it was unmounted and all its structures agree. */
export function faultsOfDisk(image: string): string {
  const header = spawnSync('dumpe2fs', ['-h', fileSystem(image)], { encoding: 'utf8' }).stdout;
  const features = /^Filesystem features:.*needs_recovery/m.exec(header)?.[0];
  const state = /^Filesystem state: +(.*)$/m.exec(header)?.[1] ?? 'no file system';
  if (features !== undefined) return 'it was not unmounted';
  if (state !== 'clean') return state;
  const { status, stdout, stderr } = spawnSync('e2fsck', ['-f', '-n', fileSystem(image)], { encoding: 'utf8' });
  return status === 0 ? '' : `${stdout}${stderr}`;
}
