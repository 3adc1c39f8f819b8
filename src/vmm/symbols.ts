/** Names for addresses of guest code, from any number of symbol files. */

export interface CodeSymbol {
  readonly name: string;
  readonly address: bigint;
  /** What is at `end` or beyond is not this symbol's, even where no other begins. */
  readonly end: bigint;
  /** Of two at one address the lower one counts. */
  readonly rank: number;
}

/** `memcpy` rather than `__memcpy`. */
export function nameRank(name: string): number {
  return Math.min(name.search(/[^_]|$/), 15);
}

export class SymbolTable {
  readonly #symbols: readonly CodeSymbol[];
  readonly #addresses: BigUint64Array<ArrayBuffer>;

  constructor(symbols: readonly CodeSymbol[]) {
    const sorted = [...symbols].sort((a, b) =>
      a.address < b.address ? -1 : a.address > b.address ? 1 : a.rank - b.rank,
    );
    this.#symbols = sorted.filter(({ address }, i) => i === 0 || address !== sorted[i - 1].address);
    this.#addresses = BigUint64Array.from(this.#symbols, ({ address }) => address);
  }

  /** The symbol nearest below decides. */
  nameAt(address: bigint): string | undefined {
    let low = 0;
    let high = this.#addresses.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#addresses[middle] <= address) low = middle + 1;
      else high = middle;
    }
    const symbol = this.#symbols[low - 1];
    return symbol !== undefined && address < symbol.end ? symbol.name : undefined;
  }

  addressOf(name: string): bigint | undefined {
    return this.#symbols.find((symbol) => symbol.name === name)?.address;
  }
}
