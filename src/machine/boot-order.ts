/**
 * The file by which firmware knows in which order to try devices: their paths as Open Firmware writes them (IEEE
 * 1275-1994; PCI Bus Binding §2.2.1 "Physical Address Formats"), one a line. SeaBIOS's patterns for them are in its
 * src/boot.c. CMOS RAM has room for three classes of devices; this names each of them.
 */

import type { BoardDrive, BootOrder } from './pc-firmware.ts';
import { FLOPPY_PORT } from './pc-layout.ts';

export const BOOT_ORDER_FILE = 'bootorder';

const PCI = '/pci@i0cf8';
const IDE = `${PCI}/ide@1,1`;
const FLOPPY = `${PCI}/isa@1/fdc@${FLOPPY_PORT.toString(16).padStart(4, '0')}`;
const KINDS: Readonly<Record<string, BoardDrive['kind']>> = { c: 'disk', d: 'cdrom', a: 'floppy' };

export interface Bootable {
  /** In the order in which those of a kind are to be tried. */
  readonly drives: readonly BoardDrive[];
  readonly ahciSlot: number;
  /** Of virtio disks, which are tried after the others. */
  readonly virtioSlots?: readonly number[];
  /** Of network cards; firmware knows how to start from those whose ROM says it. */
  readonly nicSlots: readonly number[];
}

/** Ends with a zero byte, as a string in C. */
export function bootOrderFile(
  order: BootOrder,
  { drives, ahciSlot, nicSlots, virtioSlots = [] }: Bootable,
): Uint8Array {
  const virtio = virtioSlots.map((slot) => `${PCI}/scsi@${slot.toString(16)}/disk@0,0`);
  const paths = [...new Set(order)].flatMap((letter) => {
    if (letter === 'n') return nicSlots.map((slot) => `${PCI}/ethernet@${slot.toString(16)}/ethernet-phy@0`);
    const found = drives.filter(({ kind }) => kind === KINDS[letter]).map((drive) => pathOf(drive, ahciSlot));
    return KINDS[letter] === 'disk' ? [...found, ...virtio] : found;
  });
  return new TextEncoder().encode(`${paths.join('\n')}\0`);
}

function pathOf({ bus, unit }: BoardDrive, ahciSlot: number): string {
  switch (bus) {
    case 'ide':
      return `${IDE}/drive@${unit >> 1}/disk@${unit & 1}`;
    case 'ahci':
      return `${PCI}/ide@${ahciSlot.toString(16)}/drive@${unit}/disk@0`;
    case 'floppy':
      return `${FLOPPY}/floppy@${unit}`;
  }
}
