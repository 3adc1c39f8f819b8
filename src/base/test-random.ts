/** Random numbers for tests. */

/** A whole number from 0, below the one given. */
export type Random = (below: number) => number;

/** xorshift32: the same numbers for the same seed, in every run. */
export function generator(seed: number): Random {
  let x = seed;
  return (below) => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return Math.floor(((x >>> 0) / 2 ** 32) * below);
  };
}
