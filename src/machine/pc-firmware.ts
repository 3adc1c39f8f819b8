/**
 * What a board with firmware has beyond the one that kernels are loaded onto directly: PCI, storage, screen, network, and
 * what firmware asks of the board. Slots, ports and interrupts are those of QEMU's "pc", which firmware and operating
 * systems know.
 *
 *     00.0  82441FX host bridge        02.0  VGA                      04.0  AHCI, if it has drives
 *     01.0  PIIX3: ISA bridge          03.0, 05.0 and on: network     08.0 and on: virtio
 *     01.1  PIIX3: IDE
 *     01.3  PIIX4: power management    (bridges and virtio: pci-root.ts)
 */

import type { BlockPort } from '../base/block.ts';
import { Drive } from '../base/block.ts';
import type { Clock } from '../base/clock.ts';
import type { GuestMemory } from '../base/dma.ts';
import type { IrqLine } from '../base/irq.ts';
import type { NetworkDevice, NetworkPort } from '../base/network.ts';
import type { Screen, VideoMemory } from '../base/screen.ts';
import type { AcpiPm } from '../devices/acpi-pm.ts';
import { Ahci, type AhciAttachment } from '../devices/ahci/ahci.ts';
import { Dma8237 } from '../devices/dma-8237.ts';
import { Fdc82077 } from '../devices/fdc-82077.ts';
import { floppyFormat } from '../devices/fdc-formats.ts';
import { FW_CFG_CPUS, FW_CFG_MAX_CPUS, FW_CFG_RAM_SIZE, FwCfg } from '../devices/fw-cfg.ts';
import { type IdeAttachment, Piix3Ide } from '../devices/ide/piix3-ide.ts';
import { E1000 } from '../devices/nic/e1000/e1000.ts';
import { Pcnet } from '../devices/nic/pcnet.ts';
import { Rtl8139 } from '../devices/nic/rtl8139.ts';
import type { ShadowRange } from '../devices/pci/i440fx.ts';
import type { PciFunction } from '../devices/pci/pci-bus.ts';
import { Piix4Pm } from '../devices/pci/piix4-pm.ts';
import type { ResetControl } from '../devices/reset-control.ts';
import type { RtcMc146818 } from '../devices/rtc-mc146818.ts';
import { PciVga } from '../devices/vga/pci-vga.ts';
import { VGA_WINDOW, VGA_WINDOW_BYTES } from '../devices/vga/vga.ts';
import { DEVICE_BLOCK, DEVICE_NET } from '../devices/virtio/virtio-device.ts';
import { FLOPPY_CONTROLLER } from './acpi/dsdt.ts';
import { ACPI_TABLES_FILE, acpiFiles, acpiTables } from './acpi/tables.ts';
import { BOOT_ORDER_FILE, bootOrderFile } from './boot-order.ts';
import { type E820Entry, memoryMap } from './memory-map.ts';
import * as at from './pc-layout.ts';
import { type BoardVirtio, FIRST_VIRTIO_SLOT, PciRoot, type PciSurroundings } from './pci-root.ts';
import { smbiosFiles } from './smbios.ts';
import { StructWriter } from './struct-writer.ts';

export const NIC_MODELS = ['e1000', 'rtl8139', 'pcnet'] as const;
export type NicModel = (typeof NIC_MODELS)[number];

/** A drive of the board; units count from 0 on each bus: IDE has 4, AHCI 6, floppies 2. */
export interface BoardDrive {
  readonly bus: 'ide' | 'ahci' | 'floppy';
  readonly unit: number;
  readonly kind: 'disk' | 'cdrom' | 'floppy';
  readonly medium: BlockPort | undefined;
}

export interface BoardNic {
  readonly model: NicModel;
  readonly mac: Uint8Array;
  readonly rom?: Uint8Array | undefined;
  readonly port: NetworkPort;
}

/** Devices to try, in order: c disk, d CD-ROM, a floppy, n network. */
export type BootOrder = string;

export interface FirmwarePc {
  readonly memory: GuestMemory;
  readonly e820: readonly E820Entry[];
  readonly videoMemory: VideoMemory;
  readonly vgaBios: Uint8Array;
  /** Those of a kind are started from in the order in which they are here. */
  readonly drives: readonly BoardDrive[];
  readonly nics: readonly BoardNic[];
  readonly virtio?: BoardVirtio;
  readonly bootOrder: BootOrder;
  /** Firmware shows its boot menu, and waits so long for a key. */
  readonly bootMenuMs?: number;
  shadow(ranges: readonly ShadowRange[]): void;
  mapVideo(memory: VideoMemory, base: number | undefined): void;
}

/** What the board lends. */
export interface Surroundings extends PciSurroundings {
  readonly rtc: RtcMc146818;
}

export interface SharedParts {
  readonly clock: Clock;
  readonly resetControl: ResetControl;
  readonly pm: AcpiPm;
  /** SMI# of the processor. */
  smi(): void;
}

const VGA_SLOT = 2;
const NIC_SLOTS = [3, 5, 6, 7] as const;
const AHCI_SLOT = 4;
const MIB = 0x10_0000;
/** CMOS registers that firmware reads (SeaBIOS src/hw/rtc.h). */
const CMOS_FLOPPIES = 0x10;
const CMOS_EQUIPMENT = 0x14;
const CMOS_BASE_MEMORY = 0x15;
const CMOS_EXTENDED_MEMORY = [0x17, 0x30] as const;
const CMOS_MEMORY_ABOVE_16M = 0x34;
const CMOS_BOOT_FLAGS = 0x38;
const CMOS_BOOT_ORDER = 0x3d;
const CMOS_MEMORY_ABOVE_4G = 0x5b;
const EQUIPMENT_FPU_MOUSE = 0x06;
const EQUIPMENT_FLOPPY = 0x01;
const BOOT_CODES: Readonly<Record<string, number>> = { a: 1, c: 2, d: 3, n: 4 };

export class PciDevices {
  readonly screen: Screen;
  readonly nics: readonly NetworkDevice[];
  /** SMIACT# of the processor. */
  readonly smiact: IrqLine;
  /** By bus and unit, drives with removable media: `ide2`, `floppy0`. */
  readonly removable = new Map<string, Drive>();
  readonly root: PciRoot;
  readonly #powerManagement: Piix4Pm;
  readonly #board: Surroundings;
  readonly #host: FirmwarePc;

  constructor(board: Surroundings, { clock, resetControl, pm, smi }: SharedParts, host: FirmwarePc) {
    this.#board = board;
    this.#host = host;
    const { ports, mmio } = board;
    const { memory } = host;
    this.root = new PciRoot(board, {
      resetControl,
      shadow: (ranges) => host.shadow(ranges),
      mapVideo: (block, base) => host.mapVideo(block, base),
    });
    this.smiact = this.root.smiact;
    this.#storage(clock, memory);
    const registers = [
      [0, 4, pm.event],
      [4, 2, pm.control],
      [8, 4, pm.pmTimer],
    ] as const;
    this.#powerManagement = this.#plug('piix4-pm', 1, 3, new Piix4Pm({ ports, registers, smi }));
    const { apm } = this.#powerManagement;
    ports.map(at.POWER_CONTROL_PORT, 2, apm);

    const vga = this.#plug('vga', VGA_SLOT, 0, new PciVga({ clock, memory: host.videoMemory }));
    for (const { base, length, handler } of vga.ports) ports.map(base, length, handler);
    mmio.map(VGA_WINDOW, VGA_WINDOW_BYTES, vga.window);
    this.screen = vga.screen;
    this.nics = host.nics.map((nic, index) => this.#nic(nic, index, clock));
    if (host.virtio) this.root.plugVirtio(host.virtio);
    this.#firmware();
  }

  #plug<T extends PciFunction>(name: string, slot: number, number: number, device: T): T {
    return this.root.plug(name, slot, number, device);
  }

  // ---- Storage -----------------------------------------------------------------------------------------------------

  #attachments<A>(bus: BoardDrive['bus'], units: number, make: (drive: BoardDrive) => A): (A | undefined)[] {
    return Array.from({ length: units }, (_, unit) => {
      const drive = this.#host.drives.find((one) => one.bus === bus && one.unit === unit);
      return drive && make(drive);
    });
  }

  #drive({ bus, unit, medium }: BoardDrive): Drive {
    const drive = new Drive(medium);
    this.removable.set(`${bus}${unit}`, drive);
    return drive;
  }

  #storage(clock: Clock, memory: GuestMemory): void {
    const { ports } = this.#board;
    const attached = (drive: BoardDrive): IdeAttachment & AhciAttachment =>
      drive.kind === 'disk'
        ? { kind: 'disk', medium: drive.medium as BlockPort }
        : { kind: 'cdrom', drive: this.#drive(drive) };
    const [primary, secondary] = at.IDE_IRQS.map((irq) => this.#board.irq(irq)) as [IrqLine, IrqLine];
    const attachments = this.#attachments('ide', 4, attached);
    const ide = this.#plug('ide', 1, 1, new Piix3Ide({ memory, irqs: [primary, secondary], attachments }));
    for (const [i, channel] of [ide.primary, ide.secondary].entries()) {
      const { command, control } = at.IDE_PORTS[i] as (typeof at.IDE_PORTS)[0];
      ports.map(command, 8, channel.command);
      ports.map(control, 1, channel.control);
    }
    const serial = this.#attachments('ahci', 6, attached);
    if (serial.some((attachment) => attachment !== undefined)) {
      const irq = this.root.bus.intx(AHCI_SLOT, 1);
      this.#plug('ahci', AHCI_SLOT, 0, new Ahci({ memory, irq, attachments: serial }));
    }
    const dma = this.#board.part('dma', new Dma8237({ memory }));
    ports.map(at.DMA_FIRST_PORT, 16, dma.first);
    ports.map(at.DMA_PAGES_PORT, 16, dma.pages);
    ports.map(at.DMA_SECOND_PORT, 32, dma.second);
    const drives = this.#attachments('floppy', 2, (drive) => this.#drive(drive));
    const irq = this.#board.irq(at.FLOPPY_IRQ);
    const fdc = this.#board.part('fdc', new Fdc82077({ clock, irq, dma: dma.channel(at.FLOPPY_DMA), drives }));
    ports.map(at.FLOPPY_PORT, 6, fdc.registers);
    ports.map(at.FLOPPY_CHANGE_PORT, 1, fdc.changeLine);
  }

  #nic({ model, mac, rom, port }: BoardNic, index: number, clock: Clock): NetworkDevice {
    const slot = NIC_SLOTS[index];
    if (slot === undefined) throw new Error(`There are slots for ${NIC_SLOTS.length} network cards`);
    const host = { clock, irq: this.root.bus.intx(slot, 1), memory: this.#host.memory, network: port, mac, rom };
    const name = `nic${index}`;
    switch (model) {
      case 'e1000':
        return this.#plug(name, slot, 0, new E1000(host));
      case 'rtl8139':
        return this.#plug(name, slot, 0, new Rtl8139(host));
      case 'pcnet':
        return this.#plug(name, slot, 0, new Pcnet(host));
    }
  }

  // ---- What firmware is told ---------------------------------------------------------------------------------------

  #firmware(): void {
    const { memory, e820, vgaBios, drives, nics, bootOrder, bootMenuMs } = this.#host;
    const floppies = drives.filter(({ bus }) => bus === 'floppy');
    const fw = this.#board.part('fw-cfg', new FwCfg({ memory }));
    this.#board.ports.map(at.FW_CFG_PORT, 2, fw.registers);
    this.#board.ports.map(at.FW_CFG_DMA_PORT, 8, fw.dma);
    fw.number(FW_CFG_RAM_SIZE, memory.sizeBytes, 8);
    fw.number(FW_CFG_CPUS, 1, 2);
    fw.number(FW_CFG_MAX_CPUS, 1, 2);
    const map = new StructWriter();
    for (const { base, length, type } of e820) if (base >= MIB || base === 0) map.u64(base, length).u32(type);
    fw.file('etc/e820', map.finish());
    const devices = floppies.length > 0 ? [FLOPPY_CONTROLLER] : [];
    const about = { cpuCount: 1, isWholePc: true, devices };
    const tables = [...acpiFiles(about), ...smbiosFiles(memoryMap(memory.sizeBytes))];
    // SeaBIOS puts the registers where the tables have them; OVMF has a place of its own, and wants the tables to know.
    const renewed = (): Uint8Array => acpiTables({ ...about, pmBase: this.#powerManagement.pmBase });
    for (const { name, bytes } of tables) fw.file(name, bytes, name === ACPI_TABLES_FILE ? renewed : undefined);
    fw.file('pci1234,1111.rom', vgaBios);
    fw.file('etc/show-boot-menu', Uint8Array.of(bootMenuMs === undefined ? 0 : 1, 0));
    if (bootMenuMs !== undefined) fw.file('etc/boot-menu-wait', new StructWriter().u32(bootMenuMs).finish());
    const virtio = this.#host.virtio?.devices ?? [];
    const slotsOf = (type: number): number[] =>
      virtio.flatMap(({ deviceId }, index) => (deviceId === type ? [FIRST_VIRTIO_SLOT + index] : []));
    const nicSlots = [...NIC_SLOTS.slice(0, nics.length), ...slotsOf(DEVICE_NET)];
    const virtioSlots = slotsOf(DEVICE_BLOCK);
    fw.file(BOOT_ORDER_FILE, bootOrderFile(bootOrder, { drives, ahciSlot: AHCI_SLOT, nicSlots, virtioSlots }));
    const codes = [...bootOrder].map((letter) => BOOT_CODES[letter] ?? 0);
    const { rtc } = this.#board;
    rtc.setByte(CMOS_BOOT_ORDER, (codes[0] ?? 0) | ((codes[1] ?? 0) << 4));
    rtc.setByte(CMOS_BOOT_FLAGS, (codes[2] ?? 0) << 4);
    this.#describeMemory(memory.sizeBytes);
    const types = floppies.map(({ unit, medium }) => floppyFormat(medium?.sizeBytes ?? 0).driveType << (unit ? 0 : 4));
    rtc.setByte(
      CMOS_FLOPPIES,
      types.reduce((all, type) => all | type, 0),
    );
    const count = floppies.length;
    rtc.setByte(CMOS_EQUIPMENT, EQUIPMENT_FPU_MOUSE | (count ? EQUIPMENT_FLOPPY | ((count - 1) << 6) : 0));
  }

  #describeMemory(sizeBytes: number): void {
    const word = (register: number, value: number): void => {
      this.#board.rtc.setByte(register, value & 0xff);
      this.#board.rtc.setByte(register + 1, (value >> 8) & 0xff);
    };
    const low = Math.max(
      ...this.#host.e820.filter(({ base }) => base === MIB).map(({ base, length }) => base + length),
    );
    word(CMOS_BASE_MEMORY, 640);
    for (const register of CMOS_EXTENDED_MEMORY) word(register, Math.min((low - MIB) / 1024, 0xffff));
    word(CMOS_MEMORY_ABOVE_16M, Math.max(0, Math.min((low - 16 * MIB) / 0x1_0000, 0xffff)));
    const high = Math.max(0, sizeBytes - low) / 0x1_0000;
    for (let i = 0; i < 3; i++) this.#board.rtc.setByte(CMOS_MEMORY_ABOVE_4G + i, (high >> (8 * i)) & 0xff);
  }
}
