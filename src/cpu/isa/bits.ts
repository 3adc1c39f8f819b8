/** Bit tests, scans and counts: SDM Vol. 1 §7.3.7 "Bit and Byte Instructions". */

import type { Address, Algebra, FlagWrites, Operand, Value } from '../algebra.ts';
import { logicFlags } from './flag-writes.ts';
import { defineInstruction, type Instruction } from './instruction.ts';
import { signed, unsigned, type Width, wideOf, widthOf } from './widths.ts';

/** Makes the new value from the old one and a mask with the one bit set. */
type Modify = (m: Algebra, old: Value, mask: Value) => Value;

/** The word of a bit string in memory that holds bit `index`, which counts from the operand's address, signed. */
function wordOfBit(m: Algebra, base: Operand, index: Value): Address {
  const width = widthOf(index);
  const shift = Math.log2(width);
  const bytes = m.shl(m.sar(index, shift), shift - 3);
  const address = m.memory(base);
  return m.offset(address, signed(m, bytes, widthOf(address.offset)));
}

function bitTest(name: string, sdm: string, digit: number, opcode: string, modify?: Modify): Instruction {
  const attribute = modify ? ' lock' : '';
  return defineInstruction({
    name,
    sdm,
    forms: [`0F ${opcode} /r Ev,Gv${attribute}`, `0F BA /${digit} Ev,Ib${attribute}`],
    semantics(m, dst, bit) {
      const index = m.read(bit);
      const width = m.operandSize;
      const within = m.and(unsigned(m, index, width), m.const(width, width - 1));
      // Only an index in a register reaches beyond the operand.
      const elsewhere = dst.kind === 'memory' && bit.kind === 'gpr' ? wordOfBit(m, dst, index) : undefined;
      if (elsewhere && modify) m.probeWrite(elsewhere, width / 8);
      const old = elsewhere ? m.load(width, elsewhere) : modify ? m.readForWrite(dst) : m.read(dst);
      if (modify) {
        const modified = modify(m, old, m.shl(m.const(width, 1), within));
        if (elsewhere) m.store(elsewhere, modified);
        else m.write(dst, modified);
      }
      m.setFlags({ CF: m.bit(m.shr(old, within), 0) });
    },
  });
}

/**
 * BSF and BSR: a source of 0 leaves the destination alone, all 64 bits of it (undefined in the manual; processors do).
 * The flags that the manual leaves undefined are those of the index on Intel processors, or of 0 if there is none.
 */
function scan(name: string, sdm: string, form: string, find: (m: Algebra, a: Value) => Value): Instruction {
  return defineInstruction({
    name,
    sdm,
    forms: [form],
    semantics(m, dst, src) {
      const a = m.read(src);
      const zero = m.isZero(a);
      const index = find(m, a);
      m.if(m.not(zero), () => m.write(dst, index));
      m.setFlags({ ...logicFlags(m, m.select(zero, m.const(a.type, 0), index)), ZF: zero });
    },
  });
}

/** Trailing zeros; `width` for 0. */
function trailingZeros(m: Algebra, a: Value): Value {
  const width = widthOf(a);
  if (width === 32 || width === 64) return m.ctz(a);
  return m.trunc(m.ctz(m.or(m.zext(a, 32), m.const(32, 1 << width))), width);
}

/** Leading zeros; `width` for 0. */
function leadingZeros(m: Algebra, a: Value): Value {
  const width = widthOf(a);
  if (width === 32 || width === 64) return m.clz(a);
  return m.trunc(m.sub(m.clz(m.zext(a, 32)), m.const(32, 32 - width)), width);
}

/** Number of the highest set bit of a value that is not 0. */
function highestBit(m: Algebra, a: Value): Value {
  const width: Width = widthOf(a);
  return m.sub(m.const(width, width - 1), leadingZeros(m, a));
}

function count(
  name: string,
  feature: 'lzcnt' | 'bmi1' | 'popcnt',
  sdm: string,
  form: string,
  find: (m: Algebra, a: Value) => Value,
  flags: (m: Algebra, a: Value, result: Value) => FlagWrites,
): Instruction {
  return defineInstruction({
    name,
    sdm,
    feature,
    forms: [form],
    semantics(m, dst, src) {
      const a = m.read(src);
      const result = find(m, a);
      m.write(dst, result);
      m.setFlags(flags(m, a, result));
    },
  });
}

/** LZCNT and TZCNT; the manual leaves all but CF and ZF undefined, Intel processors clear them. */
function zeroCountFlags(m: Algebra, a: Value, result: Value): FlagWrites {
  const zero = m.const(1, 0);
  return { CF: m.isZero(a), PF: zero, AF: zero, ZF: m.isZero(result), SF: zero, OF: zero };
}

function populationFlags(m: Algebra, a: Value): FlagWrites {
  const zero = m.const(1, 0);
  return { CF: zero, PF: zero, AF: zero, ZF: m.isZero(a), SF: zero, OF: zero };
}

function population(m: Algebra, a: Value): Value {
  const width = widthOf(a);
  return m.trunc(m.popcnt(m.zext(a, wideOf(width))), width);
}

export const bits: readonly Instruction[] = [
  bitTest('BT', 'Vol. 2A "BT - Bit Test"', 4, 'A3'),
  bitTest('BTS', 'Vol. 2A "BTS - Bit Test and Set"', 5, 'AB', (m, old, mask) => m.or(old, mask)),
  bitTest('BTR', 'Vol. 2A "BTR - Bit Test and Reset"', 6, 'B3', (m, old, mask) => m.and(old, m.not(mask))),
  bitTest('BTC', 'Vol. 2A "BTC - Bit Test and Complement"', 7, 'BB', (m, old, mask) => m.xor(old, mask)),
  scan('BSF', 'Vol. 2A "BSF - Bit Scan Forward"', '0F BC /r Gv,Ev', trailingZeros),
  scan('BSR', 'Vol. 2A "BSR - Bit Scan Reverse"', '0F BD /r Gv,Ev', highestBit),
  count(
    'TZCNT',
    'bmi1',
    'Vol. 2B "TZCNT - Count the Number of Trailing Zero Bits"',
    'F3 0F BC /r Gv,Ev',
    trailingZeros,
    zeroCountFlags,
  ),
  count(
    'LZCNT',
    'lzcnt',
    'Vol. 2A "LZCNT - Count the Number of Leading Zero Bits"',
    'F3 0F BD /r Gv,Ev',
    leadingZeros,
    zeroCountFlags,
  ),
  count(
    'POPCNT',
    'popcnt',
    'Vol. 2B "POPCNT - Return the Count of Number of Bits Set to 1"',
    'F3 0F B8 /r Gv,Ev',
    population,
    populationFlags,
  ),
];
