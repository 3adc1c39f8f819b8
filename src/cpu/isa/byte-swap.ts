/** Reversing the bytes of a value, for BSWAP and MOVBE. */

import type { Algebra, Value } from '../algebra.ts';
import { widthOf } from './widths.ts';

export function byteSwap(m: Algebra, a: Value): Value {
  const width = widthOf(a);
  switch (width) {
    case 8:
      return a;
    case 16:
      return m.or(m.shl(a, 8), m.shr(a, 8));
    case 32: {
      const odd = m.and(m.rotl(a, 8), m.const(32, 0x00ff00ff));
      const even = m.and(m.rotr(a, 8), m.const(32, 0xff00ff00));
      return m.or(odd, even);
    }
    case 64: {
      const high = m.zext(byteSwap(m, m.trunc(a, 32)), 64);
      const low = m.zext(byteSwap(m, m.trunc(m.shr(a, 32), 32)), 64);
      return m.or(m.shl(high, 32), low);
    }
  }
}
