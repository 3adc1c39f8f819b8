/** The Differentiated System Description Table: the power-off state and the devices nobody can probe for safely. */

import { SLEEP_TYPE_S5 } from '../../devices/acpi-pm.ts';
import { COM1_IRQ, COM1_PORT, COM2_IRQ, COM2_PORT, PVPANIC_PORT, RTC_IRQ, RTC_PORT } from '../pc-layout.ts';
import {
  type Aml,
  device,
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
  readonly ports: { readonly base: number; readonly length: number };
  readonly irq?: number;
}

/** What the board "pc" always has. */
export const PC_DEVICES: readonly AcpiDevice[] = [
  { name: 'RTC', hardwareId: 'PNP0B00', ports: { base: RTC_PORT, length: 2 }, irq: RTC_IRQ },
  { name: 'COM1', hardwareId: 'PNP0501', uniqueId: 1, ports: { base: COM1_PORT, length: 8 }, irq: COM1_IRQ },
  { name: 'COM2', hardwareId: 'PNP0501', uniqueId: 2, ports: { base: COM2_PORT, length: 8 }, irq: COM2_IRQ },
  { name: 'PVP', hardwareId: 'QEMU0001', ports: { base: PVPANIC_PORT, length: 1 } },
];

export function dsdt(devices: readonly AcpiDevice[]): Uint8Array {
  const s5 = packageOf(integer(SLEEP_TYPE_S5), integer(0), integer(0), integer(0));
  const body = [...name('\\_S5', s5), ...scope('\\_SB', ...devices.map(describe))];
  return acpiTable('DSDT', REVISION, Uint8Array.from(body));
}

function describe({ name: deviceName, hardwareId, uniqueId, ports, irq: line }: AcpiDevice): Aml {
  const isEisa = /^[A-Z]{3}[0-9A-F]{4}$/.test(hardwareId);
  const resources = [ioPorts(ports.base, ports.length), ...(line === undefined ? [] : [irq(line)])];
  return device(
    deviceName,
    name('_HID', isEisa ? eisaId(hardwareId) : text(hardwareId)),
    ...(uniqueId === undefined ? [] : [name('_UID', integer(uniqueId))]),
    name('_STA', integer(WORKING)),
    name('_CRS', resourceTemplate(...resources)),
  );
}
