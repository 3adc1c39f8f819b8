/** What people see of a machine, and what they do at it. */

import type { KeyCode } from '../../base/input.ts';
import type { ScreenImage } from '../../base/screen.ts';
import type { Bytes, WaitOptions } from './common.ts';

export type { KeyCode, ScreenImage };

/** The first serial port, on which the built-in guest and kernels that were told `console=ttyS0` have their terminal. */
export interface VmConsole {
  /**
   * What the guest writes, from the start (of a restored one, from the last of what it had written before). While nobody
   * reads, the latest 256 KiB are kept; a reader who has begun and falls behind by 1 MiB makes the guest wait.
   */
  readonly readable: ReadableStream<Bytes>;
  /** What is typed. Queued without bound, and taken by the guest as it likes. */
  readonly writable: WritableStream<Uint8Array>;
  /** As `writable`; text becomes UTF-8. */
  write(data: string | Uint8Array): void;
  /** Tells the built-in guest the terminal's size. */
  resize(columns: number, rows: number): Promise<void>;
}

/** What a monitor shows, changed since the last look. */
export interface ScreenFrame extends ScreenImage {
  readonly mode: 'text' | 'graphics' | 'blank';
  /** Counts up with changes. */
  readonly generation: number;
}

export interface VmScreen {
  /** What is shown now. */
  image(options?: WaitOptions): Promise<ScreenFrame>;
  /** What is shown now as a PNG file. */
  png(options?: WaitOptions): Promise<Bytes>;
  /** Lines, without the blanks at their ends; undefined but in text modes. */
  text(options?: WaitOptions): Promise<string | undefined>;
  /**
   * A picture now, then one whenever something has changed, as the reader takes them, at most so many a second (30 if not
   * said). Cancel it when done.
   */
  frames(options?: { readonly perSecond?: number }): ReadableStream<ScreenFrame>;
}

/** Keys by their place on a US keyboard, as KeyboardEvent.code names them: `KeyA`, `ArrowUp`, `Enter`. */
export interface VmKeyboard {
  down(code: KeyCode): void;
  up(code: KeyCode): void;
  /** Down and up, the first one first; the last one is up first: `press('ControlLeft', 'AltLeft', 'Delete')`. */
  press(...codes: readonly KeyCode[]): void;
  /** Types ASCII text with line ends, as on a US keyboard; what no key makes is left out. */
  type(text: string): void;
}

/** A PS/2 mouse. */
export interface VmPointer {
  /** Right, down, and towards the user (the wheel), in steps. */
  move(dx: number, dy: number, wheel?: number): void;
  /** Those that are down: 1 left, 2 right, 4 middle, added. */
  buttons(mask: number): void;
}
