/**
 * 82441FX host bridge: what of the space below 1 MiB is memory, ROM or bus (Intel 440FX PCIset data sheet, 290549,
 * §3.2.18 "PAM - Programmable Attribute Map Registers").
 *
 * Not modelled: DRAM timing, error reporting, AGP; SMRAM can be programmed and opens nothing.
 */

import { defineState, type StateOf } from '../../base/state.ts';
import { Device } from '../device.ts';
import { PciConfig } from './pci-config.ts';

const PAM = 0x59;
const PAM_REGISTERS = 7;
const SMRAM = 0x72;
/** D_LCK can be set, and takes a reset to clear; nothing depends on it here. */
const SMRAM_WRITABLE = 0x78;
const READS = 1;
const WRITES = 2;

/** One stretch of the space below 1 MiB and where accesses to it go: to memory, or to the bus (with the ROM on it). */
export interface ShadowRange {
  readonly base: number;
  readonly length: number;
  readonly readsMemory: boolean;
  readonly writesMemory: boolean;
}

const i440fxState = defineState('i440fx', 1, {});

export class I440fx extends Device<StateOf<typeof i440fxState>> {
  readonly config: PciConfig;
  readonly #host: { shadow(ranges: readonly ShadowRange[]): void };

  constructor(host: { shadow(ranges: readonly ShadowRange[]): void }) {
    super(i440fxState);
    this.#host = host;
    const pam = Object.fromEntries(Array.from({ length: PAM_REGISTERS }, (_, i) => [PAM + i, i === 0 ? 0x30 : 0x33]));
    this.config = new PciConfig({
      identity: { vendor: 0x8086, device: 0x1237, revision: 2, classCode: 0x06_00_00 },
      writable: { ...pam, [SMRAM]: SMRAM_WRITABLE },
      initial: { [SMRAM]: 0x02 },
      written: (register, bytes) => {
        if (register < PAM + PAM_REGISTERS && register + bytes > PAM) host.shadow(this.ranges());
      },
    });
  }

  protected override derive(): void {
    this.#host.shadow(this.ranges());
  }

  /** PAM0 has 0xF0000 to 0xFFFFF in its high half; the others 16 KiB in each half, from 0xC0000 on. */
  ranges(): ShadowRange[] {
    const range = (attributes: number, base: number, length: number): ShadowRange => ({
      base,
      length,
      readsMemory: (attributes & READS) !== 0,
      writesMemory: (attributes & WRITES) !== 0,
    });
    const ranges = [range(this.config.byte(PAM) >> 4, 0xf_0000, 0x1_0000)];
    for (let i = 0; i < 12; i++) {
      const attributes = this.config.byte(PAM + 1 + (i >> 1)) >> (4 * (i & 1));
      ranges.push(range(attributes, 0xc_0000 + i * 0x4000, 0x4000));
    }
    return ranges;
  }
}
