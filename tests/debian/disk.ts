/**
 * Builds the Debian disk with Debian's own tools and without mounting anything: mmdebstrap fills a folder, mke2fs makes it
 * a file system within the image, sfdisk its partition table, and GRUB goes where its installer puts it: its first
 * sector's code into the master boot record, its core image into the sectors behind (GRUB manual, "BIOS installation").
 */

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  closeSync,
  cpSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  COMMANDS,
  DISK_BYTES,
  DISK_LABEL_ID,
  DPKG_OPTIONS,
  FILE_SYSTEM_UUID,
  FILES,
  GRUB_MODULES,
  GRUB_PREFIX,
  PACKAGES,
  PARTITION_SECTOR,
  SUITE,
  UPDATED,
} from './recipe.ts';

const CACHE = fileURLToPath(new URL('../../node_modules/.cache/vivarium', import.meta.url));
const GRUB_FOLDER = '/usr/lib/grub/i386-pc';
/** The host's own choice of a mirror, where it is Debian 12, too. */
const HOST_SOURCES = '/etc/apt/sources.list.d/debian.sources';
const IMAGE_NAME = /^debian-disk-[0-9a-f]{16}\.img$/;
const BUILD_TIMEOUT_MS = 10 * 60_000;

const SECTOR = 512;
/** Of the first sector: code, before disk signature and partition table. */
const BOOT_CODE_BYTES = 440;
const PARTITION_OFFSET = PARTITION_SECTOR * SECTOR;

export type DebianDisk = { readonly image: string } | { readonly missing: string };

/** The image, which nobody is to write to, or why there is none. It is kept until the recipe or this file changes. */
export function debianDisk(): DebianDisk {
  const sources = ['recipe.ts', 'disk.ts'].map((name) => readFileSync(new URL(name, import.meta.url)));
  const key = createHash('sha256').update(Buffer.concat(sources)).digest('hex').slice(0, 16);
  const image = join(CACHE, `debian-disk-${key}.img`);
  if (existsSync(image)) return { image };
  const missing = whatIsMissing();
  if (missing !== undefined) return { missing };
  mkdirSync(CACHE, { recursive: true });
  const work = mkdtempSync(join(CACHE, 'debian-part.'));
  try {
    build(work);
    for (const name of readdirSync(CACHE)) if (IMAGE_NAME.test(name)) rmSync(join(CACHE, name));
    renameSync(join(work, 'disk.img'), image);
    return { image };
  } catch (error) {
    return { missing: (error as Error).message };
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function whatIsMissing(): string | undefined {
  if (process.getuid?.() !== 0) return 'packages are installed into a folder by root only';
  const isThere = (tool: string): boolean => spawnSync(tool, ['--version']).error === undefined;
  const tool = ['mmdebstrap', 'sfdisk', 'mke2fs', 'grub-mkimage'].find((tool) => !isThere(tool));
  if (tool !== undefined) return `${tool} is not installed`;
  return existsSync(join(GRUB_FOLDER, 'boot.img')) ? undefined : "Debian's package grub-pc-bin is not installed";
}

/** Throws the last line of what the tool said. */
function run(tool: string, words: readonly string[], input = ''): void {
  const { error, status, stderr } = spawnSync(tool, words, {
    encoding: 'utf8',
    input,
    timeout: BUILD_TIMEOUT_MS,
    maxBuffer: 64 << 20,
    env: { ...process.env, LC_ALL: 'C' },
  });
  if (status === 0) return;
  const reason = error?.message ?? stderr.trim().split('\n').at(-1);
  throw new Error(`${tool} failed: ${reason}`);
}

function build(work: string): void {
  const extra = join(work, 'extra');
  for (const [name, content] of Object.entries(FILES)) {
    mkdirSync(dirname(join(extra, name)), { recursive: true });
    writeFileSync(join(extra, name), content);
  }
  const root = join(work, 'root');
  run('mmdebstrap', [
    ...['--variant=minbase', '--mode=root', '--format=directory', `--include=${PACKAGES.join(',')}`],
    // Mirrors that are copies of some day say that they are out of date.
    ...["--aptopt=Acquire::Check-Valid-Until 'false'", ...DPKG_OPTIONS.map((option) => `--dpkgopt=${option}`)],
    // Before the kernel is installed, whose initial RAM disk has what /etc/fstab asks for.
    ...[`--essential-hook=cp -R '${extra}/.' "$1"`],
    ...COMMANDS.map((command) => `--customize-hook=chroot "$1" sh -c '${command}'`),
    ...[SUITE, root, ...(existsSync(HOST_SOURCES) ? [HOST_SOURCES] : [])],
  ]);
  // Some of these are the host's now, and so is the choice of a mirror, which may be nobody else's.
  cpSync(extra, root, { recursive: true });
  rmSync(join(root, 'etc/apt/sources.list.d'), { recursive: true });
  mkdirSync(join(root, 'etc/apt/sources.list.d'));
  for (const name of UPDATED) {
    writeFileSync(join(root, name), '');
    utimesSync(join(root, name), new Date(), new Date());
  }
  const image = join(work, 'disk.img');
  const file = openSync(image, 'w');
  ftruncateSync(file, DISK_BYTES);
  run(
    'sfdisk',
    ['-q', image],
    `label: dos\nlabel-id: ${DISK_LABEL_ID}\nstart=${PARTITION_SECTOR}, type=83, bootable\n`,
  );
  run('mke2fs', [
    ...['-q', '-t', 'ext4', '-U', FILE_SYSTEM_UUID, '-L', 'debian', '-d', root],
    // What GRUB 2.06 cannot read stays out.
    ...['-O', '^metadata_csum_seed,^orphan_file', '-m', '0'],
    ...['-E', `offset=${PARTITION_OFFSET},lazy_itable_init=0,lazy_journal_init=0`],
    ...[image, `${(DISK_BYTES - PARTITION_OFFSET) / 1024}k`],
  ]);
  const core = join(work, 'core.img');
  run('grub-mkimage', ['-O', 'i386-pc', '-p', GRUB_PREFIX, '-o', core, ...GRUB_MODULES]);
  const coreImage = readFileSync(core);
  if (coreImage.length > PARTITION_OFFSET - SECTOR) throw new Error('GRUB does not fit before the first partition');
  writeSync(file, readFileSync(join(GRUB_FOLDER, 'boot.img')), 0, BOOT_CODE_BYTES, 0);
  writeSync(file, coreImage, 0, coreImage.length, SECTOR);
  closeSync(file);
}
