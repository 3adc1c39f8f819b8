/**
 * A guest's screen on the user's terminal, and its keyboard there. The terminal is written to without waiting for it:
 * one that is slow sees fewer frames, and neither holds up the guest nor has frames pile up. (Where the system cannot
 * open it anew for that, writing waits.)
 *
 * The terminal is expected to understand UTF-8.
 */

import { closeSync, constants, openSync, writeSync } from 'node:fs';
import type { WriteStream } from 'node:tty';
import type { Keyboard } from '../../base/input.ts';
import type { Screen } from '../../base/screen.ts';
import type { ColourDepth } from '../ansi/colours.ts';
import { TerminalFrame } from '../ansi/frame.ts';
import { type Stroke, type } from '../keyboard/strokes.ts';
import { TerminalKeys } from '../keyboard/terminal-keys.ts';
import type { FullScreen } from './terminal.ts';

/** The alternate screen, where what was on the terminal comes back from. */
const ENTER = '\x1b[?1049h';
const LEAVE = '\x1b[?1049l';
/** CAN: a sequence that was begun is none. */
const CANCEL = '\x18';
const DEFAULT_SIZE = { columns: 80, rows: 24 };

/** How often the screen is looked at, and how soon a terminal that had no room is asked again. */
const LOOK_MS = 33;
const RETRY_MS = 5;
/** Looking takes one part in four of the time at most; the rest is the guest's. */
const REST = 3;
/** How long after an Escape the rest of a sequence may come. */
const ESCAPE_MS = 50;
/** Between the strokes of what is pasted, for keyboards and firmware remember few. */
const STROKE_MS = 10;
const MOST_STROKES = 4096;

/** Below a notice. */
const NOTICE_END = ['', '(Press a key to see the screen again.)'];

/** The parts of a guest that are shown and used. */
export interface TerminalGuest {
  readonly screen: Screen;
  readonly keyboard: Keyboard;
}

export class TerminalDisplay implements FullScreen {
  readonly #output: WriteStream & { fd: number };
  readonly #frame: TerminalFrame;
  #guest: TerminalGuest | undefined;
  /** For writing without waiting, while the terminal is ours. */
  #fd: number | undefined;
  #unwritten: Uint8Array = new Uint8Array(0);
  #looking: NodeJS.Timeout | undefined;
  #notice: readonly string[] | undefined;
  readonly #keys = new TerminalKeys();
  #flushing: NodeJS.Timeout | undefined;
  readonly #strokes: Stroke[] = [];
  #typing: NodeJS.Timeout | undefined;

  /** `output` is the type of `process.stdout` at a terminal. */
  constructor(output: WriteStream & { fd: number }) {
    this.#output = output;
    const depth = output.getColorDepth();
    this.#frame = new TerminalFrame((depth < 4 ? 4 : depth) as ColourDepth);
  }

  /** What is to be shown from now on, and who gets the keys. */
  show(guest: TerminalGuest): void {
    this.#guest = guest;
  }

  enter(): void {
    this.#fd = openUnwaiting(this.#output.fd);
    this.#unwritten = Buffer.from(ENTER);
    this.resize();
    this.#look();
  }

  leave(): void {
    for (const timer of [this.#looking, this.#flushing, this.#typing]) clearTimeout(timer);
    this.#typing = undefined;
    this.#strokes.length = 0;
    if (this.#fd !== undefined && this.#fd !== this.#output.fd) closeSync(this.#fd);
    this.#fd = undefined;
    const isCut = this.#unwritten.length > 0;
    this.#unwritten = new Uint8Array(0);
    writeSync(this.#output.fd, isCut ? CANCEL + LEAVE : LEAVE);
  }

  resize(): void {
    const { columns, rows } = this.#output;
    this.#frame.resize(columns || DEFAULT_SIZE.columns, rows || DEFAULT_SIZE.rows);
  }

  /** Shows lines in place of the screen until a key is pressed, which is for that only. */
  notice(text: string): void {
    this.#notice = text.trimEnd().split('\n');
  }

  /** Takes what was typed for the guest. */
  input(bytes: Uint8Array): void {
    if (this.#notice !== undefined) {
      this.#notice = undefined;
      return;
    }
    clearTimeout(this.#flushing);
    this.#type(this.#keys.feed(bytes));
    if (this.#keys.isPending) this.#flushing = setTimeout(() => this.#type(this.#keys.flush()), ESCAPE_MS);
  }

  #type(strokes: readonly Stroke[]): void {
    this.#strokes.push(...strokes.slice(0, MOST_STROKES - this.#strokes.length));
    if (this.#typing === undefined) this.#typeNext();
  }

  #typeNext(): void {
    const stroke = this.#strokes.shift();
    this.#typing = stroke && setTimeout(() => this.#typeNext(), STROKE_MS);
    if (stroke !== undefined && this.#guest !== undefined) type(this.#guest.keyboard, stroke);
  }

  #look(): void {
    const startedMs = performance.now();
    if (this.#unwritten.length === 0) this.#unwritten = Buffer.from(this.#changes());
    this.#write();
    const tookMs = performance.now() - startedMs;
    const waitMs = this.#unwritten.length > 0 ? RETRY_MS : LOOK_MS;
    this.#looking = setTimeout(() => this.#look(), Math.max(waitMs, REST * tookMs));
  }

  #changes(): string {
    if (this.#notice !== undefined) return this.#frame.showLines(this.#notice, NOTICE_END);
    return this.#guest === undefined ? '' : this.#frame.show(this.#guest.screen);
  }

  /** Writes what the terminal has room for. */
  #write(): void {
    if (this.#fd === undefined || this.#unwritten.length === 0) return;
    try {
      const written = writeSync(this.#fd, this.#unwritten);
      this.#unwritten = this.#unwritten.subarray(written);
    } catch (error) {
      // Of a terminal that has gone, its input tells.
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') this.#unwritten = new Uint8Array(0);
    }
  }
}

/** The terminal again, with a mode of its own: that of `fd` is shared with the shell. */
function openUnwaiting(fd: number): number {
  try {
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch {
    return fd;
  }
}
