/** The machines that are compared: how each is started with a guest, and whether it is here at all. */

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';

export const PEERS = ['qemu', 'v86'] as const;
export type PeerName = (typeof PEERS)[number];
export type MachineName = 'vivarium' | PeerName;

export interface GuestFiles {
  readonly kernel: string;
  readonly initrd?: string;
  readonly commandLine?: string;
  /** With the isa-debug-exit port. */
  readonly debugExit?: boolean;
  /** Vivarium only: end with statistics. */
  readonly statistics?: boolean;
}

export type Start = (guest: GuestFiles) => string[];

/** Of every guest. */
const MEMORY_MIB = 512;
const QEMU = 'qemu-system-x86_64';

/** Relative to the repository's root, where the benchmark runs. */
const VIVARIUM = 'dist/vivarium.js';
const V86_PACKAGE = 'node_modules/v86/package.json';

/** Debian's package seabios. */
export const V86_BIOS = '/usr/share/seabios/bios.bin';
export const V86_VGA_BIOS = '/usr/share/seabios/vgabios-stdvga.bin';

/** `engine` is Vivarium's, by default its own choice. */
export function startsWith(engine: string | undefined): Record<MachineName, Start> {
  return {
    vivarium: ({ kernel, initrd, commandLine, debugExit, statistics }) => [
      ...[process.execPath, VIVARIUM, 'run', '--memory', `${MEMORY_MIB}M`, '--kernel', kernel],
      ...(engine ? ['--engine', engine] : []),
      ...(initrd ? ['--initrd', initrd] : []),
      ...(commandLine ? ['--append', commandLine] : []),
      ...(debugExit ? ['--device', 'isa-debug-exit'] : []),
      ...(statistics ? ['--stats'] : []),
    ],
    // QEMU's best for these guests: with `-cpu max` Linux boots slower, for what it then does with the newer features;
    // machine types other than pc, one thread, and a larger translation buffer gain nothing.
    qemu: ({ kernel, initrd, commandLine, debugExit }) => [
      ...[QEMU, '-M', 'pc', '-accel', 'tcg', '-cpu', 'qemu64', '-m', `${MEMORY_MIB}M`],
      ...['-nodefaults', '-display', 'none', '-serial', 'stdio', '-no-reboot', '-kernel', kernel],
      ...(initrd ? ['-initrd', initrd] : []),
      ...(commandLine ? ['-append', commandLine] : []),
      ...(debugExit ? ['-device', 'isa-debug-exit,iobase=0xf4,iosize=4'] : []),
    ],
    v86: ({ kernel, initrd = '', commandLine = '' }) => [
      ...[process.execPath, '--import', 'tsx', 'bench/v86.ts', kernel, initrd, commandLine, `${MEMORY_MIB}`],
    ],
  };
}

/** Vivarium without any option, at a terminal of its own; undefined where util-linux's `script` is missing. */
export function startAtTerminal(): string[] | undefined {
  const terminal = spawnSync('script', ['--version']);
  return terminal.status === 0 ? ['script', '-qec', `'${process.execPath}' ${VIVARIUM} run`, '/dev/null'] : undefined;
}

/** A PC that boots from an IDE disk, whose image stays as it is, with a network card and a screen nobody looks at. */
export function pcStartsWith(engine: string | undefined): Record<'vivarium' | 'qemu', (image: string) => string[]> {
  return {
    vivarium: (image) => [
      ...[process.execPath, VIVARIUM, 'run', '--memory', `${MEMORY_MIB}M`, '--nic', 'user'],
      ...['--disk', image, '--snapshot'],
      ...(engine ? ['--engine', engine] : []),
    ],
    qemu: (image) => [
      ...[QEMU, '-M', 'pc', '-accel', 'tcg', '-cpu', 'qemu64', '-m', `${MEMORY_MIB}M`, '-nodefaults'],
      ...['-display', 'none', '-vga', 'std', '-serial', 'stdio', '-nic', 'user,model=e1000'],
      ...['-drive', `file=${image},format=raw,if=ide,snapshot=on`],
    ],
  };
}

export type Found = { readonly version: string } | { readonly missing: string };

/** Each peer's version, or what is missing. */
export const findPeer: Record<PeerName, () => Found> = {
  qemu: () => {
    const { stdout } = spawnSync(QEMU, ['--version'], { encoding: 'utf8' });
    const version = /version (.*)/.exec(stdout ?? '')?.[1];
    return version === undefined ? { missing: `${QEMU} is not installed` } : { version };
  },
  v86: () => {
    if (!existsSync(V86_PACKAGE)) return { missing: "npm's package v86 is not installed" };
    if (!existsSync(V86_BIOS) || !existsSync(V86_VGA_BIOS)) return { missing: "Debian's package seabios is missing" };
    return { version: (JSON.parse(readFileSync(V86_PACKAGE, 'utf8')) as { version: string }).version };
  },
};
