/**
 * What an embedder can bring of its own: disks, channels, networks, files, devices. All but devices work in the caller's
 * thread, wherever the machine runs: their calls travel as messages.
 */

import type { Clock } from '../../base/clock.ts';
import type { GuestMemory } from '../../base/dma.ts';
import type { VirtioDevice } from '../../devices/virtio/virtio-device.ts';

export type { BlockProblem } from '../../base/block.ts';
/** Storage of a disk. Requests come one at a time. Reject with a BlockError, or the guest sees an I/O error. */
export { type BlockBackend, BlockError, SECTOR_BYTES } from '../../base/block.ts';
/** A port of a virtio console, in the guest /dev/virtio-ports/NAME or /dev/vportNpM. */
export type { ChannelBackend, ChannelPort } from '../../base/channel.ts';
export type { Clock, Timer } from '../../base/clock.ts';
export type { GuestMemory } from '../../base/dma.ts';
export type { VirtioDevice, VirtioTransport } from '../../devices/virtio/virtio-device.ts';
export type { VirtioChain, Virtqueue } from '../../devices/virtio/virtqueue.ts';
/** A tree of files of an embedder's own. Reject with a FileError, or the guest sees EIO. */
export { type ErrorName, FileError } from '../../files/errors.ts';
export type * from '../../files/file-tree.ts';

/** The guest's end of the wire, as a network of an embedder's sees it. */
export interface NetworkWire {
  /** Of the guest's card: six bytes. */
  readonly mac: Uint8Array;
  /**
   * A frame for the guest: Ethernet, 14 to 1518 bytes, without FCS. The bytes are copied. What the guest does not take in
   * time is dropped, as on any wire: at most 256 frames wait.
   */
  send(frame: Uint8Array): void;
}

export interface NetworkBackend {
  /** Called once, before the guest runs. */
  attach(wire: NetworkWire): void;
  /** A frame from the guest, which is the back end's to keep. */
  received(frame: Uint8Array): void;
}

/** The network that the machine has itself: 10.0.2.0/24 with DHCP and DNS, and sockets of the host. Node only. */
export interface UserNetworkOptions {
  /** As `tcp:127.0.0.1:8022-:22`: listen there, pass on to the guest's port. */
  readonly forwards?: readonly string[];
  /** As `tcp:8000`: the guest reaches this service of the host's loopback at 10.0.2.2. Nothing of the host otherwise. */
  readonly open?: readonly string[];
}

/** What a device is lent. */
export interface DeviceHost {
  readonly memory: GuestMemory;
  readonly clock: Clock;
  /** Something was completed between slices: an idle guest should look. */
  wake(): void;
}

/** What options there are is between an embedder and its device. */
export type MakeDevice<Options = never> = (host: DeviceHost, options?: Options) => VirtioDevice;

/**
 * A virtio device of an embedder's own. It works where the machine does, so it is named by a module, which the worker
 * imports: its default export is called with what the device is lent and with `options`. With `worker: false` it may be
 * the function itself.
 */
export type CustomDevice =
  | MakeDevice
  | {
      readonly module: URL | string;
      /** Anything that structured clones can have. */
      readonly options?: unknown;
    };
