/**
 * 82441FX host bridge: what of the space below 1 MiB is memory, ROM or bus (Intel 440FX PCIset data sheet, 290549,
 * §3.2.18 "PAM - Programmable Attribute Map Registers", §3.2.21 "SMRAM - System Management RAM Control Register").
 *
 *     SMRAM   bit 6 D_OPEN: memory in front of the video window for everybody     bit 4 D_LCK: until the next reset
 *             bit 3 G_SMRAME: in system-management mode                           nothing of this changes any more
 *
 * Not modelled: DRAM timing, error reporting, AGP; D_CLS (data accesses in system-management mode go where those to code
 * do); that bus masters and other processors do not see SMRAM while one processor has it open.
 */

import type { IrqLine } from '../../base/irq.ts';
import { bool, defineState, type StateOf, u8 } from '../../base/state.ts';
import { Device } from '../device.ts';
import { PciConfig } from './pci-config.ts';

const PAM = 0x59;
const PAM_REGISTERS = 7;
const SMRAM = 0x72;
const SMRAM_RESET = 0x02;
const SMRAM_WRITABLE = 0x78;
const SMRAM_OPEN = 0x40;
const SMRAM_LOCKED = 0x10;
const SMRAM_ENABLED = 0x08;
/** C_BASE_SEG knows no other place. */
const SMRAM_BASE = 0xa_0000;
const SMRAM_BYTES = 0x2_0000;
const READS = 1;
const WRITES = 2;

/** One stretch of the space below 1 MiB and where accesses to it go: to memory, or to the bus (with the ROM on it). */
export interface ShadowRange {
  readonly base: number;
  readonly length: number;
  readonly readsMemory: boolean;
  readonly writesMemory: boolean;
}

const i440fxState = defineState('i440fx', 2, {
  /** The register as it was written last, or locked. */
  smram: u8({ initial: SMRAM_RESET }),
  /** The processor is in system-management mode. */
  managed: bool(),
});

export class I440fx extends Device<StateOf<typeof i440fxState>> {
  readonly config: PciConfig;
  readonly #host: { shadow(ranges: readonly ShadowRange[]): void };
  /** SMIACT# of the processor. */
  readonly smiact: IrqLine = {
    set: (level) => {
      this.state.managed = level;
      this.#showSmram();
    },
  };
  #smramSeen = false;

  constructor(host: { shadow(ranges: readonly ShadowRange[]): void }) {
    super(i440fxState);
    this.#host = host;
    const pam = Object.fromEntries(Array.from({ length: PAM_REGISTERS }, (_, i) => [PAM + i, i === 0 ? 0x30 : 0x33]));
    this.config = new PciConfig({
      identity: { vendor: 0x8086, device: 0x1237, revision: 2, classCode: 0x06_00_00 },
      writable: { ...pam, [SMRAM]: SMRAM_WRITABLE },
      initial: { [SMRAM]: SMRAM_RESET },
      written: (register, bytes) => {
        if (register < PAM + PAM_REGISTERS && register + bytes > PAM) host.shadow(this.ranges());
        if (register <= SMRAM && register + bytes > SMRAM) this.#writeSmram(this.config.byte(SMRAM));
      },
    });
  }

  protected override derive(): void {
    this.#host.shadow(this.ranges());
    this.#smramSeen = !this.#showsSmram();
    this.#showSmram();
  }

  #writeSmram(value: number): void {
    const { state } = this;
    if (!(state.smram & SMRAM_LOCKED)) state.smram = value & SMRAM_LOCKED ? value & ~SMRAM_OPEN : value;
    this.config.setByte(SMRAM, state.smram);
    this.#showSmram();
  }

  #showsSmram(): boolean {
    const { smram, managed } = this.state;
    return (smram & SMRAM_ENABLED) !== 0 && (managed || (smram & SMRAM_OPEN) !== 0);
  }

  #showSmram(): void {
    const shows = this.#showsSmram();
    if (shows === this.#smramSeen) return;
    this.#smramSeen = shows;
    this.#host.shadow([{ base: SMRAM_BASE, length: SMRAM_BYTES, readsMemory: shows, writesMemory: shows }]);
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
