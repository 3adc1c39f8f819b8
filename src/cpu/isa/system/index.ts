/** The system instructions: SDM Vol. 3A §2.8 "System Instruction Summary", and far transfers and I/O. */

import type { Instruction } from '../instruction.ts';
import { controlRegisters } from './control-registers.ts';
import { descriptorTables } from './descriptor-tables.ts';
import { farCalls } from './far-calls.ts';
import { farReturns } from './far-returns.ts';
import { fastCalls } from './fast-calls.ts';
import { flags } from './flags.ts';
import { interrupts } from './interrupts.ts';
import { managementMode } from './management-mode.ts';
import { ports } from './ports.ts';
import { processor } from './processor.ts';
import { segmentRegisters } from './segment-registers.ts';
import { verification } from './verify.ts';
import { xsave } from './xsave.ts';

export const system: readonly Instruction[] = [
  ...controlRegisters,
  ...segmentRegisters,
  ...descriptorTables,
  ...flags,
  ...farCalls,
  ...farReturns,
  ...interrupts,
  ...fastCalls,
  ...managementMode,
  ...ports,
  ...processor,
  ...verification,
  ...xsave,
];
