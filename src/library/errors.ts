/**
 * Errors of the library. All are VivariumErrors: the message is one sentence for a person, `fault` the same for a program.
 * They travel from the machine's worker to the caller by `packError` and `unpackError`, class and all.
 */

import { AgentLostError, AgentProtocolError, GuestError } from '../agent/errors.ts';
import { BlockError, type BlockProblem } from '../base/block.ts';
import { type Fault, VivariumError } from '../base/errors.ts';
import { type ErrorName, FileError } from '../files/errors.ts';
import { SnapshotError } from '../vmm/snapshot/error.ts';
import type { VmEnd } from './types/vm.ts';

export {
  AgentLostError,
  AgentProtocolError,
  BlockError,
  type Fault,
  FileError,
  GuestError,
  SnapshotError,
  VivariumError,
};

/** A wait took longer than its `timeoutMs`. */
export class VmTimeoutError extends VivariumError {
  override readonly name = 'VmTimeoutError';
  readonly timeoutMs: number;

  /** `what` begins the sentence: "The command". */
  constructor(what: string, timeoutMs: number) {
    super({ kind: 'timeout' }, `${what} took longer than ${timeoutMs} ms.`);
    this.timeoutMs = timeoutMs;
  }
}

/** The machine has ended, or did before it could do what was asked. */
export class VmEndedError extends VivariumError {
  override readonly name = 'VmEndedError';
  readonly end: VmEnd;

  constructor(end: VmEnd) {
    const why = end.kind === 'failed' ? `: ${end.error.message.replace(/\.$/, '')}` : '';
    super({ kind: 'ended' }, `The machine has ended: ${ENDINGS[end.kind]}${why}.`);
    this.end = end;
  }
}

const ENDINGS: Readonly<Record<VmEnd['kind'], string>> = {
  'powered-off': 'the guest switched it off',
  reset: 'the guest reset it',
  panicked: 'the guest panicked',
  'triple-fault': 'the guest triple-faulted',
  'exit-code': 'the guest ended it by the debug-exit device',
  closed: 'it was closed',
  failed: 'it failed',
};

/** A command of `exec` wrote more than `maxOutputBytes`, and was killed. */
export class OutputLimitError extends VivariumError {
  override readonly name = 'OutputLimitError';

  constructor(bytes: number) {
    super({ kind: 'output-limit', bytes }, `The command wrote more than ${bytes} bytes, and was killed.`);
  }
}

// ---- Between threads -----------------------------------------------------------------------------------------------

/** An error as structured clones can have it. */
export interface PackedError {
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  readonly fault?: Fault;
  /** Of a VmEndedError. */
  readonly end?: VmEnd;
  /** Of a BlockError or FileError. */
  readonly code?: string;
  /** Of a VmTimeoutError. */
  readonly timeoutMs?: number;
}

export function packError(error: unknown): PackedError {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error), stack: undefined };
  const { name, message, stack } = error;
  const end = error instanceof VmEndedError ? error.end : undefined;
  const code = error instanceof BlockError ? error.problem : error instanceof FileError ? error.code : undefined;
  return {
    name,
    message,
    stack,
    ...(error instanceof VivariumError && { fault: error.fault }),
    ...(end && { end: packEnd(end) }),
    ...(code && { code }),
    ...(error instanceof VmTimeoutError && { timeoutMs: error.timeoutMs }),
  };
}

export function unpackError(packed: PackedError): Error {
  const error = remake(packed);
  if (packed.stack !== undefined) error.stack = packed.stack;
  return error;
}

function remake({ name, message, fault, end, code, timeoutMs }: PackedError): Error {
  if (name === 'BlockError') return new BlockError(code as BlockProblem, message);
  if (name === 'FileError') return new FileError(code as ErrorName);
  if (end !== undefined) return new VmEndedError(unpackEnd(end));
  if (fault === undefined) {
    const error = new Error(message);
    if (name !== 'Error') Object.defineProperty(error, 'name', { value: name, configurable: true, writable: true });
    return error;
  }
  return Object.assign(remakeOurs(name, fault, message, timeoutMs), { message });
}

function remakeOurs(name: string, fault: Fault, message: string, timeoutMs: number | undefined): VivariumError {
  switch (fault.kind) {
    case 'timeout':
      return new VmTimeoutError('', timeoutMs ?? 0);
    case 'guest':
      return new GuestError(fault.code, '', fault.path);
    case 'agent-lost':
      return new AgentLostError(message);
    case 'agent-protocol':
      return new AgentProtocolError('');
    case 'output-limit':
      return new OutputLimitError(fault.bytes);
    case 'bad-snapshot':
      return name === 'SnapshotError' ? new SnapshotError(fault.section, '') : new VivariumError(fault, message);
    default:
      return new VivariumError(fault, message);
  }
}

/** Errors in structured clones lose their class. */
export function packEnd(end: VmEnd): VmEnd {
  return end.kind === 'failed' ? { kind: 'failed', error: packError(end.error) as unknown as Error } : end;
}

export function unpackEnd(end: VmEnd): VmEnd {
  return end.kind === 'failed' ? { kind: 'failed', error: unpackError(end.error as unknown as PackedError) } : end;
}
