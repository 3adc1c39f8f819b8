/** All instructions that there are. */

import { arithmetic } from './arithmetic.ts';
import { branches } from './branches.ts';
import { conditional } from './conditional.ts';
import type { Instruction } from './instruction.ts';
import { logic } from './logic.ts';
import { moves } from './moves.ts';
import { shifts } from './shifts.ts';
import { stack } from './stack.ts';

export const instructions: readonly Instruction[] = [
  ...arithmetic,
  ...logic,
  ...shifts,
  ...moves,
  ...conditional,
  ...branches,
  ...stack,
];
