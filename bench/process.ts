/** Runs a command, talks with it, and takes the time until its output shows what is waited for, and its peak memory. */

import { type ChildProcess, type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** Peak memory is looked at this often; it only grows, so what is missed is the growth of the last moment. */
const LOOK_MS = 20;

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});
for (const [signal, status] of [['SIGINT', 130] as const, ['SIGTERM', 143] as const, ['SIGHUP', 129] as const]) {
  process.on(signal, () => process.exit(status));
}

interface Wait {
  readonly shows: RegExp;
  seen(sighting: Sighting): void;
  failed(error: Error): void;
}

/** What was waited for, and when it came, in milliseconds from the start of the process. */
export interface Sighting {
  readonly atMs: number;
  readonly match: RegExpExecArray;
}

/** A process whose output is waited for, one thing after the other. */
export class Conversation {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #startedAt = performance.now();
  readonly #ended: Promise<void>;
  #arrivedMs = 0;
  #endMs = 0;
  #unread = '';
  #shown = '';
  #stderr = '';
  #peakBytes: number | undefined;
  #wait: Wait | undefined;
  #over: Error | undefined;

  constructor(command: readonly string[]) {
    this.#child = spawn(command[0], command.slice(1));
    running.add(this.#child);
    this.#child.stdin.on('error', () => {}); // ended before it was written to
    this.#child.stdout.setEncoding('latin1').on('data', (text: string) => this.#take(text));
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
    });
    const looking = setInterval(() => this.#lookAtMemory(), LOOK_MS);
    this.#ended = new Promise((resolve) => {
      const over = (error: Error): void => {
        this.#endMs = performance.now() - this.#startedAt;
        running.delete(this.#child);
        clearInterval(looking);
        this.#over = error;
        this.#wait?.failed(error);
        resolve();
      };
      this.#child.on('error', over);
      this.#child.on('close', () => over(this.#complaint('ended too early')));
    });
  }

  /** Peak resident memory; undefined where the host has no /proc. */
  get peakBytes(): number | undefined {
    return this.#peakBytes;
  }

  /** Processor time that the process has taken, in all its threads; undefined where the host has no /proc. */
  get processorSeconds(): number | undefined {
    return processorSecondsOf(this.#child.pid);
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** Until the output shows it after what was seen before; rejects with one sentence when it does not come. */
  waitFor(shows: RegExp, timeoutMs: number): Promise<Sighting> {
    return new Promise<Sighting>((resolve, reject) => {
      if (this.#over !== undefined) return reject(this.#over);
      const timer = setTimeout(() => this.#wait?.failed(this.#tooLong(timeoutMs)), timeoutMs);
      const done = (): void => {
        clearTimeout(timer);
        this.#wait = undefined;
      };
      this.#wait = {
        shows,
        seen: (sighting) => {
          done();
          resolve(sighting);
        },
        failed: (error) => {
          done();
          reject(error);
        },
      };
      this.#look();
    });
  }

  send(text: string): void {
    this.#child.stdin.write(text);
  }

  /** Kills the process and waits for its end. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }

  /** Waits for the end of the process; milliseconds from its start. */
  async end(timeoutMs: number): Promise<number> {
    let late: Error | undefined;
    const timer = setTimeout(() => {
      late = this.#tooLong(timeoutMs);
      this.#child.kill('SIGKILL');
    }, timeoutMs);
    await this.#ended;
    clearTimeout(timer);
    if (late !== undefined) throw late;
    return this.#endMs;
  }

  #take(text: string): void {
    this.#arrivedMs = performance.now() - this.#startedAt;
    this.#unread += text;
    this.#shown = (this.#shown + text).slice(-2000);
    this.#look();
  }

  #look(): void {
    const match = this.#wait?.shows.exec(this.#unread);
    if (!match) return;
    this.#unread = this.#unread.slice(match.index + match[0].length);
    this.#lookAtMemory();
    this.#wait?.seen({ atMs: this.#arrivedMs, match });
  }

  #lookAtMemory(): void {
    this.#peakBytes = peakBytesOf(this.#child.pid) ?? this.#peakBytes;
  }

  #tooLong(timeoutMs: number): Error {
    return this.#complaint(`took more than ${timeoutMs / 1000} s`);
  }

  #complaint(how: string): Error {
    const last = (this.#stderr || this.#shown).trim().split(/\r?\n/).at(-1);
    return new Error(`${how}${last ? `; its last line was: ${last}` : ' without a word'}`);
  }
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

/** proc_pid_stat(5): utime and stime, fields 14 and 15, in ticks of 10 ms; the name before them is in parentheses. */
function processorSecondsOf(pid: number | undefined): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / 100;
  } catch {
    return undefined;
  }
}

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
  readonly peakBytes: number | undefined;
  readonly stderr: string;
}

/** A whole run; rejects with one sentence when a mark does not come. */
export async function observe(command: readonly string[], { marks, afterwards, timeoutMs }: Watch): Promise<Observed> {
  const conversation = new Conversation(command);
  const marksMs: number[] = [];
  try {
    for (const { shows, send } of marks) {
      marksMs.push((await conversation.waitFor(shows, timeoutMs)).atMs);
      if (send !== undefined) conversation.send(send);
    }
    if (afterwards === 'kill') await conversation.kill();
    const endMs = await conversation.end(timeoutMs);
    return { marksMs, endMs, peakBytes: conversation.peakBytes, stderr: conversation.stderr };
  } finally {
    await conversation.kill();
  }
}
