/**
 * Frames of the guest agent's protocol: numbers, and how payloads are made and read. docs/agent.md is the specification.
 *
 *      0        4      5          9
 *     +--------+------+----------+---------+
 *     | length | type | stream   | payload |
 *     +--------+------+----------+---------+
 */

export const CHANNEL_NAME = 'vivarium.agent';
/** The newest that this side speaks; agents of older snapshots speak 1. */
export const PROTOCOL_VERSION = 2;
/** The first with BIND and NETWORK. */
export const VERSION_WITH_BIND = 2;
export const MAGIC = 'vivarium';
export const NONCE_BYTES = 16;

/** Length, type and stream. */
export const HEADER_BYTES = 9;
export const MAX_FRAME_BYTES = 32768;
export const MAX_PAYLOAD_BYTES = MAX_FRAME_BYTES - HEADER_BYTES;
/** A request sent in pieces. */
export const MAX_REQUEST_BYTES = 256 << 10;
/** Zeros that end whatever frame an agent is in the midst of. */
export const PREAMBLE_BYTES = MAX_FRAME_BYTES;
/** Credit for a stream's input to begin with. */
export const INPUT_WINDOW = 65536;
export const MAX_CREDIT = 0x7fffffff;
export const MAX_ENTROPY_BYTES = 4096;

/** Types of frames to the agent. */
export const ToAgent = {
  HELLO: 0x01,
  MORE: 0x02,
  EXEC: 0x10,
  READ: 0x11,
  WRITE: 0x12,
  LIST: 0x13,
  STAT: 0x14,
  MKDIR: 0x15,
  REMOVE: 0x16,
  RENAME: 0x17,
  CHMOD: 0x18,
  CHOWN: 0x19,
  SYMLINK: 0x1a,
  READLINK: 0x1b,
  MOUNT: 0x20,
  SYNC: 0x21,
  POWER: 0x22,
  CLOCK: 0x23,
  ENTROPY: 0x24,
  RESIZE: 0x25,
  BIND: 0x26,
  NETWORK: 0x27,
  INPUT: 0x40,
  CREDIT: 0x41,
  SIGNAL: 0x42,
  WINDOW: 0x43,
  CANCEL: 0x44,
} as const;

/** Types of frames from the agent. */
export const FromAgent = { HELLO: 0x81, REFUSED: 0x82, CREDIT: 0xc0, OUTPUT: 0xc1, ERRORS: 0xc2, EXIT: 0xc3 } as const;

/** The first byte of EXIT. */
export const How = { ENDED: 0, KILLED: 1, FAILED: 2 } as const;

export const ExecFlag = { TERMINAL: 1, OWN_ENVIRONMENT: 2 } as const;
export const WriteFlag = { CREATE: 1, TRUNCATE: 2, EXCLUSIVE: 4, APPEND: 8 } as const;
export const StatFlag = { FOLLOW: 1 } as const;
export const MkdirFlag = { PARENTS: 1 } as const;
export const RemoveFlag = { RECURSIVE: 1 } as const;
export const MountFlag = { READ_ONLY: 1 } as const;

/** User or group: the agent's, or as it is. */
export const UNCHANGED_ID = 0xffffffff;

export const OUTPUT_WAY = 1;
export const ERRORS_WAY = 2;

export interface Frame {
  readonly type: number;
  readonly stream: number;
  readonly payload: Uint8Array;
}

/** A whole frame; `payload` has MAX_PAYLOAD_BYTES at most. */
export function encodeFrame(type: number, stream: number, payload: Uint8Array): Uint8Array {
  const frame = new Uint8Array(HEADER_BYTES + payload.length);
  const view = new DataView(frame.buffer);
  view.setUint32(0, frame.length - 4, true);
  frame[4] = type;
  view.setUint32(5, stream, true);
  frame.set(payload, HEADER_BYTES);
  return frame;
}

const encoder = new TextEncoder();

/** A payload, field by field. */
export class PayloadWriter {
  #bytes = new Uint8Array(64);
  #length = 0;

  u8(value: number): this {
    this.#bytes[this.#grow(1)] = value;
    return this;
  }

  u16(value: number): this {
    const at = this.#grow(2);
    this.#view.setUint16(at, value, true);
    return this;
  }

  u32(value: number): this {
    const at = this.#grow(4);
    this.#view.setUint32(at, value, true);
    return this;
  }

  u64(value: bigint): this {
    const at = this.#grow(8);
    this.#view.setBigUint64(at, value, true);
    return this;
  }

  bytes(value: Uint8Array): this {
    const at = this.#grow(value.length);
    this.#bytes.set(value, at);
    return this;
  }

  /** With its NUL; the text must have none. */
  string(value: string): this {
    return this.bytes(encoder.encode(value)).u8(0);
  }

  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  get #view(): DataView {
    return new DataView(this.#bytes.buffer);
  }

  #grow(count: number): number {
    const at = this.#length;
    this.#length += count;
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#length, this.#bytes.length * 2));
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    return at;
  }
}

/** Of a file or directory in the guest. Times are milliseconds since 1970, as Date has them. */
export interface GuestFileInfo {
  readonly kind: 'file' | 'directory' | 'link' | 'character-device' | 'block-device' | 'pipe' | 'socket' | 'unknown';
  /** Permissions: the lowest 12 bits of `st_mode`. */
  readonly mode: number;
  readonly user: number;
  readonly group: number;
  readonly links: number;
  readonly bytes: number;
  readonly modifiedMs: number;
  readonly inode: bigint;
  readonly device: bigint;
}

export interface GuestDirectoryEntry extends GuestFileInfo {
  readonly name: string;
}

/** The record of STAT and LIST. */
export const RECORD_BYTES = 48;

/** S_IFMT of Linux, by its upper four bits. */
const KINDS: Record<number, GuestFileInfo['kind']> = {
  1: 'pipe',
  2: 'character-device',
  4: 'directory',
  6: 'block-device',
  8: 'file',
  10: 'link',
  12: 'socket',
};

export function readRecord(view: DataView, at: number): GuestFileInfo {
  const mode = view.getUint32(at, true);
  return {
    kind: KINDS[(mode >>> 12) & 15] ?? 'unknown',
    mode: mode & 0o7777,
    user: view.getUint32(at + 4, true),
    group: view.getUint32(at + 8, true),
    links: view.getUint32(at + 12, true),
    bytes: Number(view.getBigUint64(at + 16, true)),
    modifiedMs: Number(view.getBigInt64(at + 24, true)) / 1e6,
    inode: view.getBigUint64(at + 32, true),
    device: view.getBigUint64(at + 40, true),
  };
}
