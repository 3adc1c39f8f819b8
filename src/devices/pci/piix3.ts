/**
 * 82371SB (PIIX3) function 0, the bridge to ISA: routes PIRQA# to PIRQD# to ISA interrupts (Intel 82371FB/82371SB data
 * sheet, 290550, §2.2.6 "PIRQRC[A:D] - PIRQx Route Control Registers").
 *
 * Not modelled: X-bus chip selects (ROM and keyboard always answer), distributed DMA, speed of the ISA bus.
 */

import type { IrqLine } from '../../base/irq.ts';
import { defineState, type StateOf, u8 } from '../../base/state.ts';
import { Device } from '../device.ts';
import { PciConfig } from './pci-config.ts';

const ROUTES = 0x60;
const ROUTE_OFF = 0x80;
const ROUTE_WRITABLE = 0x8f;
const PIRQS = 4;
const ISA_INTERRUPTS = 16;

const piix3State = defineState('piix3', 1, {
  /** Of the PIRQs: one bit each. */
  levels: u8({ max: 0x0f }),
});

export class Piix3 extends Device<StateOf<typeof piix3State>> {
  readonly config: PciConfig;
  readonly pirqs: readonly IrqLine[];
  readonly #isa: readonly IrqLine[];

  /** `isa`: an input of each ISA interrupt, of its own. */
  constructor(host: { readonly isa: readonly IrqLine[] }) {
    super(piix3State);
    this.#isa = host.isa;
    const bytes = (registers: readonly number[], value: number): Record<number, number> =>
      Object.fromEntries(registers.map((register) => [register, value]));
    const routes = Array.from({ length: PIRQS }, (_, i) => ROUTES + i);
    this.config = new PciConfig({
      identity: { vendor: 0x8086, device: 0x7000, classCode: 0x06_01_00, multifunction: true },
      // I/O recovery, X-bus chip select, top of memory, miscellaneous status: kept, without effect.
      writable: { ...bytes(routes, ROUTE_WRITABLE), ...bytes([0x4c, 0x4e, 0x4f, 0x69, 0x6a, 0x70, 0x76, 0x77], 0xff) },
      initial: { ...bytes(routes, ROUTE_OFF), 76: 0x4d, 78: 0x03, 105: 0x02 },
      written: () => this.#update(),
    });
    this.pirqs = routes.map((_, i) => ({
      set: (level) => {
        const { levels } = this.state;
        this.state.levels = level ? levels | (1 << i) : levels & ~(1 << i);
        this.#update();
      },
    }));
  }

  protected override derive(): void {
    this.#update();
  }

  #update(): void {
    let high = 0;
    for (let i = 0; i < PIRQS; i++) {
      const route = this.config.byte(ROUTES + i);
      if (!(route & ROUTE_OFF) && this.state.levels & (1 << i)) high |= 1 << (route & 0x0f);
    }
    for (let irq = 0; irq < ISA_INTERRUPTS; irq++) this.#isa[irq]?.set((high & (1 << irq)) !== 0);
  }
}
