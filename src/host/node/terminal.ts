/**
 * The user's terminal as the guest's console: raw while the guest runs, and as it was before on every way out of this
 * process that Node can see (all but SIGKILL and a crash of Node itself).
 */

import { spawnSync } from 'node:child_process';
import { writeSync } from 'node:fs';
import type { ReadStream, WriteStream } from 'node:tty';
import { EscapeKeys, KEYS_HELP, type KeyCommand } from '../escape-keys.ts';

export interface TerminalSize {
  readonly rows: number;
  readonly columns: number;
}

export interface TerminalEvents {
  /** Typed for the guest. */
  input(bytes: Uint8Array): void;
  /** Ctrl-A x. */
  leave(): void;
  /** Ctrl-A s. */
  statistics(): void;
  resize(size: TerminalSize): void;
  /** The terminal has gone away. */
  hangup(): void;
}

/** What has the whole terminal for itself while the guest runs, rather than the guest's console. */
export interface FullScreen {
  /** The terminal is ours, for the first time or again. */
  enter(): void;
  /** The terminal is given back, now. */
  leave(): void;
  resize(): void;
  /** Lines for the user. */
  notice(text: string): void;
}

/** The types of `process.stdin` and `process.stdout` at a terminal. */
type Keyboard = ReadStream & { fd: number };
type Screen = WriteStream & { fd: number };

/** Attributes and modes a guest may leave behind: colours, a hidden cursor, bracketed paste. */
const TIDY = '\x1b[0m\x1b[?25h\x1b[?2004l';

export class Terminal {
  readonly #input: Keyboard;
  readonly #screen: Screen | undefined;
  readonly #keys = new EscapeKeys();
  readonly #events: TerminalEvents;
  readonly #display: FullScreen | undefined;
  #isRaw = false;
  readonly #restore = (): void => this.restore();
  readonly #suspend = (): void => {
    this.restore();
    process.kill(process.pid, 'SIGSTOP');
  };
  readonly #continue = (): void => this.#enterRaw();

  /** `screen` is the terminal that shows the guest, if it is one: only that has a size and wants tidying. */
  constructor(input: Keyboard, screen: Screen | undefined, events: TerminalEvents, display?: FullScreen) {
    this.#input = input;
    this.#screen = screen;
    this.#events = events;
    this.#display = display;
  }

  get size(): TerminalSize | undefined {
    const { rows, columns } = this.#screen ?? {};
    return rows && columns ? { rows, columns } : undefined;
  }

  /** Takes the keyboard. */
  start(): void {
    process.on('exit', this.#restore);
    process.on('SIGTSTP', this.#suspend);
    process.on('SIGCONT', this.#continue);
    this.#enterRaw();
    this.#input.on('data', (typed: Buffer) => this.#typed(typed));
    this.#input.on('end', () => this.#events.hangup());
    this.#input.on('error', () => this.#events.hangup());
    this.#screen?.on('resize', () => {
      this.#display?.resize();
      const size = this.size;
      if (size !== undefined) this.#events.resize(size);
    });
  }

  /** Lines for the user, between the guest's. */
  notice(text: string): void {
    if (this.#isRaw && this.#display !== undefined) this.#display.notice(text);
    else process.stderr.write(this.#isRaw ? `\r\n${text.replaceAll('\n', '\r\n')}` : text);
  }

  /** Gives the terminal back as it was. May be called at any time, and more than once. */
  restore(): void {
    if (!this.#isRaw) return;
    this.#isRaw = false;
    try {
      this.#input.setRawMode(false);
      this.#display?.leave();
      if (this.#screen !== undefined) writeSync(this.#screen.fd, TIDY);
    } catch {
      // The terminal is gone; there is nothing to restore.
    }
  }

  #enterRaw(): void {
    if (this.#isRaw) return;
    try {
      this.#input.setRawMode(true);
    } catch {
      this.#events.hangup();
      return;
    }
    this.#isRaw = true;
    // Node's raw mode still turns each line feed into CR LF, which garbles programs that move the cursor down with it.
    // Leaving raw mode undoes this, too. Where there is no stty, only those programs suffer.
    spawnSync('stty', ['-opost'], { stdio: [this.#input.fd, 'ignore', 'ignore'] });
    this.#display?.enter();
  }

  #typed(bytes: Uint8Array): void {
    for (const part of this.#keys.feed(bytes)) {
      if (typeof part === 'string') this.#command(part);
      else this.#events.input(part);
    }
  }

  #command(command: KeyCommand): void {
    switch (command) {
      case 'leave':
        this.#events.leave();
        break;
      case 'statistics':
        this.#events.statistics();
        break;
      case 'help':
        this.notice(KEYS_HELP);
        break;
    }
  }
}
