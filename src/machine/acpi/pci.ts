/**
 * The PCI bus in AML: its windows, where its interrupts go, and the links through which an operating system routes them
 * (ACPI 6.5 §6.2.13 "_PRT"; registers: `devices/pci/piix3.ts`). Also the HPET, by table and by device.
 */

import { HPET_BYTES, HPET_ID } from '../../devices/hpet.ts';
import { LOW_RAM_LIMIT } from '../memory-map.ts';
import { HPET_BASE, IOAPIC_BASE, PCI_ADDRESS_PORT, PCI_INTERRUPTS } from '../pc-layout.ts';
import { StructWriter } from '../struct-writer.ts';
import {
  type Aml,
  and,
  argument0,
  configurationBytes,
  device,
  dwordField,
  eisaId,
  fixedMemory,
  giveBack,
  integer,
  ioPorts,
  method,
  name,
  named,
  or,
  packageOf,
  pciInterrupt,
  resourceTemplate,
  store,
  when,
  window,
} from './aml.ts';
import { acpiTable } from './table.ts';

const SLOTS = 32;
const PINS = 4;
const LINKS = ['A', 'B', 'C', 'D'] as const;
/** Route control: the interrupt in the low bits, and whether there is none. */
const ROUTES = 0x60;
const ROUTE_OFF = 0x80;
const ROUTE_IRQ = 0x0f;
/** _STA: present, working, and enabled or not. */
const LINK_ENABLED = 0x0b;
const LINK_DISABLED = 0x09;
/** Of an interrupt descriptor: where the number is. */
const INTERRUPT_NUMBER = 5;

export function pciRoot(): Aml {
  return [
    ...device(
      'PCI0',
      name('_HID', eisaId('PNP0A03')),
      name('_UID', integer(0)),
      name(
        '_CRS',
        resourceTemplate(
          window('bus', 0, 0xff),
          ioPorts(PCI_ADDRESS_PORT, 8),
          window('io', 0, PCI_ADDRESS_PORT - 1),
          window('io', PCI_ADDRESS_PORT + 8, 0xffff),
          window('memory', 0xa_0000, 0xb_ffff),
          window('memory', LOW_RAM_LIMIT, IOAPIC_BASE - 1),
        ),
      ),
      name('_PRT', packageOf(...routes())),
      device(
        'ISA',
        name('_ADR', integer(0x1_0000)),
        configurationBytes(
          'PIRQ',
          ROUTES,
          LINKS.map((link) => `PRQ${link}`),
        ),
      ),
    ),
    ...LINKS.flatMap(interruptLink),
  ];
}

/** Pins take turns from slot to slot. */
function routes(): Aml[] {
  return Array.from({ length: SLOTS * PINS }, (_, i) => {
    const slot = Math.floor(i / PINS);
    const pin = i % PINS;
    const link = LINKS[(slot + pin + PINS - 1) % PINS];
    return packageOf(integer(slot * 0x1_0000 + 0xffff), integer(pin), named(`\\_SB.LNK${link}`), integer(0));
  });
}

function interruptLink(link: string, index: number): Aml {
  const register = `\\_SB.PCI0.ISA.PRQ${link}`;
  const current = resourceTemplate(pciInterrupt(0));
  return device(
    `LNK${link}`,
    name('_HID', eisaId('PNP0C0F')),
    name('_UID', integer(index + 1)),
    name('_PRS', resourceTemplate(pciInterrupt(...PCI_INTERRUPTS))),
    method(
      '_STA',
      0,
      when(and(named(register), integer(ROUTE_OFF)), giveBack(integer(LINK_DISABLED))),
      giveBack(integer(LINK_ENABLED)),
    ),
    method('_DIS', 0, or(named(register), integer(ROUTE_OFF), register)),
    name('BUF', current),
    method(
      '_CRS',
      0,
      dwordField(named('BUF'), INTERRUPT_NUMBER, 'NUM'),
      and(named(register), integer(ROUTE_IRQ), 'NUM'),
      giveBack(named('BUF')),
    ),
    method('_SRS', 1, dwordField(argument0, INTERRUPT_NUMBER, 'NUM'), store(named('NUM'), register)),
  );
}

export function hpetDevice(): Aml {
  return device(
    'HPET',
    name('_HID', eisaId('PNP0103')),
    name('_UID', integer(0)),
    name('_CRS', resourceTemplate(fixedMemory(HPET_BASE, HPET_BYTES))),
  );
}

/** IA-PC HPET Specification 1.0a, §3.2.4 "The ACPI 2.0 HPET Description Table (HPET)". */
export function hpetTable(): Uint8Array {
  const memory = 0;
  const table = new StructWriter().u32(HPET_ID).u8(memory, 64, 0, 0).u64(HPET_BASE);
  // Number of the block, fewest ticks of a period without losing any, no page protection.
  return acpiTable('HPET', 1, table.u8(0).u16(0x0080).u8(0).finish());
}
