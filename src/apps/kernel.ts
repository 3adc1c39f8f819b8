/** What to boot: the built-in guest, or the files that the options name. */

import { readImage } from '../host/node/files.ts';
import { gunzip } from '../host/node/platform.ts';
import type { Terminal } from '../host/node/terminal.ts';
import { isLinuxImage } from '../machine/linux-image.ts';
import type { GuestKernel } from '../vmm/guest-options.ts';
import { BUILT_IN_INITRD, BUILT_IN_KERNEL, builtInCommandLine } from './built-in-guest.ts';
import type { RunOptions } from './options.ts';
import { shareWords } from './shares.ts';

/** A Linux that is told nothing writes to a screen that is not there. */
const LINUX_COMMAND_LINE = 'console=ttyS0';

/** The built-in guest asks for its address. */
const NETWORK_WORD = 'vivarium.dhcp=eth0';

export interface Boot {
  /** Undefined for a guest that was saved, and for a PC that starts with firmware. */
  readonly kernel: GuestKernel | undefined;
  /** Where standard input goes when it is not a terminal: the built-in guest has a port apart for it. */
  readonly inputPort: 'console' | 'second serial';
  /** The guest waits on its second serial port for the size of the terminal. */
  readonly followsSize: boolean;
}

/** Reads the images; none for a guest that was saved, of whose notes `saved` are. Throws a VivariumError for a file that cannot be read. */
export async function readKernel(
  options: RunOptions,
  saved: Readonly<Record<string, string>> | undefined,
  terminal: Terminal | undefined,
): Promise<Boot> {
  const { kernel: kernelPath, initrd: initrdPath, append } = options;
  if (saved) {
    const inputPort = saved.input === 'second serial' ? 'second serial' : 'console';
    return { kernel: undefined, inputPort, followsSize: saved.size === 'second serial' };
  }
  if (options.pc) return { kernel: undefined, inputPort: 'console', followsSize: false };
  const [image, initrd, ...modules] = await Promise.all([
    readImage(kernelPath ?? BUILT_IN_KERNEL, 'kernel'),
    initrdPath === undefined ? undefined : readImage(initrdPath, 'initrd'),
    ...options.modules.map(({ file }) => readImage(file, 'module')),
  ]);
  const named = {
    image,
    modules: modules.map((data, i) => ({ data, commandLine: options.modules[i].commandLine })),
  };
  if (kernelPath === undefined && initrd === undefined) {
    const network = options.wire === undefined ? '' : NETWORK_WORD;
    const words = [builtInCommandLine(terminal), shareWords(options.shares), network, append];
    const commandLine = words.filter(Boolean).join(' ');
    // Fast path: unpacked here, it spares the guest forty million instructions.
    const unpacked = gunzip(await readImage(BUILT_IN_INITRD, 'initrd'));
    const isFilter = terminal === undefined;
    const inputPort = isFilter ? 'second serial' : 'console';
    return { kernel: { ...named, initrd: unpacked, commandLine }, inputPort, followsSize: !isFilter };
  }
  const commandLine = append ?? (isLinuxImage(image) ? LINUX_COMMAND_LINE : '');
  return { kernel: { ...named, ...(initrd && { initrd }), commandLine }, inputPort: 'console', followsSize: false };
}
