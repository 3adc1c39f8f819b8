/** Commands that run in the guest, by its agent. */

import type { Bytes, WaitOptions } from './common.ts';

export interface SpawnOptions {
  /** Variables besides those that the agent has, or, with `cleanEnv`, all of them. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cleanEnv?: boolean;
  /** '/' if not said. */
  readonly cwd?: string;
  /** 0 if not said. */
  readonly uid?: number;
  readonly gid?: number;
  /** Run it at a terminal of its own: stdout has everything, stderr nothing. */
  readonly tty?: boolean | { readonly columns: number; readonly rows: number };
  /** Aborting kills the command. */
  readonly signal?: AbortSignal;
  /** The command is killed when it has run for so many milliseconds; waits for it are rejected with a `VmTimeoutError`. */
  readonly timeoutMs?: number;
}

export interface ExecOptions extends SpawnOptions {
  /** What the command reads; nothing if not said. */
  readonly stdin?: string | Uint8Array | ReadableStream<Uint8Array>;
  /** 'utf8' if not said; with 'bytes' the output is in Uint8Arrays. */
  readonly encoding?: 'utf8' | 'bytes';
  /** Of stdout and stderr each; 64 MiB if not said. A command that writes more is killed; rejects with an `OutputLimitError`. */
  readonly maxOutputBytes?: number;
}

export interface ExecResult<Output = string> {
  readonly stdout: Output;
  readonly stderr: Output;
  /** Undefined for a command that a signal ended. */
  readonly exitCode: number | undefined;
  /** As 'SIGTERM'; undefined for one that ended by itself. */
  readonly signal: string | undefined;
}

export interface ProcessExit {
  readonly exitCode: number | undefined;
  readonly signal: string | undefined;
}

/** A command that runs. What is not read from its output makes it wait. */
export interface Process extends AsyncDisposable {
  readonly stdin: WritableStream<Uint8Array>;
  readonly stdout: ReadableStream<Bytes>;
  readonly stderr: ReadableStream<Bytes>;
  /**
   * When the command has ended. Rejects with a `GuestError` where it could not be started, with a `VmTimeoutError`, or with a
   * `VmEndedError`.
   */
  readonly exit: Promise<ProcessExit>;
  /** 'SIGTERM' if not said. Does nothing to a command that has ended. */
  kill(signal?: string): Promise<void>;
  /** Of its terminal. */
  resize(columns: number, rows: number): Promise<void>;
  /** Kills what still runs: SIGKILL. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** All reject with a `GuestError` (its `code` as 'ENOENT'), or as every wait of a `Vm` does. */
export interface VmFiles {
  read(path: string, options?: WaitOptions): Promise<Bytes>;
  readText(path: string, options?: WaitOptions): Promise<string>;
  /** A file of any length. Cancel it if it is not read to its end. */
  readStream(path: string, options?: WaitOptions): ReadableStream<Bytes>;
  /** Makes the file, or replaces what is in it. */
  write(
    path: string,
    data: string | Uint8Array | Blob | ReadableStream<Uint8Array>,
    options?: WriteOptions,
  ): Promise<void>;
  list(path: string, options?: WaitOptions): Promise<FileInfo[]>;
  /** Of a link, not of what it leads to. */
  stat(path: string, options?: WaitOptions): Promise<FileInfo>;
  /** `recursive`: with the folders above it, and without complaint if it is there. */
  mkdir(path: string, options?: WaitOptions & { readonly mode?: number; readonly recursive?: boolean }): Promise<void>;
  /** `recursive`: with all that is in it. */
  remove(path: string, options?: WaitOptions & { readonly recursive?: boolean }): Promise<void>;
  rename(from: string, to: string, options?: WaitOptions): Promise<void>;
  chmod(path: string, mode: number, options?: WaitOptions): Promise<void>;
}

export interface WriteOptions extends WaitOptions {
  /** Rights of a new file; 0o644 if not said. */
  readonly mode?: number;
  /** Add to the end of what is there. */
  readonly append?: boolean;
}

export interface FileInfo {
  readonly name: string;
  readonly kind: 'file' | 'directory' | 'link' | 'other';
  readonly sizeBytes: number;
  /** The lowest twelve bits: rights, set-user-ID, set-group-ID, sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Milliseconds since 1970. */
  readonly modifiedMs: number;
}
