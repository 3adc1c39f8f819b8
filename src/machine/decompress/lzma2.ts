/**
 * Decodes LZMA2, the compression inside .xz files: chunks of LZMA or of plain bytes over one history
 * (Igor Pavlov, LZMA SDK, "LZMA specification"; the chunk layer as in Linux, Documentation/staging/xz.rst).
 *
 * The whole output is one buffer, so it is its own dictionary.
 */

/** Chunk control bytes. */
const END = 0x00;
const PLAIN_RESET_HISTORY = 0x01;
const PLAIN = 0x02;
const LZMA = 0x80;
/** What a compressed chunk resets, in bits 6:5 of its control byte; each includes those before it. */
const RESET_STATE = 1;
const RESET_PROPERTIES = 2;
const RESET_HISTORY = 3;

/** A probability that a bit is zero, in 11 bits, begins as one half. */
const HALF = 1 << 10;
const PROBABILITY_BITS = 11;
const ADAPTATION_SHIFT = 5;

const STATES = 12;
const POSITION_STATES = 16;
const MINIMUM_MATCH = 2;
/** Distance slots from here on have their low four bits in one shared tree. */
const FIRST_ALIGNED_SLOT = 14;
const ALIGN_BITS = 4;

// Where each family of probabilities begins in the one array that holds all.
const IS_MATCH = 0;
const IS_REPEAT = IS_MATCH + STATES * POSITION_STATES;
const IS_REPEAT0 = IS_REPEAT + STATES;
const IS_REPEAT1 = IS_REPEAT0 + STATES;
const IS_REPEAT2 = IS_REPEAT1 + STATES;
const IS_LONG_REPEAT0 = IS_REPEAT2 + STATES;
const DISTANCE_SLOT = IS_LONG_REPEAT0 + STATES * POSITION_STATES;
const DISTANCE_MIDDLE = DISTANCE_SLOT + 4 * 64;
const DISTANCE_ALIGN = DISTANCE_MIDDLE + 128;
const MATCH_LENGTH = DISTANCE_ALIGN + (1 << ALIGN_BITS);
// A length: choice, choice2, then trees of 8 and 8 for each position state, and one of 256.
const LENGTH_LOW = 2;
const LENGTH_MIDDLE = LENGTH_LOW + POSITION_STATES * 8;
const LENGTH_HIGH = LENGTH_MIDDLE + POSITION_STATES * 8;
const LENGTH_SIZE = LENGTH_HIGH + 256;
const REPEAT_LENGTH = MATCH_LENGTH + LENGTH_SIZE;
const LITERAL = REPEAT_LENGTH + LENGTH_SIZE;
const LITERAL_CODER_SIZE = 0x300;
/** LZMA2 allows at most lc + lp = 4. */
const PROBABILITIES = LITERAL + (LITERAL_CODER_SIZE << 4);

export interface Decoded {
  /** Bytes of input used. */
  readonly read: number;
  /** End of the output written. */
  readonly written: number;
}

/** Decodes the LZMA2 stream at the start of `input` to output[from...]; undefined when it is damaged. */
export function decodeLzma2(input: Uint8Array, output: Uint8Array, from: number): Decoded | undefined {
  const lzma = new LzmaDecoder(input, output, from);
  let read = 0;
  let fresh = true; // Nothing has defined the history, the properties and the state yet.
  let hasProperties = false;
  let hasState = false;
  while (read < input.length) {
    const control = input[read];
    if (control === END) return { read: read + 1, written: lzma.written };
    if (control > PLAIN && control < LZMA) return undefined;
    const header = control >= LZMA ? 5 : 3;
    if (read + header + 1 > input.length) return undefined;
    const word = (at: number) => (input[at] << 8) | input[at + 1];

    if (control < LZMA) {
      if (control === PLAIN_RESET_HISTORY) lzma.resetHistory();
      else if (fresh) return undefined;
      fresh = false;
      const length = word(read + 1) + 1;
      read += header;
      if (!lzma.copyPlain(read, length)) return undefined;
      read += length;
      continue;
    }

    const resets = (control >> 5) & 3;
    const plainLength = ((control & 0x1f) << 16) + word(read + 1) + 1;
    const packedLength = word(read + 3) + 1;
    read += header;
    if (resets === RESET_HISTORY) lzma.resetHistory();
    else if (fresh) return undefined;
    fresh = false;
    if (resets >= RESET_PROPERTIES) {
      if (!lzma.setProperties(input[read++])) return undefined;
      hasProperties = true;
    }
    if (!hasProperties) return undefined;
    if (resets >= RESET_STATE) {
      lzma.resetState();
      hasState = true;
    }
    if (!hasState || !lzma.decodeChunk(read, packedLength, plainLength)) return undefined;
    read += packedLength;
  }
  return undefined;
}

class LzmaDecoder {
  readonly #input: Uint8Array;
  readonly #output: Uint8Array;
  readonly #probabilities = new Uint16Array(PROBABILITIES);
  /** Matches may not reach before this. */
  #historyStart: number;
  written: number;
  #read = 0;
  #range = 0;
  #code = 0;
  #state = 0;
  #distance0 = 0;
  #distance1 = 0;
  #distance2 = 0;
  #distance3 = 0;
  #literalContextBits = 0;
  #literalPositionMask = 0;
  #positionMask = 0;

  constructor(input: Uint8Array, output: Uint8Array, from: number) {
    this.#input = input;
    this.#output = output;
    this.#historyStart = from;
    this.written = from;
  }

  resetHistory(): void {
    this.#historyStart = this.written;
  }

  /** Takes the byte (pb * 5 + lp) * 9 + lc; false when it makes no sense. */
  setProperties(byte: number): boolean {
    const contextBits = byte % 9;
    const positionBits = Math.floor(byte / 9) % 5;
    if (byte >= 9 * 5 * 5 || contextBits + positionBits > 4) return false;
    this.#literalContextBits = contextBits;
    this.#literalPositionMask = (1 << positionBits) - 1;
    this.#positionMask = (1 << Math.floor(byte / 45)) - 1;
    return true;
  }

  resetState(): void {
    this.#probabilities.fill(HALF);
    this.#state = 0;
    this.#distance0 = this.#distance1 = this.#distance2 = this.#distance3 = 0;
  }

  copyPlain(read: number, length: number): boolean {
    if (read + length > this.#input.length || this.written + length > this.#output.length) return false;
    this.#output.set(this.#input.subarray(read, read + length), this.written);
    this.written += length;
    return true;
  }

  /** Decodes one chunk; false when it is damaged. */
  decodeChunk(read: number, packedLength: number, plainLength: number): boolean {
    const end = this.written + plainLength;
    if (packedLength < 5 || read + packedLength > this.#input.length || end > this.#output.length) return false;
    const input = this.#input;
    this.#code = ((input[read + 1] << 24) | (input[read + 2] << 16) | (input[read + 3] << 8) | input[read + 4]) >>> 0;
    this.#range = 0xffff_ffff;
    this.#read = read + 5;
    while (this.written < end) {
      if (!this.#decodeSymbol(end)) return false;
    }
    this.#normalize();
    // The encoder flushes so that this comes out as zero; damage almost never does.
    return this.#code === 0 && this.#read === read + packedLength;
  }

  /** One literal or one match; false when a match reaches out of the history or over the end of the chunk. */
  #decodeSymbol(end: number): boolean {
    const state = this.#state;
    const positionState = (this.written - this.#historyStart) & this.#positionMask;
    if (this.#bit(IS_MATCH + state * POSITION_STATES + positionState) === 0) {
      if (state >= 7 && this.#distance0 >= this.written - this.#historyStart) return false;
      this.#decodeLiteral(state);
      return true;
    }
    let length: number;
    if (this.#bit(IS_REPEAT + state) === 0) {
      this.#distance3 = this.#distance2;
      this.#distance2 = this.#distance1;
      this.#distance1 = this.#distance0;
      length = this.#decodeLength(MATCH_LENGTH, positionState);
      this.#distance0 = this.#decodeDistance(length);
      this.#state = state < 7 ? 7 : 10;
    } else if (this.#isShortRepeat(state, positionState)) {
      length = 1;
      this.#state = state < 7 ? 9 : 11;
    } else {
      length = this.#decodeLength(REPEAT_LENGTH, positionState);
      this.#state = state < 7 ? 8 : 11;
    }
    return this.#copyMatch(this.#distance0 + 1, length, end);
  }

  /** Brings the repeated distance to the front; true for the one-byte form. */
  #isShortRepeat(state: number, positionState: number): boolean {
    if (this.#bit(IS_REPEAT0 + state) === 0) {
      return this.#bit(IS_LONG_REPEAT0 + state * POSITION_STATES + positionState) === 0;
    }
    let distance = this.#distance1;
    if (this.#bit(IS_REPEAT1 + state) === 1) {
      distance = this.#distance2;
      if (this.#bit(IS_REPEAT2 + state) === 1) {
        distance = this.#distance3;
        this.#distance3 = this.#distance2;
      }
      this.#distance2 = this.#distance1;
    }
    this.#distance1 = this.#distance0;
    this.#distance0 = distance;
    return false;
  }

  #decodeLiteral(state: number): void {
    const output = this.#output;
    const position = this.written - this.#historyStart;
    const previous = position > 0 ? output[this.written - 1] : 0;
    const context =
      ((position & this.#literalPositionMask) << this.#literalContextBits) +
      (previous >> (8 - this.#literalContextBits));
    const coder = LITERAL + LITERAL_CODER_SIZE * context;
    let symbol = 1;
    if (state >= 7) {
      // After a match, the byte the match would have gone on with chooses the tree until the two part.
      let expected = output[this.written - this.#distance0 - 1] << 1;
      let tree = 0x100;
      while (symbol < 0x100) {
        const expectedBit = expected & tree;
        expected <<= 1;
        if (this.#bit(coder + tree + expectedBit + symbol) === 1) {
          symbol = (symbol << 1) | 1;
          tree = expectedBit;
        } else {
          symbol <<= 1;
          tree &= ~expectedBit;
        }
      }
    } else {
      while (symbol < 0x100) symbol = (symbol << 1) | this.#bit(coder + symbol);
    }
    output[this.written++] = symbol;
    this.#state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6;
  }

  #decodeLength(base: number, positionState: number): number {
    if (this.#bit(base) === 0) return MINIMUM_MATCH + this.#tree(base + LENGTH_LOW + positionState * 8, 3);
    if (this.#bit(base + 1) === 0) return MINIMUM_MATCH + 8 + this.#tree(base + LENGTH_MIDDLE + positionState * 8, 3);
    return MINIMUM_MATCH + 16 + this.#tree(base + LENGTH_HIGH, 8);
  }

  /** The distance less one. */
  #decodeDistance(length: number): number {
    const slot = this.#tree(DISTANCE_SLOT + Math.min(length - MINIMUM_MATCH, 3) * 64, 6);
    if (slot < 4) return slot;
    const lowBits = (slot >> 1) - 1;
    const high = (2 | (slot & 1)) << lowBits;
    if (slot < FIRST_ALIGNED_SLOT) return high + this.#reverseTree(DISTANCE_MIDDLE + high - slot, lowBits);
    const middle = this.#evenBits(lowBits - ALIGN_BITS) << ALIGN_BITS;
    return (high + middle + this.#reverseTree(DISTANCE_ALIGN, ALIGN_BITS)) >>> 0;
  }

  #copyMatch(distance: number, length: number, end: number): boolean {
    const start = this.written;
    if (distance > start - this.#historyStart || start + length > end) return false;
    const output = this.#output;
    for (let i = start; i < start + length; i++) output[i] = output[i - distance];
    this.written = start + length;
    return true;
  }

  /** A number of `width` bits, each under the node of a tree that the bits before it chose. */
  #tree(base: number, width: number): number {
    let node = 1;
    for (let i = 0; i < width; i++) node = (node << 1) | this.#bit(base + node);
    return node - (1 << width);
  }

  /** The same, lowest bit first. */
  #reverseTree(base: number, width: number): number {
    let node = 1;
    let value = 0;
    for (let i = 0; i < width; i++) {
      const bit = this.#bit(base + node);
      node = (node << 1) | bit;
      value |= bit << i;
    }
    return value;
  }

  /** `count` bits that are one as often as zero. */
  #evenBits(count: number): number {
    let value = 0;
    for (let i = 0; i < count; i++) {
      this.#normalize();
      this.#range >>>= 1;
      const one = this.#code >= this.#range;
      if (one) this.#code -= this.#range;
      value = (value << 1) | (one ? 1 : 0);
    }
    return value;
  }

  /** One bit under an adaptive probability. */
  #bit(index: number): 0 | 1 {
    this.#normalize();
    const probability = this.#probabilities[index];
    const bound = (this.#range >>> PROBABILITY_BITS) * probability;
    if (this.#code < bound) {
      this.#range = bound;
      this.#probabilities[index] = probability + (((1 << PROBABILITY_BITS) - probability) >> ADAPTATION_SHIFT);
      return 0;
    }
    this.#range -= bound;
    this.#code -= bound;
    this.#probabilities[index] = probability - (probability >> ADAPTATION_SHIFT);
    return 1;
  }

  #normalize(): void {
    if (this.#range >= 0x100_0000) return;
    this.#range = (this.#range << 8) >>> 0;
    this.#code = ((this.#code << 8) | this.#input[this.#read++]) >>> 0;
  }
}
