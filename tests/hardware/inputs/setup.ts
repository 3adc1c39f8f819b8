/** What a preparation rule is, and the registers that rules name. */
import type { CaseInputs } from './inputs.ts';

/** Prepares registers and memory for one case of a form. */
export type Setup = (inputs: CaseInputs) => void;

export const RAX = 0;
export const RCX = 1;
export const RDX = 2;
export const RBX = 3;
export const RSP = 4;
export const RBP = 5;
export const RSI = 6;
export const RDI = 7;
