/**
 * QEMU's pc-testdev, which kvm-unit-tests are written for (QEMU hw/misc/pc-testdev.c).
 *
 *     0xe0-0xe3      a 32-bit register, any access          0xe8-0xeb    the same register, byte by byte
 *     0xe4-0xe7      32-bit writes: drop translations of the page with that guest-physical address
 *     0x2000-0x2017  interrupt lines 0 to 23: bytes, zero lowers and anything else raises
 *     0xff000000     64 KiB of memory behind an MMIO interface
 *
 * Deviation: QEMU's write to the MMIO memory is as wide as the access but stores its lowest byte twice, to no effect.
 */

import type { AccessSize, IoHandler } from '../base/bus.ts';
import type { IrqLine } from '../base/irq.ts';
import { bytes, defineState, type StateOf, u32 } from '../base/state.ts';
import { Device } from './device.ts';

export const TESTDEV_LINES = 24;
export const TESTDEV_MEMORY_BYTES = 0x10000;

const pcTestdevState = defineState('pc-testdev', 1, {
  register: u32(),
  /** Levels of the interrupt lines. */
  lines: bytes(TESTDEV_LINES),
  memory: bytes(TESTDEV_MEMORY_BYTES),
});

export interface PcTestdevHost {
  /** The interrupt lines, by number. */
  readonly irqs: readonly IrqLine[];
  /** The guest-physical page is to be looked up anew: real hardware has nothing to do. */
  flushPage(address: number): void;
}

export class PcTestdev extends Device<StateOf<typeof pcTestdevState>> {
  /** Ports 0xe0 to 0xe3. */
  readonly register: IoHandler;
  /** Ports 0xe8 to 0xeb. */
  readonly registerBytes: IoHandler;
  /** Ports 0xe4 to 0xe7. */
  readonly flush: IoHandler;
  /** Ports 0x2000 to 0x2017. */
  readonly irqLines: IoHandler;
  /** 64 KiB at 0xff000000. */
  readonly memory: IoHandler;
  readonly #irqs: readonly IrqLine[];

  constructor(host: PcTestdevHost) {
    super(pcTestdevState);
    this.#irqs = host.irqs;
    const s = this.state;
    const whole: IoHandler = {
      read: (offset, size) => (s.register >>> ((offset & 3) * 8)) & sizeMask(size),
      write: (offset, value, size) => {
        const shift = (offset & 3) * 8;
        s.register = ((s.register & ~(sizeMask(size) << shift)) | (value << shift)) >>> 0;
      },
    };
    this.register = whole;
    this.registerBytes = { ...whole, widest: 1 };
    this.flush = {
      read: () => 0,
      write: (_, value, size) => {
        if (size === 4) host.flushPage((value & ~0xfff) >>> 0);
      },
    };
    this.irqLines = {
      widest: 1,
      read: () => 0,
      write: (offset, value) => {
        if (offset >= TESTDEV_LINES) return;
        s.lines[offset] = value ? 1 : 0;
        this.#irqs[offset]?.set(value !== 0);
      },
    };
    this.memory = {
      read: (offset, size) => {
        let value = 0;
        for (let i = size - 1; i >= 0; i--) value = value * 256 + (s.memory[offset + i] ?? 0);
        return value;
      },
      write: (offset, value, size) => {
        for (let i = 0; i < size; i++) s.memory[offset + i] = value >>> (i * 8);
      },
    };
  }

  protected override derive(): void {
    this.state.lines.forEach((level, i) => {
      this.#irqs[i]?.set(level !== 0);
    });
  }
}

function sizeMask(size: AccessSize): number {
  return size === 4 ? -1 : (1 << (size * 8)) - 1;
}
