/** Virtio entropy device (Virtual I/O Device 1.2, §5.4 "Entropy Device"). */

import { defineState, type StateOf } from '../../base/state.ts';
import { Device } from '../device.ts';
import { DEVICE_ENTROPY, type VirtioDevice } from './virtio-device.ts';
import type { Virtqueue } from './virtqueue.ts';

/** A request is answered with so many at most; drivers ask again. */
const MOST_BYTES = 1024;

const rngState = defineState('virtio-rng', 1, {});

export class VirtioRng extends Device<StateOf<typeof rngState>> implements VirtioDevice {
  readonly deviceId = DEVICE_ENTROPY;
  readonly features = 0n;
  readonly queueSizes = [8];
  /** Encryption controller of another kind. */
  readonly classCode = 0x10_80_00;
  readonly #random: (count: number) => Uint8Array;
  #queue: Virtqueue | undefined;

  constructor(host: { random(count: number): Uint8Array }) {
    super(rngState);
    this.#random = host.random;
  }

  override reset(): void {
    super.reset();
    this.#queue = undefined;
  }

  readConfig(): number {
    return 0;
  }

  writeConfig(): void {}

  started(_features: bigint, [queue]: readonly Virtqueue[]): void {
    this.#queue = queue;
  }

  notified(): void {
    const queue = this.#queue;
    for (let chain = queue?.take(); queue && chain; chain = queue.take()) {
      queue.complete(chain, chain.write(0, this.#random(Math.min(chain.writableBytes, MOST_BYTES))));
    }
  }
}
