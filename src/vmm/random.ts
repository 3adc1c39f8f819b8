/** The guest's random numbers (RDRAND, RDSEED, boot seed): xorshift128+, seeded, so that a run can be repeated. */
export class Random {
  #a: bigint;
  #b: bigint;

  constructor(seed: number) {
    const mix = (x: bigint): bigint => {
      let z = BigInt.asUintN(64, x + 0x9e3779b97f4a7c15n);
      z = BigInt.asUintN(64, (z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
      z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d049bb133111ebn);
      return z ^ (z >> 31n);
    };
    this.#a = mix(BigInt(Math.floor(seed)));
    this.#b = mix(this.#a) | 1n;
  }

  next(): bigint {
    let x = this.#a;
    const y = this.#b;
    this.#a = y;
    x ^= BigInt.asUintN(64, x << 23n);
    this.#b = x ^ y ^ (x >> 17n) ^ (y >> 26n);
    return BigInt.asUintN(64, this.#b + y);
  }

  bytes(count: number): Uint8Array {
    const out = new Uint8Array(Math.ceil(count / 8) * 8);
    const view = new DataView(out.buffer);
    for (let i = 0; i < out.length; i += 8) view.setBigUint64(i, this.next(), true);
    return out.subarray(0, count);
  }

  /** For saving and restoring. */
  get state(): readonly [bigint, bigint] {
    return [this.#a, this.#b];
  }

  set state([a, b]: readonly [bigint, bigint]) {
    this.#a = a;
    this.#b = b;
  }
}
