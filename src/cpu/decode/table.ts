/**
 * The decoder's lookup tables, built from the forms of all instructions.
 *
 *     slots    one per code size (64-bit or not), opcode map and opcode byte
 *     cells    of a slot, by the ModRM byte:   selector 0: one cell, whatever it says (or there is none)
 *                                              selector 1: reg for memory, 8 + reg for registers
 *                                              selector 2: reg for memory, 8 + its low six bits for registers
 *     keys     of a cell: the last of 66/F3/F2 (VEX.pp), W << 2, and REX.B (VEX.L) << 3
 *
 * Every form is entered under all keys it matches. Where two match, the more specific wins: first one that says the
 * ModRM byte whole, then a mandatory prefix, then W. Equals are a mistake in the definitions and an error.
 */

import type { Feature, Instruction } from '../isa/instruction.ts';
import { ANY, type Form, FormError, MAPS, opcodeOf, PREFIX_66, PREFIX_NFX, parseForm } from './forms.ts';

export interface Slot {
  readonly hasModrm: boolean;
  readonly selector: 0 | 1 | 2;
  /** By cell << KEY_BITS | key. */
  readonly forms: readonly (Form | undefined)[];
}

export const KEY_BITS = 4;
const KEYS = 1 << KEY_BITS;
const CELLS = [1, 16, 72] as const;

export const SLOTS_PER_MODE = MAPS << 8;

interface Entry {
  readonly instruction: Instruction;
  readonly text: string;
  form: Form | undefined;
}

/**
 * Fast path: at start forms are only sorted by opcode (a millisecond or two for all of them); they are parsed and
 * their slot is built when the opcode is first met. Mistakes in the definitions show then, or all at once by `check`.
 */
export class DecodeTable {
  /** By map << 8 + opcode. */
  readonly #entries: (Entry[] | undefined)[] = new Array(SLOTS_PER_MODE).fill(undefined);
  /** By (64-bit ? SLOTS_PER_MODE : 0) + map << 8 + opcode. Null where there is no instruction. */
  readonly #slots: (Slot | null | undefined)[] = new Array(2 * SLOTS_PER_MODE).fill(undefined);

  /** Tables for the instructions of the `features` given (all without it). */
  constructor(instructions: readonly Instruction[], features?: ReadonlySet<Feature>) {
    for (const instruction of instructions) {
      const feature = instruction.feature ?? 'base';
      if (features !== undefined && feature !== 'base' && !features.has(feature)) continue;
      for (const text of instruction.forms) {
        const { map, opcode, register } = opcodeOf(text);
        if (opcode < 0) throw new FormError(instruction, text, 'no opcode byte');
        const entry: Entry = { instruction, text, form: undefined };
        for (let i = 0; i < (register ? 8 : 1); i++) {
          const index = (map << 8) + opcode + i;
          const entries = this.#entries[index];
          if (entries === undefined) this.#entries[index] = [entry];
          else entries.push(entry);
        }
      }
    }
  }

  slot(index: number): Slot | null {
    const slot = this.#slots[index];
    return slot === undefined ? this.#build(index) : slot;
  }

  /** Builds everything: throws the first mistake in the definitions. Gives all forms. */
  check(): readonly Form[] {
    const forms = new Set<Form>();
    for (let index = 0; index < 2 * SLOTS_PER_MODE; index++) {
      for (const form of this.slot(index)?.forms ?? []) if (form !== undefined) forms.add(form);
    }
    return [...forms];
  }

  #build(index: number): Slot | null {
    const isLong = index >= SLOTS_PER_MODE;
    const forms: Form[] = [];
    for (const entry of this.#entries[isLong ? index - SLOTS_PER_MODE : index] ?? []) {
      entry.form ??= parseForm(entry.instruction, entry.text);
      if (!(isLong ? entry.form.i64 : entry.form.o64)) forms.push(entry.form);
    }
    const slot = forms.length === 0 ? null : buildSlot(forms);
    this.#slots[index] = slot;
    return slot;
  }
}

function buildSlot(forms: readonly Form[]): Slot {
  const hasModrm = forms[0].hasModrm;
  let selector: 0 | 1 | 2 = 0;
  for (const form of forms) {
    if (form.hasModrm !== hasModrm) conflict(form, forms[0], 'one has a ModRM byte');
    if (form.modrm !== ANY) selector = 2;
    else if (selector === 0 && (form.digit !== ANY || form.mod === 'memory' || form.mod === 'register')) selector = 1;
  }
  const table: (Form | undefined)[] = new Array(CELLS[selector] * KEYS).fill(undefined);
  for (const form of forms) {
    for (let cell = 0; cell < CELLS[selector]; cell++) {
      if (matchesCell(form, selector, cell)) enterCell(table, cell << KEY_BITS, form);
    }
  }
  return { hasModrm, selector, forms: table };
}

function matchesCell(form: Form, selector: 0 | 1 | 2, cell: number): boolean {
  if (selector === 0) return true;
  const isRegister = cell >= 8;
  if (form.modrm !== ANY) {
    return (
      isRegister &&
      (form.modrmRegister ? (cell - 8) >> 3 === (form.modrm & 0x3f) >> 3 : cell - 8 === (form.modrm & 0x3f))
    );
  }
  if (form.mod === (isRegister ? 'memory' : 'register')) return false;
  if (form.digit === ANY) return true;
  return form.digit === (!isRegister ? cell : selector === 1 ? cell - 8 : (cell - 8) >> 3);
}

function enterCell(table: (Form | undefined)[], base: number, form: Form): void {
  for (let key = 0; key < KEYS; key++) {
    if (form.prefix === PREFIX_NFX ? (key & 3) > PREFIX_66 : form.prefix !== ANY && form.prefix !== (key & 3)) continue;
    if (form.w !== ANY && form.w !== ((key >> 2) & 1)) continue;
    if (form.isVex && form.vectorLength !== ANY && form.vectorLength !== key >> 3) continue;
    const other = table[base + key];
    const difference = other === undefined ? 1 : rank(form, key) - rank(other, key);
    if (difference === 0) conflict(form, other!, 'both match the same bytes');
    if (difference > 0) table[base + key] = form;
  }
}

/**
 * Last comes a tie that opcode 90 needs: it is NOP without REX.B and XCHG with it. F3 90 is PAUSE in both cases, as
 * processors have it.
 */
function rank(form: Form, key: number): number {
  const hasRexB = key >> 3 === 1 && !form.isVex;
  return (
    (form.modrm !== ANY ? 8 : 0) +
    (form.prefix !== ANY ? 4 : 0) +
    (form.w !== ANY ? 2 : 0) +
    (form.opcodeRegister === hasRexB ? 1 : 0)
  );
}

function conflict(form: Form, other: Form, problem: string): never {
  throw new FormError(form.instruction, form.text, `${problem} as ${other.instruction.name} '${other.text}'`);
}
