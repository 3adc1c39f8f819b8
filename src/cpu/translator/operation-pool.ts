/** Machine memory for the operations of regions, which outlive the interpreter's blocks and are given back. */

import type { MachineMemory } from '../machine-memory.ts';

const SMALLEST = 256;

/** Pieces of 256 bytes times a power of two, kept by size once they are free. */
export class OperationPool {
  readonly #memory: MachineMemory;
  readonly #free = new Map<number, number[]>();

  constructor(memory: MachineMemory) {
    this.#memory = memory;
  }

  allocate(bytes: number): number {
    const size = sizeOf(bytes);
    return this.#free.get(size)?.pop() ?? this.#memory.region(size, 32);
  }

  release(address: number, bytes: number): void {
    const size = sizeOf(bytes);
    const list = this.#free.get(size);
    if (list === undefined) this.#free.set(size, [address]);
    else list.push(address);
  }
}

function sizeOf(bytes: number): number {
  let size = SMALLEST;
  while (size < bytes) size *= 2;
  return size;
}
