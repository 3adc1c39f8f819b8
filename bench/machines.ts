/** The two that are compared: how each is started with a guest. */

import { spawnSync } from 'node:child_process';

export type MachineName = 'vivarium' | 'qemu';

export interface GuestFiles {
  readonly kernel: string;
  readonly initrd?: string;
  readonly commandLine?: string;
  /** With the isa-debug-exit port. */
  readonly debugExit?: boolean;
  /** Vivarium only: end with statistics. */
  readonly statistics?: boolean;
}

/** Of every guest. */
const MEMORY = '512M';
const QEMU = 'qemu-system-x86_64';

/** Relative to the repository's root, where the benchmark runs. */
const VIVARIUM = 'dist/vivarium.js';

export const COMMANDS: Record<MachineName, (guest: GuestFiles) => string[]> = {
  vivarium: ({ kernel, initrd, commandLine, debugExit, statistics }) => [
    ...[process.execPath, VIVARIUM, 'run', '--memory', MEMORY, '--kernel', kernel],
    ...(initrd ? ['--initrd', initrd] : []),
    ...(commandLine ? ['--append', commandLine] : []),
    ...(debugExit ? ['--device', 'isa-debug-exit'] : []),
    ...(statistics ? ['--stats'] : []),
  ],
  // QEMU's best for these guests: with `-cpu max` Linux boots slower, for what it then does with the newer features;
  // machine types other than pc, one thread, and a larger translation buffer gain nothing.
  qemu: ({ kernel, initrd, commandLine, debugExit }) => [
    ...[QEMU, '-M', 'pc', '-accel', 'tcg', '-cpu', 'qemu64', '-m', MEMORY],
    ...['-nodefaults', '-display', 'none', '-serial', 'stdio', '-no-reboot', '-kernel', kernel],
    ...(initrd ? ['-initrd', initrd] : []),
    ...(commandLine ? ['-append', commandLine] : []),
    ...(debugExit ? ['-device', 'isa-debug-exit,iobase=0xf4,iosize=4'] : []),
  ],
};

/** QEMU's version, or undefined where it is not installed. */
export function qemuVersion(): string | undefined {
  const { stdout } = spawnSync(QEMU, ['--version'], { encoding: 'utf8' });
  return /version (.*)/.exec(stdout ?? '')?.[1];
}
