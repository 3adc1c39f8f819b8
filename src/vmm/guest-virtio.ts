/** Makes the virtio devices that a guest's options name. */

import { VivariumError } from '../base/errors.ts';
import { MOST_PORTS, VirtioConsole } from '../devices/virtio/virtio-console.ts';
import type { VirtioDevice } from '../devices/virtio/virtio-device.ts';
import { VirtioRng } from '../devices/virtio/virtio-rng.ts';
import { MOST_VIRTIO_DEVICES } from '../machine/pci-root.ts';
import type { GuestVirtio, VirtioHost } from './guest-options.ts';

export interface VirtioSurroundings extends VirtioHost {
  random(count: number): Uint8Array;
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
    case 'custom':
      return wanted.make({ memory: host.memory, clock: host.clock, wake: () => host.wake() });
    default:
      throw badOption(`There is no virtio device of the kind ${wanted.kind}.`);
  }
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
