/**
 * AHCI host bus adapter, as in Intel's ICH9 (Intel "Serial ATA AHCI Specification", revision 1.3.1; Intel I/O Controller
 * Hub 9 data sheet, 316972-004, chapter 15 "SATA Controller Registers (D31:F2)"): six ports, 32 command slots each, native
 * command queueing, 64-bit addresses. Registers are in BAR 5, in words of 32 bits.
 *
 *     Ahci  generic host control, PCI, the interrupt       AhciPort  one port's registers and commands
 *
 * Disks and CD-ROM drives are those of the IDE folder, told to speak of a serial link.
 * Not modelled: the legacy and index/data interfaces, message signalled interrupts, command completion coalescing,
 * enclosure management.
 */

import type { BlockPort, Drive } from '../../base/block.ts';
import type { AccessSize, IoHandler } from '../../base/bus.ts';
import type { GuestMemory } from '../../base/dma.ts';
import type { IrqLine } from '../../base/irq.ts';
import { defineState, list, type StateOf, u32 } from '../../base/state.ts';
import { Device } from '../device.ts';
import { AtapiCdrom } from '../ide/atapi-cdrom.ts';
import { ideUnitState } from '../ide/ide-unit-state.ts';
import { PciConfig } from '../pci/pci-config.ts';
import { AhciPort } from './port.ts';
import * as at from './registers.ts';
import { SataDisk } from './sata-disk.ts';

export const AHCI_PORTS = 6;
const AHCI_BYTES = 0x1000;

/** 64-bit addresses, queueing, command list override, 3 Gbit/s, AHCI only, 32 slots, 6 ports. */
const CAPABILITIES = 0xc124_1f05;
const ALL_PORTS = (1 << AHCI_PORTS) - 1;
const VERSION = 0x0001_0301;

const ahciState = defineState('ahci', 1, {
  control: u32({ initial: at.GHC_AHCI }),
  interruptStatus: u32(),
  ports: list(at.portState, AHCI_PORTS),
  units: list(ideUnitState, AHCI_PORTS),
});

/** What is connected to a port. */
export type AhciAttachment =
  | { readonly kind: 'disk'; readonly medium: BlockPort; readonly serial?: string; readonly model?: string }
  | { readonly kind: 'cdrom'; readonly drive: Drive; readonly serial?: string };

export interface AhciHost {
  readonly memory: GuestMemory;
  /** INTA. */
  readonly irq: IrqLine;
  /** By port. */
  readonly attachments: readonly (AhciAttachment | undefined)[];
}

export class Ahci extends Device<StateOf<typeof ahciState>> {
  readonly config: PciConfig;
  /** Of BAR 5. */
  readonly registers: IoHandler;
  readonly #irq: IrqLine;
  readonly #ports: readonly AhciPort[];

  constructor(host: AhciHost) {
    super(ahciState);
    this.#irq = host.irq;
    this.registers = {
      read: (offset, size) => this.#read(offset, size),
      write: (offset, value, size) => this.#write(offset, value, size),
    };
    this.config = new PciConfig({
      identity: { vendor: 0x8086, device: 0x2922, revision: 2, classCode: 0x01_06_01, interruptPin: 1 },
      bars: [{ index: 5, space: 'memory', sizeBytes: AHCI_BYTES, handler: this.registers }],
      written: () => this.#configured(),
    });
    this.#ports = this.state.ports.map((state, index) => {
      const port = new AhciPort(state, {
        memory: host.memory,
        isBusMaster: () => this.config.busMaster,
        interruptChanged: () => this.#collect(index),
      });
      this.#connect(port, index, host.attachments[index]);
      return port;
    });
    this.#powerOn();
  }

  #connect(port: AhciPort, index: number, attachment: AhciAttachment | undefined): void {
    const unit = this.state.units[index];
    const serial = attachment?.serial ?? `VIVA${index.toString().padStart(4, '0')}`;
    if (attachment?.kind === 'disk') {
      const { errorLog } = this.state.ports[index];
      const names = { ...attachment, serial };
      port.attach(new SataDisk(unit, port.unitHost, attachment.medium, names, errorLog), attachment.medium);
    } else if (attachment?.kind === 'cdrom') {
      port.attach(new AtapiCdrom(unit, port.unitHost, attachment.drive, { serial, isSerial: true }));
    }
  }

  /** As by the reset line: trays stay as they are. */
  override reset(): void {
    const openTrays = this.state.units.map(({ isTrayOpen }) => isTrayOpen);
    super.reset();
    this.state.units.forEach((unit, index) => {
      unit.isTrayOpen = openTrays[index];
    });
    this.#powerOn();
  }

  #powerOn(): void {
    for (const port of this.#ports) port.powerOn();
  }

  protected override derive(): void {
    for (const port of this.#ports) port.derive();
    this.#drive();
  }

  /** The guest wrote to configuration space: a transfer may have waited for the function to become master. */
  #configured(): void {
    for (const port of this.#ports) port.allowed();
    this.#drive();
  }

  // ---- Registers ---------------------------------------------------------------------------------------------------

  #read(offset: number, size: AccessSize): number {
    const inRegister = offset & 3;
    if (inRegister + size > 4) return 0xffff_ffff; // AHCI 1.3.1 §3 "HBA Memory Registers": aligned accesses only
    return this.#readRegister(offset & ~3) >>> (inRegister * 8);
  }

  #readRegister(register: number): number {
    const s = this.state;
    switch (register) {
      case at.CAP:
        return CAPABILITIES;
      case at.GHC:
        return s.control;
      case at.IS:
        return s.interruptStatus;
      case at.PI:
        return ALL_PORTS;
      case at.VS:
        return VERSION;
      default:
        return this.#portAt(register)?.read(register % at.PORT_BYTES) ?? 0;
    }
  }

  #write(offset: number, value: number, size: AccessSize): void {
    if (size !== 4 || offset & 3) return;
    const s = this.state;
    switch (offset) {
      case at.GHC:
        s.control = (at.GHC_AHCI | (value & at.GHC_INTERRUPTS)) >>> 0;
        if (value & at.GHC_RESET) this.#resetAdapter();
        this.#drive();
        return;
      case at.IS:
        s.interruptStatus = (s.interruptStatus & ~value) >>> 0;
        this.#ports.forEach((_, index) => {
          this.#collect(index);
        });
        return;
      default:
        this.#portAt(offset)?.write(offset % at.PORT_BYTES, value);
    }
  }

  #portAt(register: number): AhciPort | undefined {
    return register < at.PORTS ? undefined : this.#ports[Math.floor((register - at.PORTS) / at.PORT_BYTES)];
  }

  #resetAdapter(): void {
    this.state.control = at.GHC_AHCI;
    for (const port of this.#ports) port.reset();
    this.state.interruptStatus = 0;
  }

  // ---- The interrupt -----------------------------------------------------------------------------------------------

  /** What a port has to tell stays in IS until the driver clears it there, too. */
  #collect(index: number): void {
    const s = this.state;
    if (this.#ports[index]?.interrupts) s.interruptStatus = (s.interruptStatus | (1 << index)) >>> 0;
    this.#drive();
  }

  #drive(): void {
    const { control, interruptStatus } = this.state;
    const enabled = (control & at.GHC_INTERRUPTS) !== 0 && !this.config.interruptDisabled;
    this.#irq.set(enabled && interruptStatus !== 0);
  }
}
