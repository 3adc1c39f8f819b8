/** The package's entry in browsers. */

import { bootOn } from '../boot.ts';
import type { BootOptions } from '../types/boot-options.ts';
import type { Vm } from '../types/vm.ts';
import { browserCaller } from './caller.ts';

export * from '../exports.ts';

/** As in Node: see src/library/node/index.ts. Strings are URLs, relative to the page. */
export function boot(options: BootOptions = {}): Promise<Vm> {
  return bootOn(browserCaller, options);
}
