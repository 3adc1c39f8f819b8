/** Bitwise logic and interleaving of packed floating-point values: no arithmetic, no exceptions. */

import type { Feature, Instruction } from '../instruction.ts';
import { shuffle } from './lanes.ts';
import { type Compute, operation, xmmBinary } from './packed.ts';

/** Both the PS and the PD instruction, which differ in nothing but name and prefix. */
function logic(name: string, volume: string, title: string, opcode: string, compute: Compute): Instruction[] {
  const one = (suffix: string, precision: string, feature: Feature, prefix: string): Instruction =>
    xmmBinary(
      `${name}${suffix}`,
      `Vol. ${volume} "${name}${suffix} - ${title} of Packed ${precision}-Precision Floating-Point Values"`,
      feature,
      `${prefix} ${opcode} /r Vdq,Wdq`,
      compute,
    );
  return [one('PS', 'Single', 'sse', 'NP'), one('PD', 'Double', 'sse2', '66')];
}

function interleave(name: string, half: string, opcode: string, first: number): Instruction[] {
  const title = (precision: string): string =>
    `Unpack and Interleave ${half} Packed ${precision}-Precision Floating-Point Values"`;
  return [
    xmmBinary(`${name}PS`, `Vol. 2B "${name}PS - ${title('Single')}`, 'sse', `NP ${opcode} /r Vps,Wps`, (m, a, b) =>
      shuffle(m, 32, a, b, [2 * first, 2 * first + 4, 2 * first + 1, 2 * first + 5]),
    ),
    xmmBinary(`${name}PD`, `Vol. 2B "${name}PD - ${title('Double')}`, 'sse2', `66 ${opcode} /r Vpd,Wpd`, (m, a, b) =>
      shuffle(m, 64, a, b, [first, first + 2]),
    ),
  ];
}

export const floatLogic: readonly Instruction[] = [
  ...logic('AND', '2A', 'Bitwise Logical AND', '0F 54', operation('v128.and')),
  ...logic('ANDN', '2A', 'Bitwise Logical AND NOT', '0F 55', (m, a, b) => m.op('v128.andnot', [b, a])),
  ...logic('OR', '2B', 'Bitwise Logical OR', '0F 56', operation('v128.or')),
  ...logic('XOR', '2D', 'Bitwise Logical XOR', '0F 57', operation('v128.xor')),
  ...interleave('UNPCKL', 'Low', '0F 14', 0),
  ...interleave('UNPCKH', 'High', '0F 15', 1),
];
