/**
 * How a run can end, and the exit status and sentence for each. Odd statuses are the guest's own, by QEMU's rule for
 * the isa-debug-exit port; even ones are ours.
 */

import { unreachable } from '../base/errors.ts';
import { STATUS_SIGNAL } from '../host/node/signals.ts';
import type { GuestEnd } from '../vmm/guest-options.ts';

export const STATUS_OK = 0;
export const STATUS_USAGE = 2;
export const STATUS_CRASHED = 4;
export const STATUS_TIMEOUT = 6;
export const STATUS_HOST = 8;
export const STATUS_RESET = 10;
const SIGPIPE = 13;

/** For the help text; the README has the same table. */
export const EXIT_STATUS_HELP = `Exit status:
  0      the guest powered off, or you left with Ctrl-A x
  odd    the guest wrote v to the isa-debug-exit port: (v << 1 | 1) & 255
  2      bad usage or a bad input file
  4      the guest panicked or triple-faulted
  6      the time given with --timeout ran out
  8      the host failed, for example a full disk while tracing, or a port in use
  10     the guest reset itself
  128+n  ended by signal n`;

export type Ending =
  /** The guest ended its own run. */
  | { readonly by: 'guest'; readonly end: GuestEnd }
  /** Ctrl-A x. */
  | { readonly by: 'user' }
  | { readonly by: 'timeout'; readonly milliseconds: number }
  | { readonly by: 'signal'; readonly number: number }
  /** Whoever read our output is gone, as with \`| head -1\`. */
  | { readonly by: 'closed-output' }
  | { readonly by: 'host'; readonly message: string };

export interface Outcome {
  readonly status: number;
  /** One sentence for stderr, where there is something to say. */
  readonly message?: string;
}

export function outcomeOf(ending: Ending): Outcome {
  switch (ending.by) {
    case 'guest':
      return outcomeOfGuest(ending.end);
    case 'user':
      return { status: STATUS_OK, message: 'You left the guest; it was stopped.' };
    case 'timeout':
      return {
        status: STATUS_TIMEOUT,
        message: `The guest was stopped: its time of ${ending.milliseconds / 1000} s ran out.`,
      };
    case 'signal':
      return { status: STATUS_SIGNAL + ending.number };
    case 'closed-output':
      return { status: STATUS_SIGNAL + SIGPIPE };
    case 'host':
      return { status: STATUS_HOST, message: ending.message };
    default:
      return unreachable(ending);
  }
}

function outcomeOfGuest(end: GuestEnd): Outcome {
  switch (end.kind) {
    case 'powered-off':
    case 'stopped':
      return { status: STATUS_OK };
    case 'exit-code':
      return { status: ((end.value << 1) | 1) & 0xff };
    case 'panicked':
      return { status: STATUS_CRASHED, message: 'The guest panicked.' };
    case 'triple-fault':
      return { status: STATUS_CRASHED, message: `The guest triple-faulted ${end.detail}.` };
    case 'reset':
      return { status: STATUS_RESET, message: 'The guest reset itself.' };
    default:
      return unreachable(end);
  }
}
