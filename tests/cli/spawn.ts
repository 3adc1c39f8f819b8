/** Starts the command line as its user would, and gathers what it says. */

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** The bundled command line; the same with a guest for tests in place of a real one. */
export const VIVARIUM: readonly string[] = [process.execPath, `${root}dist/vivarium.js`];
export const FAKE: readonly string[] = [process.execPath, '--import', 'tsx', `${root}tests/cli/fake-vivarium.ts`];

export interface Result {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly process: ChildProcessWithoutNullStreams;
  /** Standard output so far. */
  shown(): string;
  /** Resolves when standard output holds `text`, or is as asked for. */
  shows(text: string | ((stdout: string) => boolean)): Promise<void>;
  readonly result: Promise<Result>;
}

/** For a command that hangs; they take some seconds. */
const GIVE_UP_MS = 180_000;

export function start(command: readonly string[], ...words: string[]): Running {
  const child = spawn(command[0], [...command.slice(1), ...words], { cwd: root, timeout: GIVE_UP_MS });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('latin1').on('data', (text) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text;
  });
  // A command that ends without reading its input is no failure of the test.
  child.stdin.on('error', () => {});
  const result = new Promise<Result>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status, signal) => resolve({ status, signal, stdout, stderr }));
  });
  return {
    process: child,
    result,
    shown: () => stdout,
    shows: (text) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (typeof text === 'string' ? stdout.includes(text) : text(stdout)) resolve();
        };
        child.stdout.on('data', look);
        child.on('close', () =>
          reject(new Error(`ended without showing ${JSON.stringify(text) ?? 'what it should'}: ${stdout}${stderr}`)),
        );
        look();
      }),
  };
}

/** Runs a command to its end with `input` as its standard input. */
export function runWith(input: string | Uint8Array, command: readonly string[], ...words: string[]): Promise<Result> {
  const running = start(command, ...words);
  running.process.stdin.end(input);
  return running.result;
}
