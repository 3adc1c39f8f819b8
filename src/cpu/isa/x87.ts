/** All x87 instructions, with FXSAVE and FXRSTOR. */

import type { Instruction } from './instruction.ts';
import { x87Arithmetic } from './x87-arithmetic.ts';
import { x87Compare } from './x87-compare.ts';
import { x87Control } from './x87-control.ts';
import { x87Environment } from './x87-environment.ts';
import { fxsave } from './x87-fxsave.ts';
import { x87Load } from './x87-load.ts';
import { x87Partial } from './x87-partial.ts';
import { x87Store } from './x87-store.ts';
import { x87Transcendental } from './x87-transcendental.ts';
import { x87Trigonometric } from './x87-trigonometric.ts';

export const x87: readonly Instruction[] = [
  ...x87Load,
  ...x87Store,
  ...x87Arithmetic,
  ...x87Compare,
  ...x87Partial,
  ...x87Transcendental,
  ...x87Trigonometric,
  ...x87Control,
  ...x87Environment,
  ...fxsave,
];
