/**
 * MUL and IMUL: SDM Vol. 1 §7.3.2.5 "Multiplication and Division Instructions".
 *
 * CF and OF tell whether the product needs its upper half. The others are undefined in the manual: Intel processors
 * derive SF and PF from the lower half and clear ZF and AF.
 */

import type { Algebra, FlagWrites, Value } from '../algebra.ts';
import { RAX, RDX } from '../state.ts';
import { defineInstruction, type Instruction } from './instruction.ts';
import { type Width, widthOf } from './widths.ts';

type Product = [low: Value, high: Value];

/** Twice the width, where the algebra has that. */
function doubled(width: Width): Width {
  return width === 8 ? 16 : width === 16 ? 32 : 64;
}

export function multiplyUnsigned(m: Algebra, a: Value, b: Value): Product {
  const width = widthOf(a);
  if (width === 64) return m.mulWide(a, b);
  const product = m.mul(m.zext(a, doubled(width)), m.zext(b, doubled(width)));
  return [m.trunc(product, width), m.trunc(m.shr(product, width), width)];
}

function multiplySigned(m: Algebra, a: Value, b: Value): Product {
  const width = widthOf(a);
  if (width === 64) {
    // A negative factor counts 2^64 too much in the unsigned product, times the other factor.
    const [low, high] = m.mulWide(a, b);
    const excess = m.add(m.and(m.sar(a, 63), b), m.and(m.sar(b, 63), a));
    return [low, m.sub(high, excess)];
  }
  const product = m.mul(m.sext(a, doubled(width)), m.sext(b, doubled(width)));
  return [m.trunc(product, width), m.trunc(m.shr(product, width), width)];
}

function signedOverflow(m: Algebra, [low, high]: Product): Value {
  return m.ne(high, m.sar(low, widthOf(low) - 1));
}

function productFlags(m: Algebra, low: Value, overflow: Value): FlagWrites {
  const zero = m.const(1, 0);
  return { CF: overflow, OF: overflow, ZF: zero, AF: zero, result: low };
}

/** The product in AX for bytes, else in rDX:rAX. */
function writeProduct(m: Algebra, [low, high]: Product): void {
  if (low.type === 8) {
    m.setGpr(RAX, m.or(m.zext(low, 16), m.shl(m.zext(high, 16), 8)));
    return;
  }
  m.setGpr(RAX, low);
  m.setGpr(RDX, high);
}

const MUL = defineInstruction({
  name: 'MUL',
  sdm: 'Vol. 2B "MUL - Unsigned Multiply"',
  forms: ['F6 /4 Eb', 'F7 /4 Ev'],
  semantics(m, src) {
    const b = m.read(src);
    const product = multiplyUnsigned(m, m.getGpr(RAX, widthOf(b)), b);
    writeProduct(m, product);
    m.setFlags(productFlags(m, product[0], m.ne(product[1], m.const(b.type, 0))));
  },
});

const IMUL_accumulator = defineInstruction({
  name: 'IMUL',
  sdm: 'Vol. 2A "IMUL - Signed Multiply"',
  forms: ['F6 /5 Eb', 'F7 /5 Ev'],
  semantics(m, src) {
    const b = m.read(src);
    const product = multiplySigned(m, m.getGpr(RAX, widthOf(b)), b);
    writeProduct(m, product);
    m.setFlags(productFlags(m, product[0], signedOverflow(m, product)));
  },
});

const IMUL_two = defineInstruction({
  name: 'IMUL',
  sdm: 'Vol. 2A "IMUL - Signed Multiply"',
  forms: ['0F AF /r Gv,Ev'],
  semantics(m, dst, src) {
    const b = m.read(src);
    const product = multiplySigned(m, m.read(dst), b);
    m.write(dst, product[0]);
    m.setFlags(productFlags(m, product[0], signedOverflow(m, product)));
  },
});

const IMUL_three = defineInstruction({
  name: 'IMUL',
  sdm: 'Vol. 2A "IMUL - Signed Multiply"',
  forms: ['69 /r Gv,Ev,Iz', '6B /r Gv,Ev,Ibs'],
  semantics(m, dst, src, factor) {
    const product = multiplySigned(m, m.read(src), m.read(factor));
    m.write(dst, product[0]);
    m.setFlags(productFlags(m, product[0], signedOverflow(m, product)));
  },
});

export const multiply: readonly Instruction[] = [MUL, IMUL_accumulator, IMUL_two, IMUL_three];
