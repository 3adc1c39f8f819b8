/**
 * The x87 environment and state in memory: FNSTENV, FLDENV, FNSAVE, FRSTOR (SDM Vol. 1 §8.1.10 "Saving the x87 FPU's
 * State with FSTENV/FNSTENV and FSAVE/FNSAVE"). Of the 16-bit layout every row is one word, of the 32-bit layout a
 * doubleword whose upper half is all ones where there is nothing to say:
 *
 *            protected mode                     real and virtual-8086 mode
 *     row 0  control word                       control word
 *         1  status word                        status word
 *         2  tag word                           tag word
 *         3  instruction pointer                instruction pointer 15-0
 *         4  CS selector, opcode in 26-16       opcode in 10-0, instruction pointer above from bit 12 on
 *            (no opcode in the 16-bit layout)
 *         5  operand pointer                    operand pointer 15-0
 *         6  DS selector                        operand pointer above from bit 12 on
 *
 * FNSAVE and FRSTOR go on with ST(0) to ST(7), ten bytes each. The selectors are deprecated: stored as 0, not loaded.
 */

import { type Address, type Algebra, defineRoutine, type Operand, type Value } from '../algebra.ts';
import { vcpu } from '../state.ts';
import { any, equals, isNot0 } from './fp/format.ts';
import { defineInstruction, type Instruction } from './instruction.ts';
import { FLAG_VM } from './system/rflags.ts';
import { initialise, loadControlAndStatus, statusWord } from './x87-control.ts';
import { available, type Extended, enter, getExtended, physical } from './x87-stack.ts';

const TAG_EMPTY = 3;
const TAG_SPECIAL = 2;
const TAG_ZERO = 1;
const FOP_MASK = 0x7ff;

/** () -> [tag word]: two bits per physical register, derived from their contents. */
const tagWord = defineRoutine({
  name: 'x87TagWord',
  params: [],
  results: [32],
  faults: false,
  body(m) {
    const word = m.variable(m.const(32, 0));
    const register = m.variable(m.const(32, 8));
    m.while(
      () => isNot0(m, m.use(register)),
      () => {
        m.assign(register, m.sub(m.use(register), m.const(32, 1)));
        const { head, significand } = getExtended(m, m.use(register));
        const exponent = m.and(head, m.const(32, 0x7fff));
        const zero = m.and(m.isZero(exponent), m.isZero(significand));
        const normal = m.and(m.msb(significand), m.not(equals(m, exponent, 0x7fff)));
        const valid = m.and(normal, isNot0(m, exponent));
        const full = m.select(valid, m.const(32, 0), m.const(32, TAG_SPECIAL));
        const ofContents = m.select(zero, m.const(32, TAG_ZERO), full);
        const empty = m.and(m.shr(m.get(vcpu.fpuEmpty), m.use(register)), m.const(32, 1));
        const tag = m.select(isNot0(m, empty), m.const(32, TAG_EMPTY), ofContents);
        m.assign(word, m.or(m.shl(m.use(word), 2), tag));
      },
    );
    return [m.use(word)];
  },
});

/** (tag word): registers tagged 3 are empty, others are not, whatever they hold. */
const loadTagWord = defineRoutine({
  name: 'x87LoadTagWord',
  params: [32],
  results: [],
  faults: false,
  body(m, word) {
    const both = m.and(word, m.shr(word, 1));
    // Gathers the even bits.
    const gather = (x: Value, by: number, mask: number): Value => m.and(m.or(x, m.shr(x, by)), m.const(32, mask));
    const pairs = gather(m.and(both, m.const(32, 0x5555)), 1, 0x3333);
    m.set(vcpu.fpuEmpty, gather(gather(pairs, 2, 0x0f0f), 4, 0x00ff));
    return [];
  },
});

/** Rows of 16 or 32 bits: REX.W changes nothing. */
function rowType(m: Algebra): 16 | 32 {
  return m.operandSize === 16 ? 16 : 32;
}

function isRealFormat(m: Algebra): Value {
  const real = m.not(m.bit(m.get(vcpu.cr0), 0));
  return m.or(real, any(m, m.get(vcpu.rflags), FLAG_VM));
}

/** The seven rows as they are now. */
function environment(m: Algebra): Value[] {
  const type = rowType(m);
  const low = (pointer: Value): Value => m.trunc(pointer, 32);
  const word = (value: Value): Value => m.and(value, m.const(32, 0xffff));
  const filled = (value: Value): Value => m.or(value, m.const(32, 0xffff0000));
  const ip = low(m.get(vcpu.fip));
  const dp = low(m.get(vcpu.fdp));
  const fop = m.zext(m.get(vcpu.fop), 32);
  const real = isRealFormat(m);
  // Bits 19-16 or 31-16 of a pointer from bit 12 on.
  const above = (pointer: Value): Value => m.shl(m.shr(pointer, 16), 12);
  const [tags] = m.call(tagWord);
  const opcode = type === 16 ? m.const(32, 0) : m.shl(fop, 16);
  const rows = [
    filled(m.zext(m.get(vcpu.fcw), 32)),
    filled(m.zext(statusWord(m), 32)),
    filled(tags),
    m.select(real, filled(word(ip)), ip),
    m.select(real, m.or(above(ip), fop), opcode),
    m.select(real, filled(word(dp)), dp),
    m.select(real, above(dp), filled(m.const(32, 0))),
  ];
  return rows.map((row) => m.trunc(row, type));
}

function storeEnvironment(m: Algebra, address: Address): void {
  environment(m).forEach((row, i) => {
    m.store(m.offset(address, i * (row.type === 16 ? 2 : 4)), row);
  });
}

/** Loads the rows, and gives what is left to do once nothing can fault any more. */
function loadEnvironment(m: Algebra, address: Address): () => void {
  const type = rowType(m);
  const row = (i: number): Value => m.load(type, m.offset(address, (i * type) / 8));
  const rows = [0, 1, 2, 3, 4, 5, 6].map(row).map((value) => m.zext(value, 32));
  return () => {
    const real = isRealFormat(m);
    const pointer = (low: Value, high: Value): Value => {
      const above = m.shl(m.shr(high, 12), 16);
      const ofReal = m.or(m.and(low, m.const(32, 0xffff)), above);
      return m.zext(m.select(real, ofReal, low), 64);
    };
    const opcode = type === 16 ? m.const(32, 0) : m.shr(rows[4], 16);
    const fop = m.and(m.select(real, rows[4], opcode), m.const(32, FOP_MASK));
    loadControlAndStatus(m, m.trunc(rows[0], 16), m.trunc(rows[1], 16));
    m.call(loadTagWord, rows[2]);
    m.set(vcpu.fip, pointer(rows[3], rows[4]));
    m.set(vcpu.fdp, pointer(rows[5], rows[6]));
    m.set(vcpu.fop, m.trunc(fop, 16));
  };
}

const REGISTERS = [0, 1, 2, 3, 4, 5, 6, 7];

/**
 * Checks an image for reading or writing. Processors try its first word, then its last byte: that is what CR2 tells when
 * only the page of the latter is amiss.
 */
function probe(m: Algebra, address: Address, bytes: number, access: 'read' | 'write'): void {
  const end = m.offset(address, bytes - 1);
  if (access === 'write') {
    m.probeWrite(address, 2);
    m.probeWrite(end, 1);
  } else {
    m.load(16, address);
    m.load(8, end);
  }
}

function environmentBytes(m: Algebra): number {
  return 7 * (rowType(m) / 8);
}

function define(
  name: string,
  sdm: string,
  form: string,
  semantics: (m: Algebra, memory: Operand) => void,
): Instruction {
  return defineInstruction({
    name,
    sdm: `Vol. 2A "${sdm}"`,
    feature: 'x87',
    forms: [form],
    semantics: (m, memory) => semantics(m, memory),
  });
}

const FNSTENV = define('FNSTENV', 'FSTENV/FNSTENV - Store x87 FPU Environment', 'D9 /6 M', (m, to) => {
  available(m);
  const address = m.memory(to);
  probe(m, address, environmentBytes(m), 'write');
  storeEnvironment(m, address);
  loadControlAndStatus(m, m.or(m.get(vcpu.fcw), m.const(16, 0x3f)), statusWord(m));
});

const FLDENV = define('FLDENV', 'FLDENV - Load x87 FPU Environment', 'D9 /4 M', (m, from) => {
  enter(m);
  const address = m.memory(from);
  probe(m, address, environmentBytes(m), 'read');
  loadEnvironment(m, address)();
});

const FNSAVE = define('FNSAVE', 'FSAVE/FNSAVE - Store x87 FPU State', 'DD /6 M', (m, to) => {
  available(m);
  const address = m.memory(to);
  const start = environmentBytes(m);
  probe(m, address, start + 80, 'write');
  storeEnvironment(m, address);
  for (const i of REGISTERS) {
    const { head, significand } = getExtended(m, physical(m, i));
    m.store(m.offset(address, start + 10 * i), significand);
    m.store(m.offset(address, start + 10 * i + 8), m.trunc(head, 16));
  }
  initialise(m);
});

const FRSTOR = define('FRSTOR', 'FRSTOR - Restore x87 FPU State', 'DD /4 M', (m, from) => {
  enter(m);
  const address = m.memory(from);
  const start = environmentBytes(m);
  probe(m, address, start + 80, 'read');
  const finish = loadEnvironment(m, address);
  const values = REGISTERS.map((i): Extended => {
    const significand = m.load(64, m.offset(address, start + 10 * i));
    return { head: m.load(16, m.offset(address, start + 10 * i + 8)), significand };
  });
  finish();
  values.forEach(({ head, significand }, i) => {
    m.setAt(vcpu.stExponent, physical(m, i), head);
    m.setAt(vcpu.stMantissa, physical(m, i), significand);
  });
});

export const x87Environment: readonly Instruction[] = [FNSTENV, FLDENV, FNSAVE, FRSTOR];
