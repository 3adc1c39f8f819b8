/**
 * Virtio block device (Virtual I/O Device 1.2, §5.2 "Block Device"): a disk on a BlockPort.
 *
 *     request   type u32, reserved u32, sector u64; data either way; status u8, the last byte that can be written
 *
 * Not modelled: geometry, topology, discard, writing zeroes, several queues, a write cache to be switched off.
 */

import { type BlockPort, type BlockProblem, SECTOR_BYTES } from '../../base/block.ts';
import { defineState, type StateOf } from '../../base/state.ts';
import { Device } from '../device.ts';
import { DEVICE_BLOCK, type VirtioDevice, type VirtioTransport } from './virtio-device.ts';
import type { VirtioChain, Virtqueue } from './virtqueue.ts';

const F_SEG_MAX = 1n << 2n;
const F_RO = 1n << 5n;
const F_BLK_SIZE = 1n << 6n;
const F_FLUSH = 1n << 9n;

const CONFIG_BYTES = 24;
const CONFIG_SEG_MAX = 12;
const CONFIG_BLK_SIZE = 20;

const TYPE_IN = 0;
const TYPE_OUT = 1;
const TYPE_FLUSH = 4;
const TYPE_GET_ID = 8;
const STATUS_OK = 0;
const STATUS_IOERR = 1;
const STATUS_UNSUPP = 2;

const HEADER_BYTES = 16;
export const SERIAL_BYTES = 20;
const ENTRIES = 256;
/** With header and status a chain has room for these. */
const SEGMENTS = ENTRIES - 2;
/** One request to the host. */
const PIECE_BYTES = 2 ** 20;
/** Of requests to the host under way: they have buffers. */
const MOST_BYTES_UNDER_WAY = 8 * 2 ** 20;

const blockState = defineState('virtio-block', 1, {});

export class VirtioBlock extends Device<StateOf<typeof blockState>> implements VirtioDevice {
  readonly deviceId = DEVICE_BLOCK;
  readonly features: bigint;
  readonly queueSizes = [ENTRIES];
  readonly classCode = 0x01_00_00;
  readonly #medium: BlockPort;
  readonly #serial = new Uint8Array(SERIAL_BYTES);
  readonly #config = new DataView(new ArrayBuffer(CONFIG_BYTES));
  #transport: VirtioTransport | undefined;
  #queue: Virtqueue | undefined;
  #bytesUnderWay = 0;

  constructor(medium: BlockPort, serial = '') {
    super(blockState);
    this.#medium = medium;
    this.features = F_SEG_MAX | F_BLK_SIZE | F_FLUSH | (medium.readOnly ? F_RO : 0n);
    this.#serial.set(new TextEncoder().encode(serial).subarray(0, SERIAL_BYTES));
    this.#config.setBigUint64(0, BigInt(Math.floor(medium.sizeBytes / SECTOR_BYTES)), true);
    this.#config.setUint32(CONFIG_SEG_MAX, SEGMENTS, true);
    this.#config.setUint32(CONFIG_BLK_SIZE, SECTOR_BYTES, true);
  }

  override reset(): void {
    super.reset();
    this.#forget();
  }

  #forget(): void {
    this.#medium.abandon();
    this.#queue = undefined;
    this.#bytesUnderWay = 0;
  }

  attached(transport: VirtioTransport): void {
    this.#transport = transport;
  }

  readConfig(offset: number, size: number): number {
    let value = 0;
    for (let i = 0; i < size && offset + i < CONFIG_BYTES; i++) value |= this.#config.getUint8(offset + i) << (8 * i);
    return value;
  }

  writeConfig(): void {}

  started(_features: bigint, [queue]: readonly Virtqueue[]): void {
    this.#forget();
    this.#queue = queue;
  }

  notified(): void {
    while (this.#bytesUnderWay < MOST_BYTES_UNDER_WAY) {
      const chain = this.#queue?.take();
      if (chain === undefined) break;
      this.#serve(chain);
    }
  }

  #serve(chain: VirtioChain): void {
    const header = new DataView(new ArrayBuffer(HEADER_BYTES));
    // What has no header, or no room for an answer, is no request.
    if (chain.read(0, new Uint8Array(header.buffer)) < HEADER_BYTES || chain.writableBytes === 0) {
      this.#transport?.fail();
      return;
    }
    const sector = header.getBigUint64(8, true);
    const room = chain.writableBytes - 1;
    switch (header.getUint32(0, true)) {
      case TYPE_IN:
        if (this.#isInside(sector, room)) this.#read(chain, Number(sector) * SECTOR_BYTES, room, 0);
        else this.#end(chain, 'io', 0);
        break;
      case TYPE_OUT: {
        const length = chain.readableBytes - HEADER_BYTES;
        if (this.#isInside(sector, length)) this.#write(chain, Number(sector) * SECTOR_BYTES, length, 0);
        else this.#end(chain, 'io', 0);
        break;
      }
      case TYPE_FLUSH:
        this.#request(0, (done) => this.#medium.flush((problem) => done(() => this.#end(chain, problem, 0))));
        break;
      case TYPE_GET_ID:
        this.#end(chain, undefined, chain.write(0, this.#serial.subarray(0, Math.min(room, SERIAL_BYTES))));
        break;
      default:
        this.#answer(chain, STATUS_UNSUPP, 0);
    }
  }

  #isInside(sector: bigint, length: number): boolean {
    const { sizeBytes } = this.#medium;
    if (length === 0 || length % SECTOR_BYTES !== 0 || length > sizeBytes) return false;
    return sector <= BigInt((sizeBytes - length) / SECTOR_BYTES);
  }

  /** Piece by piece, one after the other. */
  #read(chain: VirtioChain, offset: number, length: number, from: number): void {
    const count = Math.min(PIECE_BYTES, length - from);
    this.#request(count, (done) =>
      this.#medium.read(offset + from, count, (result) =>
        done(() => {
          if (!(result instanceof Uint8Array)) this.#end(chain, result, from);
          else if (chain.write(from, result) === count && from + count < length) {
            this.#read(chain, offset, length, from + count);
          } else this.#end(chain, undefined, from + count);
        }),
      ),
    );
  }

  #write(chain: VirtioChain, offset: number, length: number, from: number): void {
    const piece = new Uint8Array(Math.min(PIECE_BYTES, length - from));
    if (chain.read(HEADER_BYTES + from, piece) < piece.length) return;
    this.#request(piece.length, (done) =>
      this.#medium.write(offset + from, piece, (problem) =>
        done(() => {
          if (problem === undefined && from + piece.length < length) {
            this.#write(chain, offset, length, from + piece.length);
          } else this.#end(chain, problem, 0);
        }),
      ),
    );
  }

  /** Keeps account of a request to the host; when it is done, others may have room. */
  #request(bytes: number, make: (done: (then: () => void) => void) => void): void {
    this.#bytesUnderWay += bytes;
    make((then) => {
      this.#bytesUnderWay -= bytes;
      then();
      this.notified();
    });
  }

  #end(chain: VirtioChain, problem: BlockProblem | undefined, written: number): void {
    this.#answer(chain, problem === undefined ? STATUS_OK : STATUS_IOERR, written);
  }

  #answer(chain: VirtioChain, status: number, written: number): void {
    chain.write(chain.writableBytes - 1, Uint8Array.of(status));
    this.#queue?.complete(chain, written + 1);
  }
}
