/** The Fixed ACPI Description Table: power management ports and what the board lacks (ACPI 6.5 §5.2.9, revision 6.0). */

import {
  PM_TIMER_BITS,
  PM_TIMER_PORT,
  PM1_CONTROL_PORT,
  PM1_EVENT_PORT,
  RESET_PORT,
  RESET_VALUE,
  SCI_IRQ,
} from '../pc-layout.ts';
import { StructWriter } from '../struct-writer.ts';
import { acpiTable, ioAddress, noAddress } from './table.ts';

const REVISION = 6;
const PM1_EVENT_BYTES = 4;
const PM1_CONTROL_BYTES = 2;
const PM_TIMER_BYTES = 4;
/** Latencies above 100 and 1000 µs say that there is no C2 and no C3. */
const NO_C_STATE = 0xffff;
const RTC_CENTURY_REGISTER = 0x32;

/**
 * IA-PC boot architecture flags (table 5.11). Where there is no screen the 8042 is left out: it is there to reset, not to
 * type on.
 */
const BOOT_LEGACY_DEVICES = 1 << 0;
const BOOT_8042 = 1 << 1;
const BOOT_NO_VGA = 1 << 2;

/** Fixed feature flags (table 5.10). The power button is fixed hardware: its flag is clear. */
const WBINVD = 1 << 0;
const PROC_C1 = 1 << 2;
const NO_FIXED_SLEEP_BUTTON = 1 << 5;
const NO_FIXED_RTC_WAKE = 1 << 6;
const TMR_VAL_EXT = 1 << 8;
const RESET_REG_SUP = 1 << 10;

/** Of the table: where it has the addresses of FACS and DSDT, 32 and 64 bits wide. */
export const FADT_POINTERS = { facs: [36, 132], dsdt: [40, 140] } as const;

export interface FadtOptions {
  readonly hasScreen?: boolean;
  /** Where firmware has the power management registers. */
  readonly pmBase?: number;
}

export function fadt(
  facs: number,
  dsdt: number,
  { hasScreen = false, pmBase = PM1_EVENT_PORT }: FadtOptions = {},
): Uint8Array {
  const control = pmBase + PM1_CONTROL_PORT - PM1_EVENT_PORT;
  const timer = pmBase + PM_TIMER_PORT - PM1_EVENT_PORT;
  const flags = WBINVD | PROC_C1 | NO_FIXED_SLEEP_BUTTON | NO_FIXED_RTC_WAKE | RESET_REG_SUP;
  const table = new StructWriter()
    .u32(facs, dsdt)
    .u8(0, 0) // reserved, preferred profile: unspecified
    .u16(SCI_IRQ)
    .u32(0) // no SMI command port: ACPI is always on
    .u8(0, 0, 0, 0)
    .u32(pmBase, 0, control, 0, 0, timer, 0, 0)
    .u8(PM1_EVENT_BYTES, PM1_CONTROL_BYTES, 0, PM_TIMER_BYTES, 0, 0, 0, 0)
    .u16(NO_C_STATE, NO_C_STATE, 0, 0)
    .u8(0, 0, 0, 0, RTC_CENTURY_REGISTER)
    .u16(BOOT_LEGACY_DEVICES | (hasScreen ? BOOT_8042 : BOOT_NO_VGA))
    .u8(0)
    .u32(PM_TIMER_BITS === 32 ? flags | TMR_VAL_EXT : flags);
  ioAddress(table, RESET_PORT, 8);
  table.u8(RESET_VALUE).u16(0).u8(0); // no ARM flags, minor version 0
  table.u64(facs, dsdt);
  ioAddress(table, pmBase, 32, 16);
  noAddress(table);
  ioAddress(table, control, 16);
  noAddress(table, 2); // PM1b control, PM2 control
  ioAddress(table, timer, 32);
  noAddress(table, 4); // general-purpose events, sleep control and status
  table.ascii('VIVARIUM', 8); // hypervisor vendor identity
  return acpiTable('FACP', REVISION, table.finish());
}
