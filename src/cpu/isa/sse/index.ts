/** All MMX and SSE instructions. */

import type { Instruction } from '../instruction.ts';
import { aes } from './aes.ts';
import { approximations } from './approximate.ts';
import { carryLess } from './carry-less.ts';
import { sseControl } from './control.ts';
import { toFloats } from './convert-float.ts';
import { toIntegers } from './convert-integer.ts';
import { extensions } from './extend.ts';
import { floatArithmetic } from './float-arithmetic.ts';
import { floatCompare } from './float-compare.ts';
import { floatExtrema } from './float-extrema.ts';
import { floatHorizontal } from './float-horizontal.ts';
import { floatLogic } from './float-logic.ts';
import { horizontal } from './horizontal.ts';
import { insertExtract } from './insert-extract.ts';
import { packedIntegers } from './integer.ts';
import { masks } from './masks.ts';
import { vectorMoves } from './moves.ts';
import { packedMultiply } from './multiply.ts';
import { packedShifts } from './packed-shifts.ts';
import { partialMoves } from './partial-moves.ts';
import { rounding } from './round.ts';
import { sha } from './sha.ts';
import { shuffles } from './shuffles.ts';
import { stringCompare } from './string-compare.ts';
import { unpackAndPack } from './unpack.ts';

export const sse: readonly Instruction[] = [
  ...vectorMoves,
  ...partialMoves,
  ...masks,
  ...packedIntegers,
  ...packedShifts,
  ...unpackAndPack,
  ...shuffles,
  ...packedMultiply,
  ...horizontal,
  ...insertExtract,
  ...extensions,
  ...floatLogic,
  ...floatArithmetic,
  ...floatExtrema,
  ...floatCompare,
  ...toIntegers,
  ...toFloats,
  ...floatHorizontal,
  ...rounding,
  ...approximations,
  ...stringCompare,
  ...aes,
  ...carryLess,
  ...sha,
  ...sseControl,
];
