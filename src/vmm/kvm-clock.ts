/**
 * The para-virtual clock of KVM (Linux Documentation/virt/kvm/x86/msr.rst): pages in guest memory that say how to turn
 * the time-stamp counter into nanoseconds since boot, and when boot was. The counter runs at a constant rate and is
 * the same on all vCPUs, so a page is written when the guest asks for it, and again only when it writes the counter.
 */

import type { GuestMemory } from '../base/dma.ts';
import { defineState, type StateOf, u32, u64 } from '../base/state.ts';
import { Device } from '../devices/device.ts';
import { TSC_HZ } from './virtual-clock.ts';

const MSR_WALL_CLOCK_OLD = 0x11;
const MSR_SYSTEM_TIME_OLD = 0x12;
const MSR_WALL_CLOCK = 0x4b564d00;
const MSR_SYSTEM_TIME = 0x4b564d01;

const ENABLE = 1n;
const FLAG_TSC_STABLE = 1;

/** ns = ((ticks << shift) * multiplier) >> 32: at 1 GHz, ticks << 1 by one half. */
const MULTIPLIER = 0x80000000;
const SHIFT = 1;

const kvmClockState = defineState('kvm-clock', 1, { wallClock: u64(), systemTime: u64(), version: u32() });

export interface KvmClockHost {
  readonly memory: GuestMemory;
  /** Time-stamp counter as the guest reads it. */
  tsc(): bigint;
  /** Nanoseconds since boot that belong to it. */
  nowNs(): number;
  wallClockMs(): number;
}

export class KvmClock extends Device<StateOf<typeof kvmClockState>> {
  readonly #host: KvmClockHost;

  constructor(host: KvmClockHost) {
    super(kvmClockState);
    this.#host = host;
    if (TSC_HZ !== 1_000_000_000) throw new Error('multiplier and shift are for 1 GHz');
  }

  /** Undefined where the MSR is none of this clock's. */
  readMsr(index: number): bigint | undefined {
    if (index === MSR_WALL_CLOCK || index === MSR_WALL_CLOCK_OLD) return this.state.wallClock;
    if (index === MSR_SYSTEM_TIME || index === MSR_SYSTEM_TIME_OLD) return this.state.systemTime;
    return undefined;
  }

  writeMsr(index: number, value: bigint): boolean {
    if (index === MSR_WALL_CLOCK || index === MSR_WALL_CLOCK_OLD) {
      this.state.wallClock = value;
      if (value !== 0n) this.#writeWallClock(Number(value & ~3n));
    } else if (index === MSR_SYSTEM_TIME || index === MSR_SYSTEM_TIME_OLD) {
      this.state.systemTime = value;
      if ((value & ENABLE) !== 0n) this.#writeSystemTime(Number(value & ~3n));
    } else {
      return false;
    }
    return true;
  }

  /** The guest wrote its time-stamp counter: the page must go on from there. */
  counterWritten(): void {
    const { systemTime } = this.state;
    if ((systemTime & ENABLE) !== 0n) this.#writeSystemTime(Number(systemTime & ~3n));
  }

  /** struct pvclock_wall_clock: version, seconds and nanoseconds of the time of boot. */
  #writeWallClock(address: number): void {
    const bootMs = this.#host.wallClockMs() - this.#host.nowNs() / 1e6;
    const view = new DataView(new ArrayBuffer(12));
    view.setUint32(0, 2, true);
    view.setUint32(4, Math.floor(bootMs / 1000), true);
    view.setUint32(8, Math.floor((bootMs % 1000) * 1e6), true);
    this.#host.memory.write(address, new Uint8Array(view.buffer));
  }

  /** struct pvclock_vcpu_time_info. */
  #writeSystemTime(address: number): void {
    const view = new DataView(new ArrayBuffer(32));
    // Even: no update is on its way.
    this.state.version = (this.state.version + 2) >>> 0;
    view.setUint32(0, this.state.version, true);
    view.setBigUint64(8, this.#host.tsc(), true);
    view.setBigUint64(16, BigInt(Math.floor(this.#host.nowNs())), true);
    view.setUint32(24, MULTIPLIER, true);
    view.setInt8(28, SHIFT);
    view.setUint8(29, FLAG_TSC_STABLE);
    this.#host.memory.write(address, new Uint8Array(view.buffer));
  }
}
