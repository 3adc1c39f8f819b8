/** Counts what goes through disks and networks, for statistics. */

import type { BlockBackend, DiskLayer } from '../base/block.ts';
import type { NetworkDevice } from '../base/network.ts';
import type { GuestNetwork } from '../vmm/guest-options.ts';
import type { DriveStats, VmStats } from './types/vm.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export class CountedDisk implements BlockBackend {
  readonly stats: Mutable<DriveStats> = { reads: 0, readBytes: 0, writes: 0, writtenBytes: 0 };
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  readonly name?: string;
  readonly layer?: DiskLayer;
  readonly version?: () => Promise<string>;
  readonly readNow?: (offset: number, into: Uint8Array) => void;
  readonly writeNow?: (offset: number, from: Uint8Array) => void;
  readonly #disk: BlockBackend;

  /** `readOnly`: whatever the disk says. */
  constructor(disk: BlockBackend, readOnly: boolean) {
    this.#disk = disk;
    this.sizeBytes = disk.sizeBytes;
    this.readOnly = readOnly || disk.readOnly;
    if (disk.name !== undefined) this.name = disk.name;
    if (disk.layer) this.layer = disk.layer;
    if (disk.version) this.version = () => (disk.version as () => Promise<string>)();
    if (disk.readNow) {
      this.readNow = (offset, into) => {
        this.#read(into.length);
        disk.readNow?.(offset, into);
      };
    }
    if (disk.writeNow) {
      this.writeNow = (offset, from) => {
        this.#written(from.length);
        disk.writeNow?.(offset, from);
      };
    }
  }

  read(offset: number, into: Uint8Array): Promise<void> {
    this.#read(into.length);
    return this.#disk.read(offset, into);
  }

  write(offset: number, from: Uint8Array): Promise<void> {
    this.#written(from.length);
    return this.#disk.write(offset, from);
  }

  flush(): Promise<void> {
    return this.#disk.flush();
  }

  close(): Promise<void> {
    return this.#disk.close();
  }

  #read(bytes: number): void {
    this.stats.reads++;
    this.stats.readBytes += bytes;
  }

  #written(bytes: number): void {
    this.stats.writes++;
    this.stats.writtenBytes += bytes;
  }
}

/** `stats` go on where another network of the same machine has left them. */
export class CountedNetwork implements GuestNetwork {
  readonly #network: GuestNetwork;
  readonly #stats: Mutable<VmStats['network']>;

  constructor(network: GuestNetwork, stats: Mutable<VmStats['network']>) {
    this.#network = network;
    this.#stats = stats;
  }

  attach(device: NetworkDevice): void {
    const stats = this.#stats;
    const counted: NetworkDevice = {
      mac: device.mac,
      get canReceive() {
        return device.canReceive;
      },
      receive(frame) {
        const isTaken = device.receive(frame);
        if (isTaken) {
          stats.receivedFrames++;
          stats.receivedBytes += frame.length;
        }
        return isTaken;
      },
    };
    device.onReady = () => counted.onReady?.();
    this.#network.attach(counted);
  }

  send(frame: Uint8Array): void {
    this.#stats.sentFrames++;
    this.#stats.sentBytes += frame.length;
    this.#network.send(frame);
  }

  reset(): void {
    this.#network.reset?.();
  }
}

export function noTraffic(): Mutable<VmStats['network']> {
  return { sentFrames: 0, sentBytes: 0, receivedFrames: 0, receivedBytes: 0 };
}
