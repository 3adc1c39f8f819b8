/**
 * Where the parts of the board "pc" are, once for the board's wiring and for the ACPI tables that describe it.
 * Interrupts are ISA numbers: the PIC's, and the IOAPIC's but for the timer, which is on input 2 there.
 */

export const LOCAL_APIC_BASE = 0xfee0_0000;
export const IOAPIC_BASE = 0xfec0_0000;
export const IOAPIC_ID = 0;
export const IOAPIC_INPUTS = 24;

/** Where devices on PCI are put where no firmware does it. */
export const PCI_MEMORY_BASE = 0xe000_0000;

export const ISA_INTERRUPTS = 16;
export const HPET_BASE = 0xfed0_0000;
/** Inputs of the I/O APIC that the HPET's timers can be routed to. */
export const HPET_IOAPIC_INPUTS = [20, 21, 22, 23] as const;

export const TIMER_IRQ = 0;
export const TIMER_IOAPIC_INPUT = 2;
export const KEYBOARD_IRQ = 1;
export const COM2_IRQ = 3;
export const COM1_IRQ = 4;
export const FLOPPY_IRQ = 6;
export const RTC_IRQ = 8;
export const NUMERIC_ERROR_IRQ = 13;
export const IDE_IRQS = [14, 15] as const;
export const MOUSE_IRQ = 12;
/** What PCI interrupts can be routed to, and nobody on the ISA bus uses. */
export const PCI_INTERRUPTS = [5, 10, 11] as const;
/** The system control interrupt: level-triggered, active high. */
export const SCI_IRQ = 9;

export const DMA_FIRST_PORT = 0x00;
export const DMA_PAGES_PORT = 0x80;
export const DMA_SECOND_PORT = 0xc0;
export const POWER_CONTROL_PORT = 0xb2;
export const IDE_PORTS = [
  { command: 0x1f0, control: 0x3f6 },
  { command: 0x170, control: 0x376 },
] as const;
export const FLOPPY_PORT = 0x3f0;
export const FLOPPY_CHANGE_PORT = 0x3f7;
export const FLOPPY_DMA = 2;
export const FW_CFG_PORT = 0x510;
export const FW_CFG_DMA_PORT = 0x514;
export const PCI_ADDRESS_PORT = 0xcf8;
export const PCI_DATA_PORT = 0xcfc;
export const PIC_MASTER_PORT = 0x20;
export const PIT_PORT = 0x40;
export const I8042_PORT = 0x60;
export const SYSTEM_CONTROL_B_PORT = 0x61;
export const RTC_PORT = 0x70;
export const SYSTEM_CONTROL_A_PORT = 0x92;
export const PIC_SLAVE_PORT = 0xa0;
/** The register, 4 bytes further the page flush, then the register by bytes; lines and memory have their own places. */
export const TESTDEV_PORT = 0xe0;
/** Where SeaBIOS and OVMF write to; it joins the output of COM1. */
export const DEBUG_CONSOLE_PORT = 0x402;
export const DEBUG_EXIT_PORT = 0xf4;
export const COM2_PORT = 0x2f8;
export const COM1_PORT = 0x3f8;
export const PIC_ELCR_PORT = 0x4d0;
export const PVPANIC_PORT = 0x505;
export const PM1_EVENT_PORT = 0x600;
export const PM1_CONTROL_PORT = 0x604;
export const PM_TIMER_PORT = 0x608;
export const RESET_PORT = 0xcf9;
/** What resets the machine when written there. */
export const RESET_VALUE = 0x06;
export const NUMERIC_ERROR_PORT = 0xf0;
export const TESTDEV_LINES_PORT = 0x2000;
export const TESTDEV_MEMORY_BASE = 0xff00_0000;

/** 32 bits wrap every 20 minutes, 24 every 4.7 seconds; the FADT says which. */
export const PM_TIMER_BITS = 32;
