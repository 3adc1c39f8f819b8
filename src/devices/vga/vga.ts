/**
 * A VGA with the Bochs display extensions, as QEMU's "standard VGA" (QEMU docs/specs/standard-vga): the registers of
 * IBM's VGA at their ports and in an MMIO page, video memory through the window at 0xA0000, and VBE modes.
 *
 *     MMIO page:  0x400-0x41F  ports 0x3C0-0x3DF
 *                 0x500-0x515  DISPI registers, 16 bits each
 *
 * Not modelled: EDID and the byte-order register of the MMIO page; what ports.ts and scan.ts leave out.
 */

import type { AccessSize, IoHandler } from '../../base/bus.ts';
import type { Clock } from '../../base/clock.ts';
import type { Screen, VideoMemory } from '../../base/screen.ts';
import { Device } from '../device.ts';
import { Dac } from './dac.ts';
import { DirtyPages } from './dirty-pages.ts';
import { DISPI_REGISTERS, Dispi } from './dispi.ts';
import { Planes, WINDOW_BYTES } from './planes.ts';
import { Ports } from './ports.ts';
import { statusAt, type Timing, timing } from './timing.ts';
import { VgaScreen } from './vga-screen.ts';
import { type VgaState, vgaState } from './vga-state.ts';

export const VGA_WINDOW = 0xa_0000;
export { WINDOW_BYTES as VGA_WINDOW_BYTES };
export const VGA_MMIO_BYTES = 0x1000;

const MMIO_PORTS = 0x400;
const MMIO_PORTS_END = 0x420;
const MMIO_DISPI = 0x500;
const MMIO_DISPI_END = MMIO_DISPI + DISPI_REGISTERS * 2;
const PALETTE_PORTS = 0x3c0;
const DISPI_PORT = 0x1ce;

export interface VgaHost {
  readonly clock: Clock;
  readonly memory: VideoMemory;
}

export interface PortRange {
  readonly base: number;
  readonly length: number;
  readonly handler: IoHandler;
}

export class Vga extends Device<VgaState> {
  readonly screen: Screen;
  /** All legacy ports. 0x3BC-0x3BF in their midst are a printer's. */
  readonly ports: readonly PortRange[];
  /** For VGA_WINDOW, VGA_WINDOW_BYTES long. */
  readonly window: IoHandler;
  /** Of BAR 2. */
  readonly mmio: IoHandler;
  readonly #dispi: Dispi;
  readonly #planes: Planes;
  readonly #registers: Ports;
  readonly #screen: VgaScreen;
  readonly #dirty: DirtyPages;
  #beam: Timing | undefined;

  constructor(host: VgaHost) {
    super(vgaState);
    const { state } = this;
    const { clock, memory } = host;
    this.#dirty = new DirtyPages(memory);
    this.#dispi = new Dispi(state, {
      memoryBytes: memory.sizeBytes,
      clear: (length) => {
        this.#planes.bytes.fill(0, 0, length);
      },
      changed: () => {
        this.#planes.configure();
        this.#pictureChanged();
      },
    });
    this.#planes = new Planes(state, memory, this.#dispi, this.#dirty);
    const dac = new Dac(state, this.#dispi, () => this.#pictureChanged());
    this.#registers = new Ports(state, {
      dac,
      accessChanged: () => this.#planes.configure(),
      pictureChanged: () => this.#pictureChanged(),
      status: () => statusAt(this.#timing(), clock.now()),
    });
    this.#screen = new VgaScreen({
      state,
      clock,
      planes: this.#planes,
      dispi: this.#dispi,
      dac,
      dirty: this.#dirty,
      beam: () => this.#timing(),
    });
    this.screen = this.#screen;
    this.window = this.#planes;
    this.ports = [this.#range(0x3b0, 12), this.#range(PALETTE_PORTS, 32), this.#dispiRange()];
    this.mmio = {
      widest: 2,
      read: (offset, size) => this.#readMmio(offset, size),
      write: (offset, value, size) => this.#writeMmio(offset, value, size),
    };
  }

  override reset(): void {
    super.reset();
    this.#dispi.powerOn();
    this.derive();
  }

  protected override settle(): void {
    this.#planes.settle();
  }

  protected override derive(): void {
    this.#planes.derive();
    this.#dirty.markAll();
    this.#pictureChanged();
  }

  #pictureChanged(): void {
    this.#beam = undefined;
    this.#screen.changed();
  }

  #timing(): Timing {
    this.#beam ??= timing(this.state, this.#dispi.isEnabled ? this.#dispi.geometry().height : undefined);
    return this.#beam;
  }

  #range(base: number, length: number): PortRange {
    const handler: IoHandler = {
      widest: 1,
      read: (offset) => this.#registers.read(base + offset),
      write: (offset, value) => this.#registers.write(base + offset, value),
    };
    return { base, length, handler };
  }

  /** Index at 0x1CE, data at 0x1CF and again, for 32-bit accesses and other processors, at 0x1D0; words only. */
  #dispiRange(): PortRange {
    const handler: IoHandler = {
      widest: 2,
      read: (offset, size) => {
        if (size === 1) return 0xff;
        return offset === 0 ? this.state.dispiIndex : this.#dispi.read(this.state.dispiIndex);
      },
      write: (offset, value, size) => {
        if (size === 1) return;
        if (offset === 0) this.state.dispiIndex = value;
        else this.#dispi.write(this.state.dispiIndex, value);
      },
    };
    return { base: DISPI_PORT, length: 4, handler };
  }

  #readMmio(offset: number, size: AccessSize): number {
    if (offset >= MMIO_PORTS && offset < MMIO_PORTS_END) {
      const port = PALETTE_PORTS + offset - MMIO_PORTS;
      const low = this.#registers.read(port);
      return size === 1 ? low : low | (this.#registers.read(port + 1) << 8);
    }
    if (offset < MMIO_DISPI || offset >= MMIO_DISPI_END) return 0;
    const value = this.#dispi.read((offset - MMIO_DISPI) >> 1);
    return (offset & 1) !== 0 ? value >> 8 : value;
  }

  #writeMmio(offset: number, value: number, size: AccessSize): void {
    if (offset >= MMIO_PORTS && offset < MMIO_PORTS_END) {
      const port = PALETTE_PORTS + offset - MMIO_PORTS;
      this.#registers.write(port, value & 0xff);
      if (size !== 1) this.#registers.write(port + 1, value >> 8);
    } else if (offset >= MMIO_DISPI && offset < MMIO_DISPI_END && size === 2 && (offset & 1) === 0) {
      this.#dispi.write((offset - MMIO_DISPI) >> 1, value);
    }
  }
}
