/**
 * Where the parts of the board "pc" are, once for the board's wiring and for the ACPI tables that describe it.
 * Interrupts are ISA numbers: the PIC's, and the IOAPIC's but for the timer, which is on input 2 there.
 */

export const LOCAL_APIC_BASE = 0xfee0_0000;
export const IOAPIC_BASE = 0xfec0_0000;
export const IOAPIC_ID = 0;
export const IOAPIC_INPUTS = 24;

export const TIMER_IRQ = 0;
export const TIMER_IOAPIC_INPUT = 2;
export const KEYBOARD_IRQ = 1;
export const COM2_IRQ = 3;
export const COM1_IRQ = 4;
export const RTC_IRQ = 8;
/** The system control interrupt: level-triggered, active high. */
export const SCI_IRQ = 9;

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
export const TESTDEV_LINES_PORT = 0x2000;
export const TESTDEV_MEMORY_BASE = 0xff00_0000;

/** 32 bits wrap every 20 minutes, 24 every 4.7 seconds; the FADT says which. */
export const PM_TIMER_BITS = 32;
