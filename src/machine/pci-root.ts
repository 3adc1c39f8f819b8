/**
 * The PCI bus of a board: host bridge, the bridge to ISA that routes interrupts, and what is plugged in. Slots, ports and
 * interrupts are those of QEMU's "pc", which firmware and operating systems know.
 */

import type { Bus, IoHandler } from '../base/bus.ts';
import type { GuestMemory } from '../base/dma.ts';
import type { IrqLine } from '../base/irq.ts';
import type { VideoMemory } from '../base/screen.ts';
import type { ApicBus } from '../devices/apic-bus.ts';
import type { Stateful } from '../devices/device.ts';
import { I440fx, type ShadowRange } from '../devices/pci/i440fx.ts';
import { PciBus, type PciFunction } from '../devices/pci/pci-bus.ts';
import { COMMAND, COMMAND_MEMORY } from '../devices/pci/pci-config.ts';
import { Piix3 } from '../devices/pci/piix3.ts';
import type { ResetControl } from '../devices/reset-control.ts';
import type { VirtioDevice } from '../devices/virtio/virtio-device.ts';
import { VirtioPci } from '../devices/virtio/virtio-pci.ts';
import * as at from './pc-layout.ts';

/** What the board lends. */
export interface PciSurroundings {
  readonly ports: Bus;
  readonly mmio: Bus;
  readonly apics: ApicBus;
  irq(number: number): IrqLine;
  part<T extends Stateful>(name: string, device: T): T;
}

export interface PciRootHost {
  readonly resetControl: ResetControl;
  /** Only where there is firmware does the host bridge decide on what is below 1 MiB. */
  shadow(ranges: readonly ShadowRange[]): void;
  mapVideo(memory: VideoMemory, base: number | undefined): void;
}

/** Virtio devices of a board, in the order of their slots. */
export interface BoardVirtio {
  readonly memory: GuestMemory;
  readonly devices: readonly VirtioDevice[];
}

export const FIRST_VIRTIO_SLOT = 8;
export const MOST_VIRTIO_DEVICES = 16;
const FIRST_BAR = 0x10;

export class PciRoot {
  readonly bus: PciBus;
  /** SMIACT# of the processor. */
  readonly smiact: IrqLine;
  readonly #board: PciSurroundings;
  readonly #virtio: VirtioPci[] = [];

  constructor(board: PciSurroundings, { resetControl, shadow, mapVideo }: PciRootHost) {
    this.#board = board;
    const { ports, mmio } = board;
    const piix3 = new Piix3({ isa: Array.from({ length: at.ISA_INTERRUPTS }, (_, irq) => board.irq(irq)) });
    const reset: IoHandler = {
      read: (offset, size) => (offset === 1 && size === 1 ? resetControl.read() : 0xffff_ffff),
      write: (offset, value, size) => {
        if (offset === 1 && size === 1) resetControl.write(0, value);
      },
    };
    this.bus = board.part('pci', new PciBus({ ports, mmio, interrupts: piix3.pirqs, mapVideo, beside: reset }));
    ports.map(at.PCI_ADDRESS_PORT, 4, this.bus.address);
    ports.map(at.PCI_DATA_PORT, 4, this.bus.data);
    this.smiact = this.plug('i440fx', 0, 0, new I440fx({ shadow })).smiact;
    this.plug('piix3', 1, 0, piix3);
  }

  plug<T extends PciFunction>(name: string, slot: number, number: number, device: T): T {
    this.bus.attach(slot, number, device);
    // First, for a device that goes on with a transfer when it is restored asks whether it may.
    this.#board.part(`${name}-config`, device.config);
    this.#board.part(name, device);
    return device;
  }

  plugVirtio({ memory, devices }: BoardVirtio): void {
    if (devices.length > MOST_VIRTIO_DEVICES) {
      throw new RangeError(`There are slots for ${MOST_VIRTIO_DEVICES} virtio devices`);
    }
    devices.forEach((device, index) => {
      const slot = FIRST_VIRTIO_SLOT + index;
      const name = `virtio${index}`;
      const message = (address: number, data: number): void => this.#board.apics.messageSignalled(address, data);
      // Before its transport, which goes on with it when it is restored.
      this.#board.part(`${name}-device`, device);
      const transport = new VirtioPci(device, { memory, irq: this.bus.intx(slot, 1), message });
      this.#virtio.push(this.plug(name, slot, 0, transport));
    });
  }

  /** As firmware would do it: gives virtio devices their places in memory. */
  placeVirtio(): void {
    this.#virtio.forEach(({ config }, index) => {
      const sizeBytes = config.bars[0]?.sizeBytes ?? 0;
      config.write(FIRST_BAR, at.PCI_MEMORY_BASE + index * sizeBytes, 4);
      config.write(COMMAND, COMMAND_MEMORY, 2);
    });
  }

  /** After a restore, when all parts are as they were. */
  resume(): void {
    for (const transport of this.#virtio) transport.resume();
  }
}
