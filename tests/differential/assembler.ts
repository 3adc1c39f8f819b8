/** Machine code with labels, for programs that are drawn at random. */

import type { CodeMode } from '../../src/cpu/decode/decoded.ts';
import { DATA } from '../hardware/layout.ts';

const RSP_BASE = 4;
const NO_BASE = 5;
const NO_INDEX = 4;

/** A place in the code; known once it is bound. */
export interface Label {
  offset: number;
}

interface Fixup {
  readonly at: number;
  readonly bytes: number;
  readonly label: Label;
  /** What is subtracted from the label's address. */
  readonly from: number;
}

export function little(value: number | bigint, bytes: number): number[] {
  return Array.from({ length: bytes }, (_, i) => Number((BigInt(value) >> BigInt(8 * i)) & 0xffn));
}

export class Assembler {
  readonly bytes: number[] = [];
  /** Instruction pointer of the first byte. */
  readonly origin: number;
  readonly mode: CodeMode;
  readonly #fixups: Fixup[] = [];

  constructor(origin: number, mode: CodeMode) {
    this.origin = origin;
    this.mode = mode;
  }

  /** Bytes of offsets, absolute addresses and most immediates. */
  get wordBytes(): number {
    return this.mode === 16 ? 2 : 4;
  }

  emit(...bytes: number[]): void {
    this.bytes.push(...bytes);
  }

  label(): Label {
    return { offset: -1 };
  }

  bind(label: Label): void {
    label.offset = this.bytes.length;
  }

  here(): Label {
    return { offset: this.bytes.length };
  }

  /** A relative branch. */
  branch(opcode: readonly number[], label: Label, bytes = this.wordBytes): void {
    this.emit(...opcode);
    const at = this.bytes.length;
    this.#fixups.push({ at, bytes, label, from: at + bytes });
    this.emit(...little(0, bytes));
  }

  /** The absolute address of a label, plus `offset`, as the last bytes of an instruction. */
  address(label: Label, offset = 0): void {
    this.#fixups.push({ at: this.bytes.length, bytes: this.wordBytes, label, from: -this.origin - offset });
    this.emit(...little(0, this.wordBytes));
  }

  /** ModRM, with what follows it, of memory at an address of the data window. */
  dataOperand(digit: number, address: number): void {
    if (this.mode === 16) this.emit((digit << 3) | 6, ...little(address - DATA, 2));
    else if (this.mode === 32) this.emit((digit << 3) | NO_BASE, ...little(address, 4));
    else this.emit((digit << 3) | RSP_BASE, (NO_INDEX << 3) | NO_BASE, ...little(address, 4));
  }

  /** The same of memory at a label, seen at `alias` minus the address of the code's first page. */
  labelOperand(digit: number, label: Label, alias: number): void {
    this.dataOperand(digit, DATA);
    this.bytes.length -= this.wordBytes;
    this.address(label, alias);
  }

  finish(): number[] {
    for (const { at, bytes, label, from } of this.#fixups) {
      this.bytes.splice(at, bytes, ...little(label.offset - from, bytes));
    }
    return this.bytes;
  }
}
