/** Runs a command and takes the time until its output shows what is waited for, and its peak memory. */

import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** Peak memory is looked at this often; it only grows, so what is missed is the growth of the last moment. */
const LOOK_MS = 20;

export interface Watch {
  /** What standard output must show, one after the other; `send` is then written to standard input. */
  readonly marks: readonly { readonly shows: RegExp; readonly send?: string }[];
  /** After the last mark: end the process, or wait until it ends by itself. */
  readonly afterwards: 'kill' | 'wait';
  readonly timeoutMs: number;
}

export interface Observed {
  /** Milliseconds from the start of the process to each mark, and to its end. */
  readonly marksMs: readonly number[];
  readonly endMs: number;
  /** Peak resident memory; undefined where the host has no /proc. */
  readonly peakBytes: number | undefined;
  readonly stderr: string;
}

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});
for (const [signal, status] of [['SIGINT', 130] as const, ['SIGTERM', 143] as const, ['SIGHUP', 129] as const]) {
  process.on(signal, () => process.exit(status));
}

/** Rejects with one sentence when a mark does not come. */
export function observe(command: readonly string[], { marks, afterwards, timeoutMs }: Watch): Promise<Observed> {
  return new Promise((resolve, reject) => {
    const startedAt = performance.now();
    const child = spawn(command[0], command.slice(1));
    running.add(child);
    const sinceStart = (): number => performance.now() - startedAt;
    const marksMs: number[] = [];
    let peakBytes: number | undefined;
    let unread = '';
    let shown = '';
    let stderr = '';
    let timedOut = false;

    function lookAtMemory(): void {
      peakBytes = peakBytesOf(child.pid) ?? peakBytes;
    }
    function take(text: string): void {
      unread += text;
      shown = (shown + text).slice(-2000);
      while (marksMs.length < marks.length) {
        const { shows, send } = marks[marksMs.length];
        const match = shows.exec(unread);
        if (match === null) return;
        marksMs.push(sinceStart());
        unread = unread.slice(match.index + match[0].length);
        if (send !== undefined) child.stdin.write(send);
      }
      lookAtMemory();
      if (afterwards === 'kill') child.kill('SIGKILL');
    }

    const looking = setInterval(lookAtMemory, LOOK_MS);
    const timer = setTimeout(() => {
      timedOut = true;
      child.kill('SIGKILL');
    }, timeoutMs);
    child.stdin.on('error', () => {}); // ended before it was written to
    child.stdout.setEncoding('latin1').on('data', take);
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.on('error', reject);
    child.on('close', () => {
      const endMs = sinceStart();
      running.delete(child);
      clearInterval(looking);
      clearTimeout(timer);
      if (marksMs.length < marks.length || timedOut) {
        const how = timedOut ? `took more than ${timeoutMs / 1000} s` : 'ended too early';
        const last = (stderr || shown).trim().split(/\r?\n/).at(-1);
        reject(new Error(`${how}${last ? `; its last line was: ${last}` : ' without a word'}`));
      } else resolve({ marksMs, endMs, peakBytes, stderr });
    });
  });
}

/** proc_pid_status(5): VmHWM, "peak resident set size", in KiB. Gone with the process's memory, before it is reaped. */
function peakBytesOf(pid: number | undefined): number | undefined {
  try {
    const match = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'));
    return match ? Number(match[1]) * 1024 : undefined;
  } catch {
    return undefined;
  }
}
