/**
 * The common configuration structure of virtio over PCI (Virtual I/O Device 1.2, §4.1.4.3).
 *
 *     +00 device feature select    device feature          driver feature select    driver feature
 *     +10 config vector, queues    status, generation, queue select
 *     +18 queue: size, vector      enable, notify offset   descriptors u64
 *     +28        driver area u64                           device area u64
 *
 * Drivers write fields in their own width, and those of 64 bits as two halves; other writes are ignored.
 */

import type { AccessSize, IoHandler } from '../../base/bus.ts';
import type { VirtioPciState } from './virtio-pci.ts';
import { NO_VECTOR, type VirtqueueState } from './virtqueue.ts';

const DEVICE_FEATURE_SELECT = 0x00;
const DEVICE_FEATURE = 0x04;
const DRIVER_FEATURE_SELECT = 0x08;
const DRIVER_FEATURE = 0x0c;
const CONFIG_VECTOR = 0x10;
const STATUS = 0x14;
const QUEUE_SELECT = 0x16;
const QUEUE_SIZE = 0x18;
const QUEUE_VECTOR = 0x1a;
const QUEUE_ENABLE = 0x1c;
const ADDRESSES = 0x20;
const ADDRESSES_END = 0x38;

const STATUS_FEATURES_OK = 8;

export interface CommonHost {
  readonly state: VirtioPciState;
  /** All that are offered. */
  readonly features: bigint;
  readonly queueSizes: readonly number[];
  readonly vectors: number;
  /** The driver has said that it is ready: what it set up stays as it is. */
  isFixed(): boolean;
  statusWritten(status: number): void;
}

const AREAS = ['descriptors', 'available', 'used'] as const;

export class CommonConfiguration implements IoHandler {
  readonly #host: CommonHost;

  constructor(host: CommonHost) {
    this.#host = host;
  }

  get #queue(): VirtqueueState | undefined {
    const { state } = this.#host;
    return state.queues[state.queueSelect];
  }

  read(offset: number, size: AccessSize): number {
    const word = this.#word(offset & ~3) >>> (8 * (offset & 3));
    return size === 4 ? word : word & (2 ** (8 * size) - 1);
  }

  #word(offset: number): number {
    const { state, features, queueSizes } = this.#host;
    const queue = this.#queue;
    switch (offset) {
      case DEVICE_FEATURE_SELECT:
        return state.deviceFeatureSelect;
      case DEVICE_FEATURE:
        return half(features, state.deviceFeatureSelect);
      case DRIVER_FEATURE_SELECT:
        return state.driverFeatureSelect;
      case DRIVER_FEATURE:
        return half(state.driverFeatures, state.driverFeatureSelect);
      case CONFIG_VECTOR:
        return state.configVector | (queueSizes.length << 16);
      case STATUS:
        return state.status | (state.generation << 8) | (state.queueSelect << 16);
      case QUEUE_SIZE:
        return queue ? queue.size | (queue.vector << 16) : NO_VECTOR << 16;
      case QUEUE_ENABLE:
        return queue ? (queue.enabled ? 1 : 0) | (state.queueSelect << 16) : 0;
      default: {
        const area = queue && AREAS[(offset - ADDRESSES) >> 3];
        return area && offset >= ADDRESSES ? half(queue[area], (offset >> 2) & 1) : 0;
      }
    }
  }

  write(offset: number, value: number, size: AccessSize): void {
    if (size === 4) this.#write32(offset, value);
    else if (size === 2) this.#write16(offset, value);
    else if (offset === STATUS) this.#host.statusWritten(value);
  }

  #write32(offset: number, value: number): void {
    const { state, isFixed } = this.#host;
    if (offset === DEVICE_FEATURE_SELECT) state.deviceFeatureSelect = value;
    else if (offset === DRIVER_FEATURE_SELECT) state.driverFeatureSelect = value;
    else if (offset === DRIVER_FEATURE) {
      if (state.driverFeatureSelect > 1 || state.status & STATUS_FEATURES_OK) return;
      state.driverFeatures = withHalf(state.driverFeatures, state.driverFeatureSelect, value);
    } else if (offset >= ADDRESSES && offset < ADDRESSES_END && offset % 4 === 0) {
      const queue = this.#queue;
      const area = AREAS[(offset - ADDRESSES) >> 3];
      if (queue === undefined || area === undefined || queue.enabled || isFixed()) return;
      queue[area] = withHalf(queue[area], (offset >> 2) & 1, value);
    }
  }

  #write16(offset: number, value: number): void {
    const { state, queueSizes, vectors, isFixed } = this.#host;
    const vector = value < vectors ? value : NO_VECTOR;
    const queue = this.#queue;
    if (offset === CONFIG_VECTOR) state.configVector = vector;
    else if (offset === QUEUE_SELECT) state.queueSelect = value;
    else if (queue === undefined) return;
    else if (offset === QUEUE_VECTOR) queue.vector = vector;
    else if (queue.enabled || isFixed()) return;
    else if (offset === QUEUE_SIZE) queue.size = Math.min(value, queueSizes[state.queueSelect] as number);
    else if (offset === QUEUE_ENABLE && value === 1) queue.enabled = true;
  }
}

function half(value: bigint, which: number): number {
  return which > 1 ? 0 : Number((value >> BigInt(32 * which)) & 0xffff_ffffn);
}

function withHalf(value: bigint, which: number, bits: number): bigint {
  const shift = BigInt(32 * which);
  return (value & ~(0xffff_ffffn << shift)) | (BigInt(bits >>> 0) << shift);
}
