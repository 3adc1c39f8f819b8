/** The Multiple APIC Description Table: CPUs, the IOAPIC and how ISA interrupts reach it (ACPI 6.5 §5.2.12, revision 3). */

import { IOAPIC_BASE, IOAPIC_ID, LOCAL_APIC_BASE, SCI_IRQ, TIMER_IOAPIC_INPUT, TIMER_IRQ } from '../pc-layout.ts';
import { StructWriter } from '../struct-writer.ts';
import { acpiTable } from './table.ts';

const REVISION = 3;
/** The board also has a pair of 8259s. */
const PCAT_COMPAT = 1 << 0;

const LOCAL_APIC = 0;
const IO_APIC = 1;
const INTERRUPT_OVERRIDE = 2;
const LOCAL_APIC_NMI = 4;
const ENABLED = 1 << 0;
const ISA = 0;
/** Polarity in bits 1:0, trigger mode in bits 3:2; zero is what the bus usually does. */
const AS_THE_BUS = 0;
const ACTIVE_HIGH_LEVEL = 0b1101;
const ALL_PROCESSORS = 0xff;
const LINT1 = 1;

/** `levels`: interrupts that PCI's are routed to. */
export function madt(cpuCount: number, levels: readonly number[] = []): Uint8Array {
  const table = new StructWriter().u32(LOCAL_APIC_BASE, PCAT_COMPAT);
  for (let cpu = 0; cpu < cpuCount; cpu++) table.u8(LOCAL_APIC, 8, cpu, cpu).u32(ENABLED);
  table.u8(IO_APIC, 12, IOAPIC_ID, 0).u32(IOAPIC_BASE, 0);
  table.u8(INTERRUPT_OVERRIDE, 10, ISA, TIMER_IRQ).u32(TIMER_IOAPIC_INPUT).u16(AS_THE_BUS);
  for (const irq of [SCI_IRQ, ...levels]) table.u8(INTERRUPT_OVERRIDE, 10, ISA, irq).u32(irq).u16(ACTIVE_HIGH_LEVEL);
  table.u8(LOCAL_APIC_NMI, 6, ALL_PROCESSORS).u16(AS_THE_BUS).u8(LINT1);
  return acpiTable('APIC', REVISION, table.finish());
}
