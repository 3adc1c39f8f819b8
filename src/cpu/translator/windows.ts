/**
 * Memory that code of a region reaches through one look into the TLB. Code reaches memory in clusters: fields of a
 * structure, words of a stack frame, each at its own small distance from one and the same value. The first of them opens
 * a window around itself, and checks for all of them; if the check fails, the interpreter goes on from the checkpoint
 * before it. What has been checked holds on all ways that come from there.
 *
 *     base + start                                       base + start + WINDOW_BYTES
 *         |             low ---------- high                        |
 *         +--------------[===============]-------------------------+
 *        root             checked, once the region is built and it is known how far it reaches
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
  /** What is checked, relative to `base`. */
  low: number;
  high: number;
  writes: boolean;
}

interface Known {
  readonly window: Window;
  readonly aliases: readonly Alias[];
}

/** The windows that are certain at a place of the code. */
export type WindowState = readonly Known[];

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

/** What is certain where two ways come together. */
export function common(x: WindowState, y: WindowState): WindowState {
  return x.flatMap(({ window, aliases }) => {
    const others = y.find((known) => known.window === window)?.aliases ?? [];
    const both = aliases.filter((alias) =>
      others.some((other) => sameBase(alias, other) && alias.distance === other.distance),
    );
    return both.length === 0 ? [] : [{ window, aliases: both }];
  });
}

export class Windows {
  readonly #b: FunctionBuilder;
  #known: WindowState = [];
  /** Those opened by the code at hand: what it does, it does after the check. */
  #own = new Set<Window>();
  /** All there are. */
  readonly opened: Window[] = [];

  constructor(builder: FunctionBuilder) {
    this.#b = builder;
  }

  /** Code begins where this is certain. */
  begin(state: WindowState): void {
    this.#known = state;
    this.#own.clear();
  }

  /** What is certain where the code at hand ends, of addresses that lasting locals hold. */
  end(lasting: (local: number) => boolean): WindowState {
    return this.#known.flatMap(({ window, aliases }) => {
      const kept = aliases.filter(({ node }) => node.code === LOCAL && lasting(node.immediate));
      return kept.length === 0 ? [] : [{ window, aliases: kept }];
    });
  }

  /**
   * A window that contains the access; `mayGrow`: it is done whenever the code at hand is. A window opened elsewhere
   * does not come to be one for writing: on other ways from there nothing may be written.
   */
  find({ base, offset, bytes, writes }: Access, mayGrow: boolean): { window: Window; offset: number } | undefined {
    for (const { window, aliases } of this.#known) {
      for (const alias of aliases) {
        if (!sameBase(alias, base)) continue;
        const low = offset + alias.distance;
        const high = low + bytes;
        if (low < window.start || high > window.start + WINDOW_BYTES) continue;
        if ((low < window.low || high > window.high) && !mayGrow) continue;
        if (writes && !window.writes && !(mayGrow && this.#own.has(window))) continue;
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
      root: this.#b.lasting(32),
      place: this.#b.sequence(),
      low: offset,
      high: offset + bytes,
      writes,
    };
    this.#known = [...this.#known, { window, aliases: [{ ...base, distance: 0 }] }];
    this.#own.add(window);
    this.opened.push(window);
    return { window, offset: offset - start };
  }

  /** Locals get new values: windows are known by what holds their base from here on. */
  assigned(locals: readonly Local[], values: readonly Node[]): void {
    if (this.#known.length === 0) return;
    const changed = new Set(locals.map(({ index }) => index));
    const places = values.map(placeOf);
    this.#known = this.#known.flatMap(({ window, aliases }) => {
      const after = aliases.filter(({ node }) => node.code !== LOCAL || !changed.has(node.immediate));
      for (const [i, place] of places.entries()) {
        const alias = place && aliases.find((known) => sameBase(known, place.base));
        if (!place || !alias) continue;
        const node = this.#b.settled(locals[i] as Local);
        after.push({ node, narrow: alias.narrow, distance: alias.distance + place.offset });
      }
      return after.length === 0 ? [] : [{ window, aliases: after }];
    });
  }

  /** Nothing is certain any more of the memory looked at so far. */
  forget(): void {
    this.#known = [];
  }
}
