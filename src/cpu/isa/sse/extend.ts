/** PMOVSX and PMOVZX: the low elements of a vector made wider. */

import type { Algebra, Value } from '../../algebra.ts';
import { defineInstruction, type Instruction } from '../instruction.ts';
import { requireSse } from './available.ts';

const SHAPES: readonly string[] = ['i8x16', 'i16x8', 'i32x4', 'i64x2'];

/** `name` of one or more doublings from shape `from`. */
function extended(m: Algebra, vector: Value, from: number, doublings: number, sign: 's' | 'u'): Value {
  let result = vector;
  for (let i = from; i < from + doublings; i++) {
    result = m.op(`${SHAPES[i + 1]}.extend_low_${SHAPES[i]}_${sign}`, [result]);
  }
  return result;
}

const ROWS: readonly [letters: string, opcode: number, source: string, from: number, doublings: number][] = [
  ['BW', 0, 'Wq', 0, 1],
  ['BD', 1, 'Wd', 0, 2],
  ['BQ', 2, 'Ww', 0, 3],
  ['WD', 3, 'Wq', 1, 1],
  ['WQ', 4, 'Wd', 1, 2],
  ['DQ', 5, 'Wq', 2, 1],
];

function family(name: string, title: string, base: number, sign: 's' | 'u'): Instruction[] {
  return ROWS.map(([letters, opcode, source, from, doublings]) =>
    defineInstruction({
      name: `${name}${letters}`,
      sdm: `Vol. 2B "${name} - ${title}"`,
      feature: 'sse4.1',
      forms: [`66 0F 38 ${(base + opcode).toString(16)} /r Vdq,${source}`],
      semantics(m, dst, src) {
        requireSse(m);
        m.setXmm(dst, extended(m, m.zext(m.zext(m.read(src), 64), 128), from, doublings, sign));
      },
    }),
  );
}

export const extensions: readonly Instruction[] = [
  ...family('PMOVSX', 'Packed Move With Sign Extend', 0x20, 's'),
  ...family('PMOVZX', 'Packed Move With Zero Extend', 0x30, 'u'),
];
