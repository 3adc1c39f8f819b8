/**
 * Video memory as the processor sees it at 0xA0000-0xBFFFF: four planes behind the graphics controller's write and read
 * modes (IBM "VGA Function", "Graphics Controller Registers" and "Memory Operations"), or the linear memory of a VBE
 * mode, 64 KiB at a time (Bochs VBE_DISPI, "bank").
 *
 * The planes are interleaved: byte `offset` of plane p is byte offset * 4 + p of video memory. So a 32-bit word holds
 * what the latches do, and chain-4 memory is linear memory.
 *
 * Deviation: in odd/even and chain-4 addressing a VGA leaves out every second, or uses every fourth, place of a plane,
 * and the CRT controller's word and doubleword modes skip the same places when it shows them. Here addresses are
 * packed, and those modes count in the same packed places. It shows only where memory is filled in one addressing and
 * looked at in another.
 */

import type { AccessSize, IoHandler } from '../../base/bus.ts';
import type { VideoMemory } from '../../base/screen.ts';
import type { DirtyPages } from './dirty-pages.ts';
import type { Dispi } from './dispi.ts';
import type { VgaState } from './vga-state.ts';
import * as vga from './vga-state.ts';

export const WINDOW_BYTES = 0x2_0000;
const BANK_BYTES = 0x1_0000;
/** A plane of a VGA proper. */
const PLANE_BYTES = 0x1_0000;

/** Start and length by memory map select: 128 KiB, 64 KiB at 0xA0000, 32 KiB at 0xB0000, 32 KiB at 0xB8000. */
const MAPS = [
  [0, 0x2_0000],
  [0, 0x1_0000],
  [0x1_0000, 0x8000],
  [0x1_8000, 0x8000],
] as const;

/** A bit for each plane, made 0xFF for each plane. */
const PLANE_MASKS = Uint32Array.from({ length: 16 }, (_, planes) =>
  [0, 1, 2, 3].reduce((mask, plane) => mask + ((planes >> plane) & 1 ? 0xff * 2 ** (plane * 8) : 0), 0),
);

function planeMask(planes: number): number {
  return PLANE_MASKS[planes & 15] as number;
}

const SEQUENTIAL = 0;
const ODD_EVEN = 1;
const CHAIN_4 = 2;

export class Planes implements IoHandler {
  readonly #state: VgaState;
  readonly #memory: VideoMemory;
  readonly #dispi: Dispi;
  readonly #dirty: DirtyPages;
  #bytes: Uint8Array = new Uint8Array(0);
  #words: Uint32Array = new Uint32Array(0);
  // What follows from the registers, made by `configure`.
  #start = 0;
  #length = 0;
  #isLinear = false;
  #bank = 0;
  #lastOffset = 0;
  #writeAddressing = SEQUENTIAL;
  #readAddressing = SEQUENTIAL;
  #mapMask = 0;
  #writeMode = 0;
  #rotate = 0;
  #operation = 0;
  #setReset = 0;
  #enableSetReset = 0;
  #bitMask = 0;
  /** Bytes are stored as they come. */
  #isPlain = false;
  #readMap = 0;
  #comparesColours = false;
  #colourCompare = 0;
  #colourCare = 0;
  /** Fast path: of the state, kept as a 32-bit integer while accesses come; saves most of the time of a read. */
  #latches = 0;

  constructor(state: VgaState, memory: VideoMemory, dispi: Dispi, dirty: DirtyPages) {
    this.#state = state;
    this.#memory = memory;
    this.#dispi = dispi;
    this.#dirty = dirty;
    this.derive();
  }

  /** State has been restored. */
  derive(): void {
    this.#latches = this.#state.latches | 0;
    this.configure();
  }

  /** State is about to be saved. */
  settle(): void {
    this.#state.latches = this.#latches >>> 0;
  }

  /** Registers have changed. */
  configure(): void {
    const { sequencer, graphics, miscOutput } = this.#state;
    const { isLinear, isEnabled, bank } = this.#dispi;
    this.#isLinear = isLinear;
    this.#bank = isEnabled ? bank * BANK_BYTES : 0;
    this.#lastOffset = (isEnabled ? this.#memory.sizeBytes / 4 : PLANE_BYTES) - 1;
    const map = MAPS[isLinear ? 1 : ((graphics[vga.GFX_MISC] as number) >> 2) & 3] as (typeof MAPS)[number];
    this.#start = map[0];
    this.#length = isLinear || (miscOutput & vga.MISC_ENABLE_MEMORY) !== 0 ? map[1] : 0;
    const memoryMode = sequencer[vga.SEQ_MEMORY_MODE] as number;
    const mode = graphics[vga.GFX_MODE] as number;
    const chained = (memoryMode & vga.MEMORY_CHAIN_4) !== 0;
    const writesOddEven = (memoryMode & vga.MEMORY_SEQUENTIAL) === 0;
    const readsOddEven = (mode & vga.MODE_ODD_EVEN) !== 0;
    this.#writeAddressing = chained ? CHAIN_4 : writesOddEven ? ODD_EVEN : SEQUENTIAL;
    this.#readAddressing = chained ? CHAIN_4 : readsOddEven ? ODD_EVEN : SEQUENTIAL;
    this.#mapMask = (sequencer[vga.SEQ_MAP_MASK] as number) & 15;
    this.#writeMode = mode & 3;
    this.#rotate = (graphics[vga.GFX_ROTATE] as number) & 7;
    this.#operation = ((graphics[vga.GFX_ROTATE] as number) >> 3) & 3;
    this.#setReset = planeMask(graphics[vga.GFX_SET_RESET] as number);
    this.#enableSetReset = planeMask(graphics[vga.GFX_ENABLE_SET_RESET] as number);
    this.#bitMask = (graphics[vga.GFX_BIT_MASK] as number) * 0x0101_0101;
    this.#readMap = (graphics[vga.GFX_READ_MAP] as number) & 3;
    this.#comparesColours = (mode & vga.MODE_READ_COMPARE) !== 0;
    this.#colourCompare = planeMask(graphics[vga.GFX_COLOUR_COMPARE] as number);
    this.#colourCare = planeMask(graphics[vga.GFX_COLOUR_CARE] as number);
    const untouched = this.#rotate === 0 && this.#operation === 0 && this.#enableSetReset === 0;
    this.#isPlain = this.#writeMode === 0 && untouched && graphics[vga.GFX_BIT_MASK] === 0xff;
  }

  /** All of video memory. */
  get bytes(): Uint8Array {
    this.#attach();
    return this.#bytes;
  }

  get words(): Uint32Array {
    this.#attach();
    return this.#words;
  }

  /** Memory that has moved leaves views of no length behind. */
  #attach(): void {
    if (this.#words.length !== 0) return;
    const bytes = this.#memory.bytes;
    this.#bytes = bytes;
    this.#words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
  }

  read(offset: number, size: AccessSize): number {
    const at = offset - this.#start;
    let value = 0;
    // Lowest first: the latches keep what was read last.
    for (let i = 0; i < size; i++) value |= this.#readByte(at + i) << (8 * i);
    return value >>> 0;
  }

  write(offset: number, value: number, size: AccessSize): void {
    this.#attach();
    const at = offset - this.#start;
    if (this.#isLinear) {
      for (let i = 0; i < size; i++) this.#writeLinear(at + i, value >>> (8 * i));
    } else {
      for (let i = 0; i < size; i++) this.#writeByte(at + i, (value >>> (8 * i)) & 0xff);
    }
  }

  #readByte(at: number): number {
    if (at < 0 || at >= this.#length) return 0xff;
    this.#attach();
    if (this.#isLinear) return this.#bytes[this.#bank + at] ?? 0xff;
    let plane = this.#readMap;
    let place = at + this.#bank;
    if (this.#readAddressing === CHAIN_4) {
      plane = place & 3;
      place >>>= 2;
    } else if (this.#readAddressing === ODD_EVEN) {
      plane = (plane & 2) | (place & 1);
      place >>>= 1;
    }
    const latches = (this.#words[place & this.#lastOffset] as number) | 0;
    this.#latches = latches;
    if (!this.#comparesColours) return (latches >>> (plane * 8)) & 0xff;
    let different = (latches ^ this.#colourCompare) & this.#colourCare;
    different |= different >>> 16;
    different |= different >>> 8;
    return ~different & 0xff;
  }

  #writeLinear(at: number, value: number): void {
    if (at < 0 || at >= this.#length) return;
    const index = this.#bank + at;
    this.#bytes[index] = value;
    this.#dirty.mark(index);
  }

  #writeByte(at: number, value: number): void {
    if (at < 0 || at >= this.#length) return;
    let planes = this.#mapMask;
    let place = at + this.#bank;
    if (this.#writeAddressing === CHAIN_4) {
      planes &= 1 << (place & 3);
      place >>>= 2;
    } else if (this.#writeAddressing === ODD_EVEN) {
      planes &= 5 << (place & 1);
      place >>>= 1;
    }
    if (planes === 0) return;
    place &= this.#lastOffset;
    const mask = PLANE_MASKS[planes] as number;
    const data = this.#isPlain ? value * 0x0101_0101 : this.#combine(value);
    this.#words[place] = ((this.#words[place] as number) & ~mask) | (data & mask);
    this.#dirty.mark(place * 4);
  }

  /** What write modes, set/reset, rotation, operation and bit mask make of a byte, for all planes. */
  #combine(value: number): number {
    const latches = this.#latches;
    let bitMask = this.#bitMask;
    let data: number;
    switch (this.#writeMode) {
      case 0:
        data = this.#rotated(value) * 0x0101_0101;
        data = (data & ~this.#enableSetReset) | (this.#setReset & this.#enableSetReset);
        break;
      case 1:
        return latches;
      case 2:
        data = planeMask(value);
        break;
      default:
        bitMask &= this.#rotated(value) * 0x0101_0101;
        data = this.#setReset;
    }
    if (this.#operation === 1) data &= latches;
    else if (this.#operation === 2) data |= latches;
    else if (this.#operation === 3) data ^= latches;
    return (data & bitMask) | (latches & ~bitMask);
  }

  #rotated(value: number): number {
    return ((value >>> this.#rotate) | (value << (8 - this.#rotate))) & 0xff;
  }
}
