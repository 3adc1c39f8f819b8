/** A vCPU's block in machine memory: its state, field by field as `state.ts` declares it. */

import { VCPU_BYTES } from '../layout.ts';
import type { MachineMemory } from '../machine-memory.ts';
import { architecturalState, type StateField } from '../state.ts';

const ALIGNMENT = 0x10000;

/** Of the vCPU block: its architectural part. */
export const SAVED_BYTES = Math.max(
  ...architecturalState.map(({ offset, type, count }) => offset + (type / 8) * count),
);

export class VcpuBlock {
  readonly base: number;
  readonly #memory: MachineMemory;

  constructor(memory: MachineMemory) {
    this.#memory = memory;
    this.base = memory.region(VCPU_BYTES, ALIGNMENT);
  }

  get32(field: StateField, index = 0): number {
    return this.#memory.u32[(this.base + field.offset + 4 * index) >>> 2] as number;
  }

  set32(field: StateField, value: number, index = 0): void {
    this.#memory.u32[(this.base + field.offset + 4 * index) >>> 2] = value;
  }

  /** Elements of any width up to 64 bits, zero-extended. */
  get(field: StateField, index = 0): bigint {
    const { view } = this.#memory;
    const at = this.base + field.offset + (index * field.type) / 8;
    switch (field.type) {
      case 8:
        return BigInt(view.getUint8(at));
      case 16:
        return BigInt(view.getUint16(at, true));
      case 32:
        return BigInt(view.getUint32(at, true));
      default:
        return view.getBigUint64(at, true);
    }
  }

  set(field: StateField, value: bigint, index = 0): void {
    const { view } = this.#memory;
    const at = this.base + field.offset + (index * field.type) / 8;
    switch (field.type) {
      case 8:
        view.setUint8(at, Number(value & 0xffn));
        return;
      case 16:
        view.setUint16(at, Number(value & 0xffffn), true);
        return;
      case 32:
        view.setUint32(at, Number(value & 0xffffffffn), true);
        return;
      default:
        view.setBigUint64(at, BigInt.asUintN(64, value), true);
    }
  }
}
