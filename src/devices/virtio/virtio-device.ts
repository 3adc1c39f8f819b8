/**
 * What kind of device is behind a virtio transport (Virtual I/O Device 1.2, §2 "Basic Facilities of a Virtio Device").
 * The transport (virtio-pci.ts) has status, features, queues and interrupts; a device has its configuration space and
 * serves the queues.
 *
 * Nothing of a request may be kept outside declared state. What is taken from a queue and not completed when a snapshot is
 * taken comes from `take` again afterwards, oldest first: a device keeps at most how far it had come with it.
 */

import type { Stateful } from '../device.ts';
import type { Virtqueue } from './virtqueue.ts';

/** Device types (§5). */
export const DEVICE_NET = 1;
export const DEVICE_BLOCK = 2;
export const DEVICE_CONSOLE = 3;
export const DEVICE_ENTROPY = 4;
export const DEVICE_9P = 9;

/** What the transport lends. */
export interface VirtioTransport {
  /** The device changed its configuration by itself: a driver that runs is told. */
  configChanged(): void;
  /** The driver did what makes no sense: nothing more is served until it resets the device (§2.1.2). */
  fail(): void;
}

export interface VirtioDevice extends Stateful {
  /** §5: 1 net, 2 block, 3 console, ... */
  readonly deviceId: number;
  /** Of the device type: bits 0 to 23 and 50 up. Those of the queues and the transport are not the device's. */
  readonly features: bigint;
  /** How many entries each queue can have at most: powers of two, up to 1024. */
  readonly queueSizes: readonly number[];
  /** Of the PCI function: base class, sub-class and programming interface, 24 bits. */
  readonly classCode: number;
  /** What firmware finds in the function's expansion ROM, if it has one. */
  readonly rom?: Uint8Array | undefined;
  /** Device configuration; any offset: what is not there reads as 0 and swallows writes. */
  readConfig(offset: number, size: 1 | 2 | 4): number;
  writeConfig(offset: number, value: number, size: 1 | 2 | 4): void;
  /** Called once, when the device is plugged in. */
  attached?(transport: VirtioTransport): void;
  /**
   * The driver is ready and these features are agreed on: queues work from now on. Also after a restore, with `state` as it
   * was saved; nothing may be completed from within. Then `notified` comes, once for each queue.
   */
  started(features: bigint, queues: readonly Virtqueue[]): void;
  /** The driver has put something on a queue; comes between `started` and `reset` only. */
  notified(queue: number): void;
  /** By the driver, or the board: the queues are gone. */
  reset(): void;
}
