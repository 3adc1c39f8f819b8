/** Mathematical constants as integers of many bits, from their series: nothing to mistype. */

/** Bits after the point while summing. */
const GUARD = 200n;
const ONE = 1n << GUARD;

/** arctan(numerator / denominator) times 2^GUARD, by Gregory's series. */
function arctangent(numerator: bigint, denominator: bigint): bigint {
  const square = numerator * numerator;
  const squareBelow = denominator * denominator;
  let power = (ONE * numerator) / denominator;
  let sum = 0n;
  for (let n = 1n; power !== 0n; n += 2n) {
    sum += n % 4n === 1n ? power / n : -power / n;
    power = (power * square) / squareBelow;
  }
  return sum;
}

/** artanh(1 / denominator) times 2^GUARD. */
function areaTangent(denominator: bigint): bigint {
  let power = ONE / denominator;
  let sum = 0n;
  for (let n = 1n; power !== 0n; n += 2n) {
    sum += power / n;
    power /= denominator * denominator;
  }
  return sum;
}

function scaled(value: bigint, bits: bigint): bigint {
  return bits <= GUARD ? value >> (GUARD - bits) : value << (bits - GUARD);
}

/** Machin: pi / 4 = 4 arctan(1/5) - arctan(1/239). */
const quarterPi = 4n * arctangent(1n, 5n) - arctangent(1n, 239n);
/** ln 2 = 2 artanh(1/3). */
const ln2 = 2n * areaTangent(3n);

/** pi * 2^bits, cut. */
export function piBits(bits: bigint): bigint {
  return scaled(4n * quarterPi, bits);
}

/** ln 2 * 2^128. */
export const LN2 = scaled(ln2, 128n);
/** 1 / ln 2 * 2^127. */
export const LOG2_E = (ONE << 127n) / ln2;

/** arctan(numerator / denominator) * 2^128 for arguments up to 1. */
export function arctangentBits(numerator: number, denominator: number): bigint {
  const value = numerator === denominator ? quarterPi : arctangent(BigInt(numerator), BigInt(denominator));
  return scaled(value, 128n);
}
