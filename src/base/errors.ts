/**
 * Errors a user or an embedding program can act on. A guest's own faults are values, never these.
 *
 * The message is one sentence for a person; `fault` is the same for a program, told apart by `kind`.
 */

export type Fault =
  /** The kernel image is not of a kind we boot, or is damaged. */
  | { readonly kind: 'bad-kernel' }
  /** The initial RAM disk or a module is damaged or does not fit. */
  | { readonly kind: 'bad-initrd' }
  /** The guest's memory size is too small, absurd, or not to be had. */
  | { readonly kind: 'bad-memory' }
  /** An option or argument that means nothing, or contradicts another. */
  | { readonly kind: 'bad-option'; readonly option?: string }
  /** A file of the host is missing, unreadable or cannot be written. */
  | { readonly kind: 'bad-file'; readonly path: string }
  /** Saved state that no version of `part` can have written. */
  | { readonly kind: 'bad-state'; readonly part: string; readonly field?: string }
  /** A snapshot that is damaged, of a newer format, or of a machine that cannot be made from what was given. */
  | { readonly kind: 'bad-snapshot'; readonly section?: string }
  /** The guest's agent has ended, or never was. */
  | { readonly kind: 'agent-lost' }
  /** The guest's agent says what its protocol does not allow. */
  | { readonly kind: 'agent-protocol' }
  /** The guest's own system refused what was asked of it; `code` is its name for why, `ENOENT`. */
  | { readonly kind: 'guest'; readonly code: string; readonly path?: string }
  /** What was asked for was not done in time. */
  | { readonly kind: 'timeout' }
  /** The platform lacks something we need, or failed underneath us. */
  | { readonly kind: 'host' }
  /** The machine ended before it could do what was asked. */
  | { readonly kind: 'ended' }
  /** A command wrote more than its caller wanted. */
  | { readonly kind: 'output-limit'; readonly bytes: number };

export class VivariumError extends Error {
  override readonly name: string = 'VivariumError';
  readonly fault: Fault;

  constructor(fault: Fault, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.fault = fault;
  }
}

/** Marks what types say cannot happen. Reaching it is a bug: it stops that guest, not the process. */
export function unreachable(value: never): never {
  throw new Error(`Unreachable value ${String(value)}`);
}
