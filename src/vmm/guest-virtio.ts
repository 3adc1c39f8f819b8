/** Makes the virtio devices that a guest's options name. */

import type { BlockBackend, BlockPort } from '../base/block.ts';
import { VivariumError } from '../base/errors.ts';
import type { FilePort, FileServer } from '../base/file-server.ts';
import { LONGEST_TAG_BYTES, Virtio9p } from '../devices/virtio/virtio-9p.ts';
import { SERIAL_BYTES, VirtioBlock } from '../devices/virtio/virtio-block.ts';
import { MOST_PORTS, VirtioConsole } from '../devices/virtio/virtio-console.ts';
import type { VirtioDevice } from '../devices/virtio/virtio-device.ts';
import { VirtioNet } from '../devices/virtio/virtio-net.ts';
import { VirtioRng } from '../devices/virtio/virtio-rng.ts';
import { MOST_VIRTIO_DEVICES } from '../machine/pci-root.ts';
import type { GuestNetwork, GuestNic, GuestVirtio, VirtioHost } from './guest-options.ts';

export interface VirtioSurroundings extends VirtioHost {
  port(backend: BlockBackend): BlockPort;
  connect(nic: Omit<GuestNic, 'model'>): GuestNetwork;
  random(count: number): Uint8Array;
  files(server: FileServer): FilePort;
}

/** In the order of their slots. Throws VivariumError for what does not fit. */
export function makeVirtio(wanted: readonly GuestVirtio[], host: VirtioSurroundings): VirtioDevice[] {
  if (wanted.length > MOST_VIRTIO_DEVICES) {
    throw badOption(`A guest can have ${MOST_VIRTIO_DEVICES} virtio devices, not ${wanted.length}.`);
  }
  return wanted.map((one) => make(one, host));
}

function make(wanted: GuestVirtio, host: VirtioSurroundings): VirtioDevice {
  switch (wanted.kind) {
    case 'console':
      if (wanted.ports.length > MOST_PORTS) {
        throw badOption(`A virtio console can have ${MOST_PORTS} ports, not ${wanted.ports.length}.`);
      }
      return new VirtioConsole(wanted.ports, host);
    case 'rng':
      return new VirtioRng(host);
    case '9p':
      if (!isTag(wanted.tag)) throw badOption(`A share needs a tag of 1 to ${LONGEST_TAG_BYTES} bytes.`);
      return new Virtio9p(wanted.tag, host.files(wanted.server));
    case 'block': {
      const bytes = new TextEncoder().encode(wanted.serial).length;
      if (bytes > SERIAL_BYTES) throw badOption(`A disk's serial number has ${SERIAL_BYTES} bytes, not ${bytes}.`);
      return new VirtioBlock(host.port(wanted.backend), wanted.serial);
    }
    case 'net': {
      const network = host.connect(wanted.nic);
      const { mac, rom } = wanted.nic;
      const device = new VirtioNet({ mac, rom, network, clock: host.clock, wake: () => host.wake() });
      network.attach(device);
      return device;
    }
    case 'custom':
      return wanted.make({ memory: host.memory, clock: host.clock, wake: () => host.wake() });
  }
}

function isTag(tag: string): boolean {
  const { length } = new TextEncoder().encode(tag);
  return length > 0 && length <= LONGEST_TAG_BYTES;
}

/** What must be the same after a restore. */
export function describeVirtio(one: GuestVirtio): string {
  switch (one.kind) {
    case 'console':
      return [one.kind, ...one.ports.map(({ name }) => name)].join(' ');
    case '9p':
      return `${one.kind} ${one.tag}`;
    case 'block':
      return `${one.kind} of ${one.backend.sizeBytes} bytes${one.backend.readOnly ? ', read-only' : ''}`;
    case 'net':
      return [one.kind, ...[...one.nic.mac].map((byte) => byte.toString(16).padStart(2, '0'))].join(' ');
    default:
      return one.kind;
  }
}

function badOption(message: string): VivariumError {
  return new VivariumError({ kind: 'bad-option' }, message);
}
