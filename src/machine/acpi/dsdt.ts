/**
 * The Differentiated System Description Table: the power-off state, the devices nobody can probe for safely, and the PCI
 * bus if there is one.
 */

import { SLEEP_TYPE_S5 } from '../../devices/acpi-pm.ts';
import {
  COM1_IRQ,
  COM1_PORT,
  COM2_IRQ,
  COM2_PORT,
  FLOPPY_CHANGE_PORT,
  FLOPPY_DMA,
  FLOPPY_IRQ,
  FLOPPY_PORT,
  I8042_PORT,
  KEYBOARD_IRQ,
  MOUSE_IRQ,
  PVPANIC_PORT,
  RTC_IRQ,
  RTC_PORT,
} from '../pc-layout.ts';
import {
  type Aml,
  device,
  dma,
  eisaId,
  integer,
  ioPorts,
  irq,
  name,
  packageOf,
  resourceTemplate,
  scope,
  text,
} from './aml.ts';
import { hpetDevice, pciRoot } from './pci.ts';
import { acpiTable } from './table.ts';

/** From revision 2 on integers have 64 bits. */
const REVISION = 2;
/** _STA: present, enabled, shown, working. */
const WORKING = 0x0f;

export interface AcpiDevice {
  /** Four characters at most. */
  readonly name: string;
  /** EISA identifier (PNP0501) or ACPI identifier (QEMU0001). */
  readonly hardwareId: string;
  readonly uniqueId?: number;
  readonly ports: PortRange | readonly PortRange[];
  readonly irq?: number;
  /** Channel of the 8237. */
  readonly dma?: number;
}

export interface PortRange {
  readonly base: number;
  readonly length: number;
}

/** What the board "pc" always has. */
export const PC_DEVICES: readonly AcpiDevice[] = [
  { name: 'RTC', hardwareId: 'PNP0B00', ports: { base: RTC_PORT, length: 2 }, irq: RTC_IRQ },
  { name: 'COM1', hardwareId: 'PNP0501', uniqueId: 1, ports: { base: COM1_PORT, length: 8 }, irq: COM1_IRQ },
  { name: 'COM2', hardwareId: 'PNP0501', uniqueId: 2, ports: { base: COM2_PORT, length: 8 }, irq: COM2_IRQ },
  { name: 'PVP', hardwareId: 'QEMU0001', ports: { base: PVPANIC_PORT, length: 1 } },
];

/** What a board with firmware has besides. */
export const WHOLE_PC_DEVICES: readonly AcpiDevice[] = [
  {
    name: 'KBD',
    hardwareId: 'PNP0303',
    ports: [
      { base: I8042_PORT, length: 1 },
      { base: I8042_PORT + 4, length: 1 },
    ],
    irq: KEYBOARD_IRQ,
  },
  { name: 'MOU', hardwareId: 'PNP0F13', ports: [], irq: MOUSE_IRQ },
];

/** On a board that has drives for it: with the controller alone, systems would look for them in vain, and at length. */
export const FLOPPY_CONTROLLER: AcpiDevice = {
  name: 'FDC0',
  hardwareId: 'PNP0700',
  ports: [
    { base: FLOPPY_PORT + 2, length: 4 },
    { base: FLOPPY_CHANGE_PORT, length: 1 },
  ],
  irq: FLOPPY_IRQ,
  dma: FLOPPY_DMA,
};

export function dsdt(
  devices: readonly AcpiDevice[],
  { hasPci = false, hasHpet = false }: { readonly hasPci?: boolean; readonly hasHpet?: boolean } = {},
): Uint8Array {
  const s5 = packageOf(integer(SLEEP_TYPE_S5), integer(0), integer(0), integer(0));
  const pci = [...(hasPci ? pciRoot() : []), ...(hasHpet ? hpetDevice() : [])];
  const body = [...name('\\_S5', s5), ...scope('\\_SB', pci, ...devices.map(describe))];
  return acpiTable('DSDT', REVISION, Uint8Array.from(body));
}

function describe({ name: deviceName, hardwareId, uniqueId, ports, irq: line, dma: channel }: AcpiDevice): Aml {
  const isEisa = /^[A-Z]{3}[0-9A-F]{4}$/.test(hardwareId);
  const ranges = [ports].flat().map(({ base, length }) => ioPorts(base, length));
  const resources = [
    ...ranges,
    ...(line === undefined ? [] : [irq(line)]),
    ...(channel === undefined ? [] : [dma(channel)]),
  ];
  return device(
    deviceName,
    name('_HID', isEisa ? eisaId(hardwareId) : text(hardwareId)),
    ...(uniqueId === undefined ? [] : [name('_UID', integer(uniqueId))]),
    name('_STA', integer(WORKING)),
    name('_CRS', resourceTemplate(...resources)),
  );
}
