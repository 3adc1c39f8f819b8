/**
 * Random instructions of 16-bit code in real-address mode, byte by byte, for `cases.ts`. What they leave undefined is
 * made good: a comparison follows where flags are. Two things are left to the vectors, because the emulator does them
 * otherwise than processors: INT1, and the upper half of what PUSH of a segment register writes with 32 bits.
 *
 * Addresses stay below 64 KiB in every segment, since the emulator that answers does not look at limits: BX, BP, SI and
 * DI are pointers that nothing else writes; AX, CX and DX are worked with.
 */
import type { Prng } from '../inputs/prng.ts';

/** CMP CX, DX. */
const DEFINE_FLAGS = [0x39, 0xd1];
const BYTE_REGISTERS = [0, 1, 2, 4, 5, 6];
/** ES, SS, DS, FS and GS. Code is not reset between cases, so there is no CS. */
const OVERRIDES = [0x26, 0x36, 0x3e, 0x64, 0x65];
const BASES_32 = [3, 6, 7];
const INDEXES_32 = [3, 5, 6, 7];

function word(value: number): number[] {
  return [value & 0xff, (value >> 8) & 0xff];
}

function double(value: number): number[] {
  return [...word(value), ...word(value >>> 16)];
}

/** Draws instructions one behind the other, the first at offset `start` of its segment. */
export class InstructionWriter {
  readonly bytes: number[] = [];
  readonly #random: Prng;
  readonly #start: number;
  readonly #codeSegment: number;

  constructor(random: Prng, start: number, codeSegment: number) {
    this.#random = random;
    this.#start = start;
    this.#codeSegment = codeSegment;
  }

  /** One more instruction, or several that belong together. */
  draw(): void {
    const kinds = [
      this.#arithmetic,
      this.#arithmetic,
      this.#immediates,
      this.#unary,
      this.#multiply,
      this.#shift,
      this.#bits,
      this.#move,
      this.#move,
      this.#convert,
      this.#decimal,
      this.#flags,
      this.#stack,
      this.#stack,
      this.#string,
      this.#branch,
      this.#transfer,
      this.#segment,
      this.#exchange,
    ];
    this.#random.pick(kinds).call(this);
  }

  /** An instruction that raises an interrupt, most of the time. */
  drawInterrupt(): void {
    const random = this.#random;
    const n = random.below(256);
    const [code] = [random.pick([[0xcd, n], [0xcd, n], [0xce], [0x0f, 0x0b], [0xf6, 0xf3], [0x62], [0x63, 0xc0]])];
    if (code[0] === 0x62) this.#withMemory([0x62], random.below(3));
    else this.#put(...code);
  }

  #put(...bytes: number[]): void {
    this.bytes.push(...bytes);
  }

  get #here(): number {
    return this.#start + this.bytes.length;
  }

  /** An operand-size prefix in two of five; whether there is one. */
  #size(): boolean {
    const wide = this.#random.chance(40);
    if (wide) this.#put(0x66);
    return wide;
  }

  #immediate(wide: boolean): number[] {
    const value = this.#random.chance(40) ? this.#random.below(64) - 32 : this.#random.u32();
    return wide ? double(value) : word(value);
  }

  #general(isByte = false): number {
    return isByte ? this.#random.pick(BYTE_REGISTERS) : this.#random.below(3);
  }

  /** An opcode with a ModRM byte; the prefixes that concern memory come before the opcode. */
  #withOperand(opcode: readonly number[], reg: number, isByte: boolean): void {
    if (this.#random.chance(55)) this.#withMemory(opcode, reg);
    else this.#put(...opcode, 0xc0 | (reg << 3) | this.#general(isByte));
  }

  #withMemory(opcode: readonly number[], reg: number): void {
    const random = this.#random;
    if (random.chance(20)) this.#put(random.pick(OVERRIDES));
    if (random.chance(30)) {
      this.#put(0x67, ...opcode, ...this.#memory32(reg));
      return;
    }
    const mod = random.below(3);
    const rm = random.below(8);
    const displacement = mod === 1 ? [random.below(256)] : word(random.below(0x3000));
    const direct = mod === 0 && rm === 6;
    this.#put(...opcode, (mod << 6) | (reg << 3) | rm, ...(mod === 0 && !direct ? [] : displacement));
  }

  #memory32(reg: number): number[] {
    const random = this.#random;
    const mod = random.below(3);
    const displacement = mod === 0 ? [] : mod === 1 ? [random.below(256)] : double(random.below(0x800));
    if (random.chance(15)) return [(reg << 3) | 5, ...double(0x100 + random.below(0x7000))];
    const base = random.pick(BASES_32);
    if (random.chance(40)) return [(mod << 6) | (reg << 3) | base, ...displacement];
    const sib = (random.below(4) << 6) | (random.pick(INDEXES_32) << 3) | base;
    return [(mod << 6) | (reg << 3) | 4, sib, ...displacement];
  }

  #arithmetic(): void {
    const random = this.#random;
    const operation = random.below(8) << 3;
    const form = random.below(6);
    const isByte = form % 2 === 0;
    const wide = !isByte && this.#size();
    if (form < 4) this.#withOperand([operation | form], this.#general(isByte), isByte);
    else this.#put(operation | form, ...(isByte ? [random.below(256)] : this.#immediate(wide)));
  }

  #immediates(): void {
    const random = this.#random;
    const opcode = random.pick([0x80, 0x81, 0x82, 0x83]);
    const isByte = opcode % 2 === 0;
    const wide = !isByte && this.#size();
    this.#withOperand([opcode], random.below(8), isByte);
    this.#put(...(opcode === 0x81 ? this.#immediate(wide) : [random.below(256)]));
  }

  #unary(): void {
    const random = this.#random;
    const isByte = random.chance(40);
    const wide = !isByte && this.#size();
    const kind = random.below(5);
    if (kind === 0 && !isByte) this.#put((random.chance(50) ? 0x40 : 0x48) | random.below(3));
    else if (kind === 1) this.#withOperand([isByte ? 0x84 : 0x85], this.#general(isByte), isByte);
    else if (kind === 2) {
      this.#withOperand([isByte ? 0xf6 : 0xf7], 0, isByte);
      this.#put(...(isByte ? [random.below(256)] : this.#immediate(wide)));
    } else if (kind === 3) this.#withOperand([isByte ? 0xf6 : 0xf7], 2 + random.below(2), isByte);
    else this.#withOperand([isByte ? 0xfe : 0xff], random.below(2), isByte);
  }

  #multiply(): void {
    const random = this.#random;
    const isByte = random.chance(40);
    const wide = !isByte && this.#size();
    const kind = random.below(4);
    if (isByte || kind < 2)
      this.#withOperand([isByte ? 0xf6 : 0xf7], 4 + random.below(random.chance(80) ? 2 : 4), isByte);
    else if (kind === 2) this.#withOperand([0x0f, 0xaf], this.#general(), false);
    else {
      const short = random.chance(50);
      this.#withOperand([short ? 0x6b : 0x69], this.#general(), false);
      this.#put(...(short ? [random.below(256)] : this.#immediate(wide)));
    }
    this.#put(...DEFINE_FLAGS);
  }

  #shift(): void {
    const random = this.#random;
    const isByte = random.chance(40);
    if (!isByte) this.#size();
    const byte = isByte ? 0 : 1;
    if (!isByte && random.chance(25)) {
      this.#withOperand([0x0f, random.pick([0xa4, 0xac])], this.#general(), false);
      this.#put(random.below(16));
    } else {
      const opcode = random.pick([0xc0, 0xd0, 0xd2]);
      this.#withOperand([opcode | byte], random.pick([0, 1, 2, 3, 4, 5, 7]), isByte);
      if (opcode === 0xc0) this.#put(random.below(40));
    }
    this.#put(...DEFINE_FLAGS);
  }

  #bits(): void {
    const random = this.#random;
    this.#size();
    const kind = random.below(3);
    if (kind === 0)
      this.#put(0x0f, random.pick([0xa3, 0xab, 0xb3, 0xbb]), 0xc0 | (this.#general() << 3) | this.#general());
    else if (kind === 1) {
      this.#withOperand([0x0f, 0xba], 4 + random.below(4), false);
      this.#put(random.below(16));
    } else this.#withOperand([0x0f, random.pick([0xbc, 0xbd])], this.#general(), false);
    this.#put(...DEFINE_FLAGS);
  }

  #move(): void {
    const random = this.#random;
    const isByte = random.chance(35);
    const wide = !isByte && this.#size();
    const bit = isByte ? 0 : 1;
    const kind = random.below(6);
    if (kind < 3) this.#withOperand([0x88 | bit | (random.below(2) << 1)], this.#general(isByte), isByte);
    else if (kind === 3) {
      this.#withOperand([0xc6 | bit], 0, isByte);
      this.#put(...(isByte ? [random.below(256)] : this.#immediate(wide)));
    } else if (kind === 4) {
      const immediate = isByte ? [random.below(256)] : this.#immediate(wide);
      this.#put((isByte ? 0xb0 : 0xb8) | this.#general(isByte), ...immediate);
    } else {
      const offset = 0x100 + random.below(0x7000);
      const far = random.chance(30);
      if (random.chance(25)) this.#put(random.pick(OVERRIDES));
      this.#put(...(far ? [0x67] : []), 0xa0 | bit | (random.below(2) << 1), ...(far ? double(offset) : word(offset)));
    }
  }

  #convert(): void {
    const random = this.#random;
    this.#size();
    const kind = random.below(6);
    if (kind === 0) this.#put(random.pick([0x98, 0x99]));
    else if (kind === 1) {
      const opcode = random.pick([0xb6, 0xb7, 0xbe, 0xbf]);
      this.#withOperand([0x0f, opcode], this.#general(), opcode % 2 === 0);
    } else if (kind === 2) this.#withOperand([0x0f, 0x40 | random.below(16)], this.#general(), false);
    else if (kind === 3) this.#withOperand([0x0f, 0x90 | random.below(16)], 0, true);
    else if (kind === 4) this.#withMemory([0x8d], this.#general());
    else this.#put(0xd7);
  }

  #decimal(): void {
    const random = this.#random;
    const [code] = [
      random.pick([[0x27], [0x2f], [0x37], [0x3f], [0xd4, 1 + random.below(255)], [0xd5, random.below(256)]]),
    ];
    this.#put(...code, ...DEFINE_FLAGS);
  }

  /** CMC, CLC, STC, CLD, STD, SAHF, LAHF, SALC; IF stays clear. */
  #flags(): void {
    this.#put(this.#random.pick([0xf5, 0xf8, 0xf9, 0xfc, 0xfd, 0x9e, 0x9f, 0xd6]));
  }

  #stack(): void {
    const random = this.#random;
    const wide = this.#size();
    const again = wide ? [0x66] : [];
    switch (random.below(9)) {
      case 0:
        return this.#put(0x50 | random.below(8), ...again, 0x58 | random.below(3));
      case 1:
        return this.#put(0x68, ...this.#immediate(wide));
      case 2:
        return this.#put(0x6a, random.below(256));
      case 3:
        if (wide) return this.#put(0x68, ...double(random.u32()));
        return this.#put(...random.pick([[0x06], [0x0e], [0x16], [0x1e], [0x0f, 0xa0], [0x0f, 0xa8]]));
      case 4:
        return this.#put(0x60, ...(random.chance(70) ? [...again, 0x61] : []));
      case 5: {
        // Flags but for TF, IF, IOPL and NT.
        const image = (random.u32() & 0xcd5) | 2;
        return this.#put(0x68, ...(wide ? double(image) : word(image)), ...again, 0x9d);
      }
      case 6:
        return this.#put(0x9c, ...again, 0x58 | random.below(3));
      case 7:
        return this.#withMemory([0xff], 6);
      default:
        if (random.chance(50)) return this.#withMemory([0x8f], 0);
        return this.#put(0xc8, ...word(random.below(64)), random.below(4), ...again, 0xc9);
    }
  }

  /** A few elements; CX or ECX is set before. */
  #string(): void {
    const random = this.#random;
    const far = random.chance(30);
    const count = random.below(12);
    if (far) this.#put(0x66, 0xb9, ...double(count), 0x67);
    else this.#put(0xb9, ...word(count));
    this.#size();
    if (random.chance(20)) this.#put(random.pick(OVERRIDES));
    if (random.chance(70)) this.#put(random.pick([0xf2, 0xf3]));
    this.#put(random.pick([0xa4, 0xa5, 0xa6, 0xa7, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf]));
  }

  /** Over INC DX or not. */
  #branch(): void {
    const random = this.#random;
    const kind = random.below(4);
    if (kind === 0) this.#put(0x70 | random.below(16), 1);
    else if (kind === 1) this.#put(0x0f, 0x80 | random.below(16), 1, 0);
    else if (kind === 2) this.#put(...(random.chance(40) ? [0x67] : []), 0xe0 | random.below(4), 1);
    else
      this.#put(
        ...random.pick([
          [0xeb, 1],
          [0xe9, 1, 0],
          [0x66, 0xe9, 1, 0, 0, 0],
        ]),
      );
    this.#put(0x42);
  }

  /** Calls of, jumps and returns to what follows. */
  #transfer(): void {
    const random = this.#random;
    const wide = this.#size();
    const prefix = wide ? [0x66] : [];
    const offset = (behind: number): number[] => {
      const target = this.#here + behind;
      return wide ? double(target) : word(target);
    };
    const slot = wide ? 4 : 2;
    const segment = word(this.#codeSegment);
    switch (random.below(7)) {
      case 0:
        return this.#put(0xe8, ...(wide ? double(0) : word(0)), ...prefix, 0x58 | random.below(3));
      case 1:
        return this.#put(0x9a, ...offset(slot + 3), ...segment, ...prefix, 0x58, ...prefix, 0x5a);
      case 2:
        return this.#put(0xea, ...offset(slot + 3), ...segment);
      case 3:
        return this.#put(0x68, ...offset(slot + prefix.length + 2), ...prefix, 0xc3);
      case 4:
        return this.#put(0x68, ...offset(slot + prefix.length + 4), ...prefix, 0xc2, ...word(2 * random.below(8)));
      case 5: {
        const push = this.#pushCode(wide);
        return this.#put(...push, 0x68, ...offset(push.length + slot + prefix.length + 2), ...prefix, 0xcb);
      }
      default: {
        const image = (random.u32() & 0xcd5) | 2;
        this.#put(0x68, ...(wide ? double(image) : word(image)));
        const push = [...prefix, ...this.#pushCode(wide)];
        return this.#put(...push, 0x68, ...offset(push.length + slot + prefix.length + 2), ...prefix, 0xcf);
      }
    }
  }

  /** PUSH of the code segment's selector, and the prefix of the next push; the prefix of its own is there already. */
  #pushCode(wide: boolean): number[] {
    return wide ? [0x68, ...double(this.#codeSegment), 0x66] : [0x0e];
  }

  /** A segment register is loaded and told of, and gets a usable value again. */
  #segment(): void {
    const random = this.#random;
    const restore = [0x1e, 0x07];
    switch (random.below(4)) {
      case 0:
        this.#put(0x8e, 0xc0 | random.below(3), 0x8c, 0xc2);
        return this.#put(...restore);
      case 1:
        this.#size();
        this.#withMemory([0xc4], this.#general());
        return this.#put(0x8c, 0xc0, ...restore);
      case 2:
        this.#withMemory([0x8e], 0);
        return this.#put(0x8c, 0xc1, ...restore);
      default:
        return this.#withOperand([0x8c], random.pick([0, 1, 2, 3, 4, 5]), false);
    }
  }

  #exchange(): void {
    const random = this.#random;
    const isByte = random.chance(35);
    if (!isByte) this.#size();
    const bit = isByte ? 0 : 1;
    switch (random.below(5)) {
      case 0:
        return this.#withOperand([0x86 | bit], this.#general(isByte), isByte);
      case 1:
        return this.#put(0x90 | random.below(3));
      case 2:
        return this.#withOperand([0x0f, 0xc0 | bit], this.#general(isByte), isByte);
      case 3:
        return this.#withOperand([0x0f, 0xb0 | bit], this.#general(isByte), isByte);
      default:
        return this.#put(0x66, 0x0f, 0xc8 | random.below(3));
    }
  }
}
