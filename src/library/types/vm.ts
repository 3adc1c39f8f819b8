/** A machine that runs. */

import type { TranslatorStats } from '../../cpu/translator/statistics.ts';
import type { Bytes, WaitOptions } from './common.ts';
import type { VmConsole, VmKeyboard, VmPointer, VmScreen } from './human.ts';
import type { ExecOptions, ExecResult, Process, SpawnOptions, VmFiles } from './process.ts';

/** How a machine ended. */
export type VmEnd =
  /** The guest switched it off. */
  | { readonly kind: 'powered-off' }
  /** The guest reset it; a PC with firmware starts again instead. */
  | { readonly kind: 'reset' }
  | { readonly kind: 'panicked' }
  | { readonly kind: 'triple-fault'; readonly detail: string }
  /** Written to a debug-exit device. */
  | { readonly kind: 'exit-code'; readonly value: number }
  /** By `close()`. */
  | { readonly kind: 'closed' }
  /** A bug of ours, or the worker is gone. */
  | { readonly kind: 'failed'; readonly error: Error };

export interface DriveStats {
  readonly reads: number;
  readonly readBytes: number;
  readonly writes: number;
  readonly writtenBytes: number;
}

export interface VmStats {
  /** Retired by the guest. */
  readonly instructions: number;
  /** The guest's time since power-on. */
  readonly virtualNs: number;
  /** Exits to the monitor, and events delivered, by cause. */
  readonly exits: Readonly<Record<string, number>>;
  readonly tlbHits: number;
  readonly tlbMisses: number;
  readonly memoryTouchedBytes: number;
  readonly translator: TranslatorStats;
  /** Since the machine was started, without the time in which it was paused. */
  readonly wallMs: number;
  readonly memoryBytes: number;
  readonly isPaused: boolean;
  /** In the order of `disk` and `disks`, `cdrom`, `floppy`. */
  readonly drives: readonly DriveStats[];
  readonly network: {
    readonly sentFrames: number;
    readonly sentBytes: number;
    readonly receivedFrames: number;
    readonly receivedBytes: number;
  };
}

export interface VmSnapshotOptions extends WaitOptions {
  /**
   * A snapshot of the same machine, with those that it is against itself: only what differs is saved, and they are needed
   * again to restore.
   */
  readonly base?: Uint8Array | readonly Uint8Array[];
  /**
   * Saves all that is on disks which the guest can write to, so that they are not given again. Without it, what is thrown
   * away at the end is saved, and a disk that is written in place must be given again as it is now.
   */
  readonly copyDisks?: boolean;
}

/**
 * A machine. Every promise of its methods rejects with a `VmEndedError` when the machine has ended before it could do what
 * was asked, and with a `VmTimeoutError` or the signal's reason where the caller's patience has.
 */
export interface Vm extends AsyncDisposable {
  /** Resolves when the machine has ended, however. Never rejects. */
  readonly ended: Promise<VmEnd>;

  /**
   * Runs a command to its end and gathers what it writes. Waits for the guest's agent at first, for `timeoutMs` or 60 s.
   * Rejects with a `GuestError` where it cannot be started, an `AgentLostError` where the guest has no agent.
   */
  exec(
    file: string,
    args?: readonly string[],
    options?: ExecOptions & { readonly encoding?: 'utf8' },
  ): Promise<ExecResult>;
  exec(
    file: string,
    args: readonly string[],
    options: ExecOptions & { readonly encoding: 'bytes' },
  ): Promise<ExecResult<Bytes>>;
  /** Starts a command. What it does is by streams; many may run at once. Throws a `VmEndedError` when the machine has ended. */
  spawn(file: string, args?: readonly string[], options?: SpawnOptions): Process;
  /** When the guest's agent has answered; after 60 s, unless told otherwise, rejects with a `VmTimeoutError`. */
  ready(options?: WaitOptions): Promise<void>;
  readonly files: VmFiles;

  readonly console: VmConsole;
  /** Undefined for machines without firmware, which have no display adapter. */
  readonly screen: VmScreen | undefined;
  readonly keyboard: VmKeyboard;
  readonly pointer: VmPointer;

  /** All of the machine, between two instructions; it runs on meanwhile. Rejects with a `VivariumError`. */
  snapshot(options?: VmSnapshotOptions): Promise<Bytes>;
  /** Time stands still for the guest until `resume`. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Begins again with what was booted: another power-on, or the snapshot again. */
  reset(): Promise<void>;
  stats(options?: WaitOptions): Promise<VmStats>;
  /** SHA-256 of CPU, devices and memory, in hexadecimal: equal for equal machines. Pause it first. */
  stateHash(options?: WaitOptions): Promise<string>;

  /** Switches the machine off, as by its plug, and gives everything back: disks are flushed and closed. May be called again. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}
