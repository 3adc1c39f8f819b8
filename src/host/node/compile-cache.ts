/** What V8 has compiled of this program, kept from one start to the next. */

import * as nodeModule from 'node:module';

/** Of Node 22.8 on. */
const { enableCompileCache } = nodeModule as { readonly enableCompileCache?: () => unknown };

/**
 * Has modules that are loaded from now on compiled once, rather than at each start: half of what a worker takes to begin.
 * The files are in the system's folder for temporary ones; NODE_COMPILE_CACHE names another one, and
 * NODE_DISABLE_COMPILE_CACHE=1 forbids it.
 */
export function keepCompiledCode(): void {
  enableCompileCache?.();
}
