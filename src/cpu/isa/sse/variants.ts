/** The four instructions that most floating-point operations come as: packed and scalar, single and double precision. */

import type { Feature } from '../instruction.ts';
import { F32, F64, type Shape } from './shapes.ts';

export interface Variant {
  readonly suffix: 'PS' | 'PD' | 'SS' | 'SD';
  /** As the titles of the manual have it. */
  readonly precision: string;
  readonly feature: Feature;
  /** Mandatory prefix. */
  readonly prefix: string;
  readonly shape: Shape;
  readonly packed: boolean;
}

export const VARIANTS: readonly Variant[] = [
  { suffix: 'PS', precision: 'Packed Single', feature: 'sse', prefix: 'NP', shape: F32, packed: true },
  { suffix: 'PD', precision: 'Packed Double', feature: 'sse2', prefix: '66', shape: F64, packed: true },
  { suffix: 'SS', precision: 'Scalar Single', feature: 'sse', prefix: 'F3', shape: F32, packed: false },
  { suffix: 'SD', precision: 'Scalar Double', feature: 'sse2', prefix: 'F2', shape: F64, packed: false },
];

/** The two operands, both as wide as the variant has it: `Vps,Wps`. */
export function operandsOf({ suffix }: Variant): string {
  return `V${suffix.toLowerCase()},W${suffix.toLowerCase()}`;
}
