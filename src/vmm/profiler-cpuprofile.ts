/**
 * A profile as V8 writes its own, in the form that Chrome's DevTools and speedscope open: a tree of nodes, and which
 * of them was met when (Chrome DevTools Protocol, Profiler domain, type "Profile"). Times are microseconds.
 *
 *     (root) ── (idle)
 *            ├─ (kernel) ── a function each, or a page where no symbol is known
 *            └─ (user) ──── the same
 *
 * Not modelled: callers; a function stands directly below the privilege level it ran at.
 */

import { type Activity, IDLE, IN_KERNEL, IN_USER, type Profiler } from './profiler.ts';
import type { SymbolTable } from './symbols.ts';

export interface CpuProfileNode {
  readonly id: number;
  readonly callFrame: {
    readonly functionName: string;
    readonly scriptId: string;
    readonly url: string;
    readonly lineNumber: number;
    readonly columnNumber: number;
  };
  hitCount: number;
  readonly children: number[];
}

export interface CpuProfile {
  readonly nodes: readonly CpuProfileNode[];
  readonly startTime: number;
  readonly endTime: number;
  /** Ids of nodes. Each lasts until the next; the last one only says when the one before it ends. */
  readonly samples: readonly number[];
  /** From the sample before, from `startTime` for the first. */
  readonly timeDeltas: readonly number[];
}

const PAGE_MASK = 0xfffn;
/** Linux is moved by multiples of this, within 1 GiB (Linux, arch/x86/boot/compressed/kaslr.c). */
const KASLR_ALIGNMENT = 1n << 21n;
const KASLR_RANGE = 1n << 30n;

export function cpuProfile(profiler: Profiler, symbols: SymbolTable | undefined): CpuProfile {
  const tree = new Tree();
  const kernelOffset = symbols ? offsetOf(symbols, profiler.syscallEntry) : 0n;
  const samples: number[] = [];
  const timeDeltas: number[] = [];
  // Times are rounded, not deltas: errors do not add up.
  let now = profiler.startNs;
  let last = Math.round(now / 1000);
  const startTime = last;

  function meet(node: CpuProfileNode): void {
    const micros = Math.round(now / 1000);
    node.hitCount++;
    samples.push(node.id);
    timeDeltas.push(micros - last);
    last = micros;
  }
  for (const { activity, address, ns } of profiler.samples()) {
    if (activity === IDLE) meet(tree.idle);
    else {
      const name = symbols?.nameAt(activity === IN_KERNEL ? address - kernelOffset : address);
      meet(tree.function(activity, name ?? pageName(activity, address)));
    }
    now += ns;
  }
  meet(tree.idle);
  return { nodes: tree.nodes, startTime, endTime: last, samples, timeDeltas };
}

function pageName(activity: Activity, address: bigint): string {
  return `${activity === IN_USER ? 'user' : 'kernel'} 0x${(address & ~PAGE_MASK).toString(16)}`;
}

/** How far a 64-bit Linux runs from where its symbols have it, by where it takes system calls. */
function offsetOf(symbols: SymbolTable, syscallEntry: bigint): bigint {
  const linked = symbols.addressOf('entry_SYSCALL_64');
  if (linked === undefined || syscallEntry === 0n) return 0n;
  const offset = syscallEntry - linked;
  const possible = offset % KASLR_ALIGNMENT === 0n && offset < KASLR_RANGE && offset > -KASLR_RANGE;
  return possible ? offset : 0n;
}

class Tree {
  readonly nodes: CpuProfileNode[] = [];
  readonly #root = this.#add('(root)');
  readonly idle = this.#add('(idle)', this.#root);
  readonly #levels = { [IN_KERNEL]: this.#add('(kernel)', this.#root), [IN_USER]: this.#add('(user)', this.#root) };
  readonly #functions = {
    [IN_KERNEL]: new Map<string, CpuProfileNode>(),
    [IN_USER]: new Map<string, CpuProfileNode>(),
  };

  function(level: typeof IN_KERNEL | typeof IN_USER, name: string): CpuProfileNode {
    const known = this.#functions[level];
    let node = known.get(name);
    if (node === undefined) {
      node = this.#add(name, this.#levels[level]);
      known.set(name, node);
    }
    return node;
  }

  #add(functionName: string, parent?: CpuProfileNode): CpuProfileNode {
    const node: CpuProfileNode = {
      id: this.nodes.length + 1,
      callFrame: { functionName, scriptId: '0', url: '', lineNumber: -1, columnNumber: -1 },
      hitCount: 0,
      children: [],
    };
    parent?.children.push(node.id);
    this.nodes.push(node);
    return node;
  }
}
