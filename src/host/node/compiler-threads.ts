/** V8's threads that compile and collect garbage, beside the one that runs guests. */

import { readdirSync } from 'node:fs';
import { constants, setPriority } from 'node:os';

/**
 * Lets the calling thread go before all others that the process has by now: where there are more threads than
 * processors, generated code must not wait for what is being compiled. Linux knows a niceness of each thread; elsewhere,
 * and where /proc is not to be read, nothing happens. To be called by the main thread of a process that is ours alone.
 */
export function preferThisThread(): void {
  if (process.platform !== 'linux') return;
  try {
    for (const thread of readdirSync('/proc/self/task').map(Number)) {
      if (thread !== process.pid) setPriority(thread, constants.priority.PRIORITY_BELOW_NORMAL);
    }
  } catch {
    // As fair as it was.
  }
}

/**
 * The other way round: the calling thread, a worker, goes behind. Were it before those that compile, the code that it
 * runs itself would be interpreted for as long as it has work. Elsewhere than on Linux all the process would go with it.
 */
export function deferThisThread(): void {
  if (process.platform !== 'linux') return;
  try {
    setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
  } catch {
    // As fair as it was.
  }
}
