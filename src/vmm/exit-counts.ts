/** Exits to the monitor by cause: counted always, written down one by one when traced. */

import type { Trace } from './guest-options.ts';

export type ExitCause =
  | 'I/O port'
  | 'MMIO'
  | 'CPUID'
  | 'MSR read'
  | 'MSR write'
  | 'RDTSC'
  | 'RDRAND'
  | 'x87 error'
  | 'system management'
  | 'HLT'
  | 'interrupt'
  | 'control register'
  | 'page assigned';

export class ExitCounts {
  readonly counts: Record<string, number> = {};
  readonly #trace: Trace | undefined;
  readonly #instructions: () => number;

  constructor(trace: Trace | undefined, instructions: () => number) {
    this.#trace = trace?.kinds.has('exits') === true ? trace : undefined;
    this.#instructions = instructions;
  }

  /** Whether `detail` is worth computing. */
  get traced(): boolean {
    return this.#trace !== undefined;
  }

  count(cause: ExitCause): void {
    this.counts[cause] = (this.counts[cause] ?? 0) + 1;
  }

  /** Counts and, when traced, writes a line: instruction count, cause, detail. */
  record(cause: ExitCause, detail = ''): void {
    this.count(cause);
    this.line(cause, detail);
  }

  line(cause: string, detail: string): void {
    this.#trace?.line(`${this.#instructions()} ${cause} ${detail}`.trimEnd());
  }
}
