/** The package's entry in Node. */

import { bootOn } from '../boot.ts';
import type { BootOptions } from '../types/boot-options.ts';
import type { Vm } from '../types/vm.ts';
import { nodeCaller } from './caller.ts';

export * from '../exports.ts';

/**
 * Starts a machine: the built-in Linux at its prompt, or what `options` say. Resolves when it runs. Rejects with a
 * VivariumError for options that make no sense or files that cannot be read, with a VmTimeoutError after
 * `options.timeoutMs`, or with the reason of `options.signal`.
 */
export function boot(options: BootOptions = {}): Promise<Vm> {
  return bootOn(nodeCaller, options);
}
