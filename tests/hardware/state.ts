/**
 * The processor state of a vector as one flat image of bytes, shared by the reader, the recorder and the file format.
 *
 *       0  RAX RCX RDX RBX RSP RBP RSI RDI R8 ... R15     8 bytes each
 *     128  RIP        136  RFLAGS        144  FS base        152  GS base
 *     160  ES CS SS DS FS GS selectors                    2 bytes each
 *     172  x87 control word      174  x87 status word     176  MXCSR (4 bytes)
 *     180  x87 tag, abridged as FXSAVE stores it (a bit per physical register, set when not empty)
 *     184  x87 registers R0 ... R7                        10 bytes each; ST(i) is R((TOP + i) mod 8), MMi is in Ri
 *     264  XMM0 ... XMM15                                 16 bytes each
 *
 * Not part of it: the x87 instruction and operand pointers and the last opcode, which are zero at entry and whose
 * values afterwards depend on the model (SDM Vol. 1 §8.1.8 and §8.1.9).
 */
export const STATE_BYTES = 520;
export const RIP_OFFSET = 128;
export const RFLAGS_OFFSET = 136;
export const FS_BASE_OFFSET = 144;
export const GS_BASE_OFFSET = 152;
export const SELECTOR_OFFSET = 160;
export const CONTROL_OFFSET = 172;
export const STATUS_OFFSET = 174;
export const MXCSR_OFFSET = 176;
export const TAG_OFFSET = 180;
export const ST_OFFSET = 184;
export const XMM_OFFSET = 264;

/** RFLAGS.DF and RFLAGS.AC. */
export const DIRECTION = 0x400;
export const ALIGNMENT_CHECK = 0x4_0000;

export class MachineState {
  /** The whole image. */
  readonly bytes: Uint8Array;
  /** RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8 ... R15. */
  readonly gpr: BigUint64Array;
  /** ES, CS, SS, DS, FS, GS. */
  readonly selectors: Uint16Array;
  /** The x87 registers R0 to R7, 10 bytes each, not rotated by TOP. The significand of Ri is MMi. */
  readonly st: Uint8Array;
  /** XMM0 to XMM15, 16 bytes each. */
  readonly xmm: Uint8Array;
  readonly #view: DataView;

  constructor() {
    const buffer = new ArrayBuffer(STATE_BYTES);
    this.bytes = new Uint8Array(buffer);
    this.gpr = new BigUint64Array(buffer, 0, 16);
    this.selectors = new Uint16Array(buffer, SELECTOR_OFFSET, 6);
    this.st = this.bytes.subarray(ST_OFFSET, ST_OFFSET + 80);
    this.xmm = this.bytes.subarray(XMM_OFFSET, XMM_OFFSET + 256);
    this.#view = new DataView(buffer);
  }

  copyFrom(other: MachineState): void {
    this.bytes.set(other.bytes);
  }

  get rip(): bigint {
    return this.#view.getBigUint64(RIP_OFFSET, true);
  }
  set rip(value: bigint) {
    this.#view.setBigUint64(RIP_OFFSET, value, true);
  }

  get rflags(): number {
    return this.#view.getUint32(RFLAGS_OFFSET, true);
  }
  set rflags(value: number) {
    this.#view.setUint32(RFLAGS_OFFSET, value, true);
  }

  get fsBase(): bigint {
    return this.#view.getBigUint64(FS_BASE_OFFSET, true);
  }
  set fsBase(value: bigint) {
    this.#view.setBigUint64(FS_BASE_OFFSET, value, true);
  }

  get gsBase(): bigint {
    return this.#view.getBigUint64(GS_BASE_OFFSET, true);
  }
  set gsBase(value: bigint) {
    this.#view.setBigUint64(GS_BASE_OFFSET, value, true);
  }

  /** x87 control word. */
  get control(): number {
    return this.#view.getUint16(CONTROL_OFFSET, true);
  }
  set control(value: number) {
    this.#view.setUint16(CONTROL_OFFSET, value, true);
  }

  /** x87 status word. */
  get status(): number {
    return this.#view.getUint16(STATUS_OFFSET, true);
  }
  set status(value: number) {
    this.#view.setUint16(STATUS_OFFSET, value, true);
  }

  get mxcsr(): number {
    return this.#view.getUint32(MXCSR_OFFSET, true);
  }
  set mxcsr(value: number) {
    this.#view.setUint32(MXCSR_OFFSET, value, true);
  }

  /** Abridged x87 tag word. */
  get tag(): number {
    return this.bytes[TAG_OFFSET];
  }
  set tag(value: number) {
    this.bytes[TAG_OFFSET] = value;
  }
}
