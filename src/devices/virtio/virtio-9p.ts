/**
 * Virtio 9P transport (the header of Linux's uapi/linux/virtio_9p.h; the device has number 9 in Virtual I/O Device 1.2, §5
 * "Device Types", and no section of its own): carries messages of 9P between a guest and a file server of the host.
 *
 *     queue 0         a request: the message to read, then room for the answer
 *     configuration   length u16, and so many bytes of a name by which the guest mounts it
 */

import type { FilePort } from '../../base/file-server.ts';
import { defineState, type StateOf } from '../../base/state.ts';
import { Device } from '../device.ts';
import { DEVICE_9P, type VirtioDevice } from './virtio-device.ts';
import type { Virtqueue } from './virtqueue.ts';

const F_MOUNT_TAG = 1n << 0n;
const QUEUE_ENTRIES = 128;
/** Of a message, and of the room for its answer: the rest is not looked at. */
export const LARGEST_MESSAGE_BYTES = 1 << 20;
/** Requests that the server has at a time: it serves them one by one, and the guest's queue keeps the others. */
const MOST_UNDER_WAY = 16;
export const LONGEST_TAG_BYTES = 255;

/** Chains that are taken are kept by the queue; what the guest has open is the server's. */
const state9p = defineState('virtio-9p', 1, {});

export class Virtio9p extends Device<StateOf<typeof state9p>> implements VirtioDevice {
  readonly deviceId = DEVICE_9P;
  readonly features = F_MOUNT_TAG;
  readonly queueSizes = [QUEUE_ENTRIES];
  /** Mass storage controller of another kind. */
  readonly classCode = 0x01_80_00;
  readonly #files: FilePort;
  readonly #config: Uint8Array;
  readonly #stateBytes = super.save().length;
  #queue: Virtqueue | undefined;
  #underWay = 0;

  constructor(tag: string, files: FilePort) {
    super(state9p);
    this.#files = files;
    const name = new TextEncoder().encode(tag);
    if (name.length === 0 || name.length > LONGEST_TAG_BYTES) throw new RangeError('The tag is empty, or too long');
    this.#config = Uint8Array.of(name.length, 0, ...name);
  }

  override reset(): void {
    super.reset();
    this.#queue = undefined;
    this.#underWay = 0;
    this.#files.reset();
  }

  override save(): Uint8Array {
    const own = super.save();
    const files = this.#files.save();
    const saved = new Uint8Array(own.length + files.length);
    saved.set(own);
    saved.set(files, own.length);
    return saved;
  }

  override restore(saved: Uint8Array): void {
    super.restore(saved.subarray(0, this.#stateBytes));
    this.#files.restore(saved.subarray(this.#stateBytes));
  }

  readConfig(offset: number, size: number): number {
    let value = 0;
    for (let i = 0; i < size; i++) value |= (this.#config[offset + i] ?? 0) << (8 * i);
    return value;
  }

  writeConfig(): void {}

  started(_: bigint, queues: readonly Virtqueue[]): void {
    this.#files.abandon();
    this.#underWay = 0;
    this.#queue = queues[0];
  }

  notified(): void {
    const queue = this.#queue;
    while (queue && this.#underWay < MOST_UNDER_WAY) {
      const chain = queue.take();
      if (chain === undefined) return;
      const message = new Uint8Array(Math.min(chain.readableBytes, LARGEST_MESSAGE_BYTES));
      const length = chain.read(0, message);
      const room = Math.min(chain.writableBytes, LARGEST_MESSAGE_BYTES);
      this.#underWay++;
      this.#files.request(message.subarray(0, length), room, (answer) => {
        this.#underWay--;
        queue.complete(chain, chain.write(0, answer));
        this.notified();
      });
    }
  }
}
