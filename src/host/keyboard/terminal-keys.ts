/**
 * What a terminal sends for keys (ECMA-48 §5 "Coded representation" for the sequences; XTerm Control Sequences, "PC-Style
 * Function Keys" and "VT220-Style Function Keys" for their meaning) as strokes on a US keyboard.
 *
 * A terminal tells neither releases nor modifiers alone: each key comes up at once. Alt is an Escape before the key, which
 * is a lone Escape where nothing follows soon (`flush`). Backspace is DEL or BS, whichever the terminal has for it.
 *
 * Not modelled: characters that a US keyboard does not have, which are dropped; Super, Hyper and Meta.
 */

import type { KeyCode } from '../../base/input.ts';
import { type Stroke, strokeOfCharacter } from './strokes.ts';

const BACKSPACE = 0x08;
const TAB = 0x09;
const LINE_FEED = 0x0a;
const RETURN = 0x0d;
const ESCAPE = 0x1b;
const DELETE = 0x7f;
const CSI = 0x5b;
const SS3 = 0x4f;
/** No sequence of a key is longer; what is, is dropped. */
const LONGEST_SEQUENCE = 32;

/** Control characters apart from those with a key of their own and the letters' (C0 from 1 to 26). */
const CONTROLS: ReadonlyMap<number, KeyCode> = new Map([
  [0x00, 'Space'],
  [0x1c, 'Backslash'],
  [0x1d, 'BracketRight'],
  [0x1e, 'Digit6'],
  [0x1f, 'Minus'],
]);

/** By the final character of CSI and SS3. */
const FINALS: Readonly<Record<string, KeyCode>> = {
  A: 'ArrowUp',
  B: 'ArrowDown',
  C: 'ArrowRight',
  D: 'ArrowLeft',
  E: 'Numpad5',
  F: 'End',
  H: 'Home',
  M: 'NumpadEnter',
  P: 'F1',
  Q: 'F2',
  R: 'F3',
  S: 'F4',
};

/** By the first parameter of CSI ... ~. */
const NUMBERED = new Map<number, KeyCode>();
function numbered(first: number, codes: string): void {
  for (const [i, code] of codes.split(' ').entries()) if (code !== '-') NUMBERED.set(first + i, code);
}
numbered(1, 'Home Insert Delete End PageUp PageDown Home End');
numbered(11, 'F1 F2 F3 F4 F5 - F6 F7 F8 F9 F10 - F11 F12');

/** The Linux console's F1 to F5: CSI [ and a letter. */
const LINUX_FUNCTION_KEYS: Readonly<Record<string, KeyCode>> = { A: 'F1', B: 'F2', C: 'F3', D: 'F4', E: 'F5' };

interface Taken {
  readonly length: number;
  readonly stroke?: Stroke | undefined;
}

export class TerminalKeys {
  /** The beginning of a sequence. */
  #pending: number[] = [];

  /** A sequence may go on, or be an Escape and what was typed after it: `flush` decides. */
  get isPending(): boolean {
    return this.#pending.length > 0;
  }

  /** Takes what the terminal sent. */
  feed(bytes: Uint8Array): Stroke[] {
    return this.#take([...this.#pending, ...bytes], false);
  }

  /** Nothing has followed for a while. */
  flush(): Stroke[] {
    return this.#take(this.#pending, true);
  }

  #take(bytes: readonly number[], isAll: boolean): Stroke[] {
    const strokes: Stroke[] = [];
    let at = 0;
    while (at < bytes.length) {
      const taken = keyAt(bytes, at, isAll);
      if (taken === undefined) break;
      if (taken.stroke) strokes.push(taken.stroke);
      at += taken.length;
    }
    this.#pending = bytes.slice(at);
    return strokes;
  }
}

/** The key whose bytes begin at `at`; undefined where they may go on behind the end. */
function keyAt(bytes: readonly number[], at: number, isAll: boolean): Taken | undefined {
  const first = bytes[at] as number;
  if (first !== ESCAPE) return { length: 1, stroke: plainKey(first) };
  // Alt and a key that is a sequence itself has two of them.
  const isAlt = bytes[at + 1] === ESCAPE;
  const next = bytes[isAlt ? at + 2 : at + 1];
  const lone: Taken = { length: 1, stroke: { code: 'Escape' } };
  if (next === undefined) return isAll ? lone : undefined;
  if (next === CSI || next === SS3) {
    const sequence = sequenceAt(bytes, isAlt ? at + 2 : at + 1);
    if (sequence === undefined && !isAll) return undefined;
    if (sequence !== undefined) return isAlt ? withAlt(withEscape(sequence)) : withEscape(sequence);
    // A beginning that does not go on: Alt and one of these characters.
  }
  return isAlt ? lone : withAlt({ length: 1, stroke: plainKey(next) });
}

const withEscape = ({ length, stroke }: Taken): Taken => ({ length: length + 1, stroke });

function withAlt({ length, stroke }: Taken): Taken {
  return { length: length + 1, stroke: stroke && { ...stroke, alt: true } };
}

function plainKey(byte: number): Stroke | undefined {
  switch (byte) {
    case BACKSPACE:
    case DELETE:
      return { code: 'Backspace' };
    case TAB:
      return { code: 'Tab' };
    case LINE_FEED:
    case RETURN:
      return { code: 'Enter' };
    case ESCAPE:
      return { code: 'Escape' };
    default:
  }
  if (byte > 0x1f) return strokeOfCharacter(byte);
  const code = CONTROLS.get(byte) ?? `Key${String.fromCharCode(byte + 0x40)}`;
  return { code, control: true };
}

/** A control sequence from the byte after its Escape on; undefined where its end is missing. */
function sequenceAt(bytes: readonly number[], at: number): Taken | undefined {
  let end = at + 1;
  if (bytes[at] === CSI && bytes[end] === CSI) end++;
  // Parameters and intermediate characters.
  while (end < bytes.length && isInside(bytes[end] as number)) {
    if (end - at === LONGEST_SEQUENCE) return { length: end - at };
    end++;
  }
  const final = bytes[end];
  if (final === undefined) return undefined;
  // A byte that ends no sequence begins something new.
  if (final < 0x40 || final > 0x7e) return { length: end - at };
  const inside = String.fromCharCode(...bytes.slice(at + 1, end));
  return { length: end + 1 - at, stroke: sequenceKey(inside, String.fromCharCode(final)) };
}

const isInside = (byte: number): boolean => byte >= 0x20 && byte < 0x40;

function sequenceKey(inside: string, final: string): Stroke | undefined {
  const [first = '', second] = inside.split(';');
  if (first === '[') return stroke(LINUX_FUNCTION_KEYS[final], undefined);
  if (!/^[\d;]*$/.test(inside)) return undefined;
  if (final === 'Z') return { code: 'Tab', shift: true };
  return stroke(final === '~' ? NUMBERED.get(Number(first)) : FINALS[final], second);
}

/** `modifiers` is one more than a sum of 1 for Shift, 2 for Alt, 4 for Control. */
function stroke(code: KeyCode | undefined, modifiers: string | undefined): Stroke | undefined {
  if (code === undefined) return undefined;
  const held = Number(modifiers || 1) - 1;
  return {
    code,
    ...((held & 1) !== 0 && { shift: true }),
    ...((held & 2) !== 0 && { alt: true }),
    ...((held & 4) !== 0 && { control: true }),
  };
}
