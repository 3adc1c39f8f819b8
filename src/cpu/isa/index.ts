/** All instructions that there are. */

import { arithmetic } from './arithmetic.ts';
import { atomic } from './atomic.ts';
import { bits } from './bits.ts';
import { bmi } from './bmi.ts';
import { branches } from './branches.ts';
import { conditional } from './conditional.ts';
import { conversions } from './conversions.ts';
import { decimal } from './decimal.ts';
import { divide } from './divide.ts';
import { hints } from './hints.ts';
import type { Instruction } from './instruction.ts';
import { logic } from './logic.ts';
import { misc } from './misc.ts';
import { moves } from './moves.ts';
import { multiply } from './multiply.ts';
import { rotates } from './rotates.ts';
import { shifts } from './shifts.ts';
import { sse } from './sse/index.ts';
import { stack } from './stack.ts';
import { statusFlags } from './status-flags.ts';
import { strings } from './strings.ts';
import { system } from './system/index.ts';
import { x87 } from './x87.ts';

export const instructions: readonly Instruction[] = [
  ...arithmetic,
  ...logic,
  ...shifts,
  ...rotates,
  ...multiply,
  ...divide,
  ...bits,
  ...moves,
  ...conditional,
  ...branches,
  ...stack,
  ...strings,
  ...statusFlags,
  ...conversions,
  ...bmi,
  ...decimal,
  ...atomic,
  ...hints,
  ...misc,
  ...sse,
  ...x87,
  ...system,
];
