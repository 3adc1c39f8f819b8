/** What to boot: the built-in guest, or the files that the options name. */

import { readImage } from '../host/node/files.ts';
import type { Terminal } from '../host/node/terminal.ts';
import { isLinuxImage } from '../machine/linux-image.ts';
import { BUILT_IN_INITRD, BUILT_IN_KERNEL, builtInCommandLine } from './built-in-guest.ts';
import type { GuestOptions } from '../vmm/guest-options.ts';
import type { RunOptions } from './options.ts';

/** A Linux that is told nothing writes to a screen that is not there. */
const LINUX_COMMAND_LINE = 'console=ttyS0';

/** Reads the images. Throws a VivariumError for a file that cannot be read. */
export async function readKernel(options: RunOptions, terminal: Terminal | undefined): Promise<GuestOptions['kernel']> {
  const initrdPath = options.initrd ?? (options.kernel === undefined ? BUILT_IN_INITRD : undefined);
  const [image, initrd, ...modules] = await Promise.all([
    readImage(options.kernel ?? BUILT_IN_KERNEL, 'kernel'),
    initrdPath === undefined ? undefined : readImage(initrdPath, 'initrd'),
    ...options.modules.map(({ file }) => readImage(file, 'module')),
  ]);

  let commandLine: string;
  if (initrdPath === BUILT_IN_INITRD) {
    commandLine = [builtInCommandLine(terminal), options.append].filter(Boolean).join(' ');
  } else {
    commandLine = options.append ?? (isLinuxImage(image) ? LINUX_COMMAND_LINE : '');
  }
  return {
    image,
    ...(initrd && { initrd }),
    modules: modules.map((data, i) => ({ data, commandLine: options.modules[i].commandLine })),
    commandLine,
  };
}
