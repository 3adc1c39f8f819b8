/** Finds frames in what comes from the agent, however it is cut; docs/agent.md, "The channel" and "Connections". */

import {
  FromAgent,
  HEADER_BYTES,
  MAGIC,
  MAX_FRAME_BYTES,
  MAX_PAYLOAD_BYTES,
  NONCE_BYTES,
  PayloadWriter,
} from './protocol.ts';

const ANSWER_PAYLOAD_BYTES = MAGIC.length + NONCE_BYTES + 8;
const ANSWER_BYTES = HEADER_BYTES + ANSWER_PAYLOAD_BYTES;

/** What the agent says of itself in its HELLO. */
export interface Answer {
  readonly version: number;
  readonly maxStreams: number;
}

/** Looks for the one HELLO that has our nonce, and keeps no more than might be its beginning. */
export class AnswerFinder {
  readonly #wanted: Uint8Array;
  #kept: Uint8Array = new Uint8Array(0);

  constructor(nonce: Uint8Array) {
    this.#wanted = new PayloadWriter()
      .u32(ANSWER_BYTES - 4)
      .u8(FromAgent.HELLO)
      .u32(0)
      .bytes(new TextEncoder().encode(MAGIC))
      .bytes(nonce)
      .finish();
  }

  /** The answer and what came behind it, once it is there. */
  push(chunk: Uint8Array): { readonly answer: Answer; readonly rest: Uint8Array } | undefined {
    const bytes = new Uint8Array(this.#kept.length + chunk.length);
    bytes.set(this.#kept);
    bytes.set(chunk, this.#kept.length);
    const last = bytes.length - ANSWER_BYTES;
    for (let at = 0; at <= last; at++) {
      if (!this.#isAt(bytes, at)) continue;
      const view = new DataView(bytes.buffer, at + this.#wanted.length);
      const answer = { version: view.getUint32(0, true), maxStreams: view.getUint32(4, true) };
      return { answer, rest: bytes.subarray(at + ANSWER_BYTES) };
    }
    this.#kept = bytes.slice(Math.max(0, last + 1));
    return undefined;
  }

  #isAt(bytes: Uint8Array, at: number): boolean {
    for (let i = 0; i < this.#wanted.length; i++) if (bytes[at + i] !== this.#wanted[i]) return false;
    return true;
  }
}

/** Calls `onFrame` for each whole frame, with a payload that stays as it is. */
export class FrameReader {
  readonly #onFrame: (type: number, stream: number, payload: Uint8Array) => void;
  /** The beginning of a frame whose end has not come. */
  readonly #partial = new Uint8Array(MAX_FRAME_BYTES);
  #partialLength = 0;

  constructor(onFrame: (type: number, stream: number, payload: Uint8Array) => void) {
    this.#onFrame = onFrame;
  }

  /** What is wrong with the bytes, if anything is. `isWanted` tells whether frames are still wanted after each. */
  push(chunk: Uint8Array, isWanted: () => boolean): string | undefined {
    let at = 0;
    while (at < chunk.length && isWanted()) {
      if (this.#partialLength > 0) {
        at += this.#fill(chunk, at, HEADER_BYTES);
        if (this.#partialLength < HEADER_BYTES) return undefined;
      }
      const source = this.#partialLength > 0 ? this.#partial : chunk;
      const start = this.#partialLength > 0 ? 0 : at;
      if (source === chunk && chunk.length - at < HEADER_BYTES) {
        at += this.#fill(chunk, at, HEADER_BYTES);
        return undefined;
      }
      const view = new DataView(source.buffer, source.byteOffset + start, HEADER_BYTES);
      const payloadBytes = view.getUint32(0, true) - 5;
      if (payloadBytes < 0 || payloadBytes > MAX_PAYLOAD_BYTES) return `there is no frame of ${payloadBytes} bytes`;
      const frameBytes = HEADER_BYTES + payloadBytes;
      let payload: Uint8Array;
      if (source === chunk) {
        if (chunk.length - at < frameBytes) {
          this.#fill(chunk, at, frameBytes);
          return undefined;
        }
        payload = chunk.subarray(at + HEADER_BYTES, at + frameBytes);
        at += frameBytes;
      } else {
        at += this.#fill(chunk, at, frameBytes);
        if (this.#partialLength < frameBytes) return undefined;
        payload = this.#partial.slice(HEADER_BYTES, frameBytes);
        this.#partialLength = 0;
      }
      this.#onFrame(view.getUint8(4), view.getUint32(5, true), payload);
    }
    return undefined;
  }

  /** Moves bytes to the partial frame until it has `length`. Returns how many. */
  #fill(chunk: Uint8Array, at: number, length: number): number {
    const count = Math.max(0, Math.min(length - this.#partialLength, chunk.length - at));
    this.#partial.set(chunk.subarray(at, at + count), this.#partialLength);
    this.#partialLength += count;
    return count;
  }
}
