/**
 * The decoder's lookup tables, built at start from the forms of all instructions.
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
import { ANY, type Form, FormError, MAPS, parseForm } from './forms.ts';

export interface Slot {
  readonly hasModrm: boolean;
  readonly selector: 0 | 1 | 2;
  /** By cell << KEY_BITS | key. */
  readonly forms: readonly (Form | undefined)[];
}

export const KEY_BITS = 4;
const KEYS = 1 << KEY_BITS;
const CELLS = [1, 16, 72] as const;

export interface DecodeTable {
  /** All forms that can be decoded, in the order of definition. */
  readonly forms: readonly Form[];
  /** By (64-bit ? SLOTS_PER_MODE : 0) + map << 8 + opcode. */
  readonly slots: readonly (Slot | undefined)[];
}

export const SLOTS_PER_MODE = MAPS << 8;

/** Tables for the instructions of the `features` given (all without it). */
export function buildTable(instructions: readonly Instruction[], features?: ReadonlySet<Feature>): DecodeTable {
  const forms: Form[] = [];
  const bySlot: (Form[] | undefined)[] = new Array(2 * SLOTS_PER_MODE).fill(undefined);
  const enter = (index: number, form: Form): void => {
    const list = bySlot[index];
    if (list === undefined) bySlot[index] = [form];
    else list.push(form);
  };
  for (const instruction of instructions) {
    const feature = instruction.feature ?? 'base';
    if (features !== undefined && feature !== 'base' && !features.has(feature)) continue;
    for (const text of instruction.forms) {
      const form = parseForm(instruction, text);
      forms.push(form);
      for (let register = 0; register < (form.opcodeRegister ? 8 : 1); register++) {
        const index = (form.map << 8) + form.opcode + register;
        if (!form.o64) enter(index, form);
        if (!form.i64) enter(SLOTS_PER_MODE + index, form);
      }
    }
  }
  const slots: (Slot | undefined)[] = new Array(2 * SLOTS_PER_MODE).fill(undefined);
  for (let i = 0; i < SLOTS_PER_MODE; i++) {
    const [legacy, long] = [bySlot[i], bySlot[SLOTS_PER_MODE + i]];
    const alike = legacy?.length === long?.length && legacy?.every((form, j) => form === long?.[j]);
    slots[i] = legacy && buildSlot(legacy);
    slots[SLOTS_PER_MODE + i] = alike ? slots[i] : long && buildSlot(long);
  }
  return { forms, slots };
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
    if (form.prefix !== ANY && form.prefix !== (key & 3)) continue;
    if (form.w !== ANY && form.w !== ((key >> 2) & 1)) continue;
    if (form.isVex && form.vectorLength !== ANY && form.vectorLength !== key >> 3) continue;
    const other = table[base + key];
    const difference = other === undefined ? 1 : rank(form, key) - rank(other, key);
    if (difference === 0) conflict(form, other!, 'both match the same bytes');
    if (difference > 0) table[base + key] = form;
  }
}

/**
 * 90 is NOP (F3 90 PAUSE) without REX.B and XCHG with it: where an opcode has both a +r form and one of its own,
 * REX.B decides.
 */
function rank(form: Form, key: number): number {
  const registerFromRexB = form.opcodeRegister === (key & 8) > 0 && !form.isVex;
  return (
    (form.modrm !== ANY ? 8 : 0) +
    (form.opcodeRegister && registerFromRexB ? 16 : 0) +
    (form.prefix !== ANY ? 4 : 0) +
    (form.w !== ANY ? 2 : 0) +
    (registerFromRexB ? 1 : 0)
  );
}

function conflict(form: Form, other: Form, problem: string): never {
  throw new FormError(form.instruction, form.text, `${problem} as ${other.instruction.name} '${other.text}'`);
}
