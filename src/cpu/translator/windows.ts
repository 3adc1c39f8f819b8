/**
 * Memory that a block of a region reaches through one look into the TLB. Code reaches memory in clusters: fields of a
 * structure, words of a stack frame, each at its own small distance from one and the same value. The first of them opens
 * a window around itself, and checks for all of them; if the check fails, the interpreter goes on from the checkpoint
 * before it.
 *
 *     base + start                                       base + start + WINDOW_BYTES
 *         |             low ---------- high                        |
 *         +--------------[===============]-------------------------+
 *        root             checked, when the block is done and it is known how far it reaches
 *
 * One compare tells that all bytes from `low` to `high` are in one page, that the TLB has it, and that they may be read
 * (or, if any is written, written).
 */

import type { FunctionBuilder } from '../emit/function-builder.ts';
import { offsetOf, same } from '../emit/known-bits.ts';
import { type List, LOCAL, type Local, type Node } from '../emit/nodes.ts';
import { EXTEND_U, WRAP } from '../emit/opcodes.ts';

/** A wider one would straddle pages more often. */
const WINDOW_BYTES = 128;

/** What addresses are counted from: an i64, or the low half of it; or an i32. */
interface Base {
  readonly node: Node;
  /** Addresses are of 32 bits. */
  readonly narrow: boolean;
}

/** A value, and how far it is from the base of the window. */
interface Alias extends Base {
  readonly distance: number;
}

export interface Window {
  readonly base: Base;
  /** What the window starts at, relative to `base`, in bytes. */
  readonly start: number;
  /** Machine address of the start. */
  readonly root: Local;
  /** Where the check goes. */
  readonly place: List;
  low: number;
  high: number;
  writes: boolean;
}

interface Entry {
  readonly window: Window;
  aliases: readonly Alias[];
}

interface Place {
  readonly base: Base;
  readonly offset: number;
}

export interface Access extends Place {
  readonly bytes: number;
  readonly writes: boolean;
}

/** Base and offset of a linear address; undefined where the offset is no small number. */
export function placeOf(linear: Node): Place | undefined {
  const narrow = linear.code === EXTEND_U;
  const { base, offset } = offsetOf(narrow ? (linear.args[0] as Node) : linear, !narrow);
  const node = narrow && base.code === WRAP ? (base.args[0] as Node) : base;
  return typeof offset === 'number' ? { base: { node, narrow }, offset } : undefined;
}

function sameBase(x: Base, y: Base): boolean {
  return x.narrow === y.narrow && same(x.node, y.node);
}

/** The windows of the code at hand. */
export class Windows {
  readonly #b: FunctionBuilder;
  #entries: Entry[] = [];
  /** All that were opened and not checked yet. */
  #opened: Window[] = [];

  constructor(builder: FunctionBuilder) {
    this.#b = builder;
  }

  /** A window that contains the access; `mayGrow`: it is done whenever the code is. */
  find({ base, offset, bytes, writes }: Access, mayGrow: boolean): { window: Window; offset: number } | undefined {
    for (const { window, aliases } of this.#entries) {
      for (const alias of aliases) {
        if (!sameBase(alias, base)) continue;
        const low = offset + alias.distance;
        const high = low + bytes;
        const grows = low < window.low || high > window.high || (writes && !window.writes);
        if (low < window.start || high > window.start + WINDOW_BYTES || (grows && !mayGrow)) continue;
        window.low = Math.min(window.low, low);
        window.high = Math.max(window.high, high);
        window.writes ||= writes;
        return { window, offset: low - window.start };
      }
    }
    return undefined;
  }

  open({ base, offset, bytes, writes }: Access): { window: Window; offset: number } {
    // Most fields of structures are behind the pointer; and a sum less.
    const start = offset >= 0 && offset + bytes <= WINDOW_BYTES ? 0 : offset - WINDOW_BYTES / 2;
    const window = {
      base,
      start,
      root: this.#b.variable(32),
      place: this.#b.sequence(),
      low: offset,
      high: offset + bytes,
      writes,
    };
    this.#entries.push({ window, aliases: [{ ...base, distance: 0 }] });
    this.#opened.push(window);
    return { window, offset: offset - start };
  }

  /** Locals get new values: windows are known by what holds their base from here on. */
  assigned(locals: readonly Local[], values: readonly Node[]): void {
    const changed = new Set(locals.map(({ index }) => index));
    this.#entries = this.#entries.filter((entry) => {
      const before = entry.aliases;
      const aliases = before.filter(({ node }) => node.code !== LOCAL || !changed.has(node.immediate));
      for (const [i, value] of values.entries()) {
        const place = placeOf(value);
        const alias = place && before.find((known) => sameBase(known, place.base));
        if (!place || !alias) continue;
        const node = this.#b.settled(locals[i] as Local);
        aliases.push({ node, narrow: alias.narrow, distance: alias.distance + place.offset });
      }
      entry.aliases = aliases;
      return aliases.length > 0;
    });
  }

  /** Nothing is certain any more of the memory looked at so far. */
  forget(): void {
    this.#entries = [];
  }

  /** The windows opened since this was asked last: they reach as far as they ever will. */
  close(): readonly Window[] {
    const opened = this.#opened;
    this.#opened = [];
    this.#entries = [];
    return opened;
  }
}
