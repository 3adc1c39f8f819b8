/** What a local APIC keeps, and what it needs around it (see local-apic.ts). */

import type { Clock } from '../base/clock.ts';
import { bool, bytes, defineState, f64, type StateOf, u8, u32, u32s } from '../base/state.ts';
import type { Interconnect } from './apic-bus.ts';
import { LVT_ENTRIES } from './local-apic-registers.ts';

export const localApicState = defineState('local-apic', 1, {
  /** IA32_APIC_BASE, in halves. */
  baseLow: u32(),
  baseHigh: u32(),
  id: u32(),
  tpr: u8(),
  ldr: u32(),
  dfr: u32({ initial: 0xffff_ffff }),
  svr: u32({ initial: 0xff, max: 0x11ff }),
  isr: u32s(8),
  tmr: u32s(8),
  irr: u32s(8),
  /** Error status as the guest reads it, and errors since it last wrote the register. */
  esr: u8(),
  errors: u8(),
  icrLow: u32(),
  icrHigh: u32(),
  lvt: u32s(LVT_ENTRIES),
  initialCount: u32(),
  divide: u8({ max: 0x0b }),
  countStartNs: f64({ min: -1e18, max: 1e18 }),
  deadlineLow: u32(),
  deadlineHigh: u32(),
  /** Levels of LINT0 and LINT1. */
  lint: bytes(2),
  /** An ExtINT message waits. */
  externalMessage: bool(),
});

export type LocalApicState = StateOf<typeof localApicState>;

export interface LocalApicHost {
  readonly id: number;
  /** Of the processors, this one starts by itself. */
  readonly isBootstrap: boolean;
  readonly clock: Clock;
  readonly interconnect: Interconnect;
  /** Rate of the timer before its divider. */
  readonly timerHz: number;
  /** Width of physical addresses, for the reserved bits of IA32_APIC_BASE. */
  readonly physicalAddressBits: number;
  /** Virtual time at which this vCPU's TSC has the value; the deadline of the timer. */
  tscToNs(tsc: number): number;
  /** `pending` changed. */
  interruptChanged(isPending: boolean): void;
  /** The vector of an ExtINT: the PIC's INTA cycle. */
  acknowledgeExternal(): number;
  nmi(): void;
  smi(): void;
  /** The vCPU is to be reset by INIT; the local APIC has been already. */
  init(): void;
  /** A startup IPI: begin at `vector` * 4096, if waiting for one. */
  startup(vector: number): void;
  /** `mmioBase` may have changed. */
  relocated(): void;
}
