/** Cases of short instruction sequences in real-address mode, drawn from a seed, and the ROM that runs them. */
import { Prng } from '../inputs/prng.ts';
import { InstructionWriter } from './instructions.ts';

const RECORD_BYTES = 128;
const ROM_BYTES = 0x2_0000;
const CASES_END = 0x1_8000;
export const CASES = CASES_END / RECORD_BYTES;
const CODE_AT = 50;
const MOST_CODE = 78;
/** Where the driver puts the code. */
const CODE_SEGMENT = 0x1000;
const CODE_OFFSET = 0x100;
const DATA_SEGMENT = 0x2000;
const STATUS_FLAGS = 0x8d5;
const SEED = 0x7265_616c;

/** What the driver tells of a case; `driver.asm` has the layout. */
export const ANSWER_BYTES = 8 + 32 + 2 + 6 + 2 + 4;

function drawCode(random: Prng): number[] {
  const writer = new InstructionWriter(random, CODE_OFFSET, CODE_SEGMENT);
  const count = 1 + random.below(7);
  for (let i = 0; i < count; i++) writer.draw();
  if (random.chance(12)) writer.drawInterrupt();
  return writer.bytes;
}

/** The bytes of a case's instructions. INT3 is behind them. Cases are counted through all ROMs. */
export function codeOf(number: number): number[] {
  const random = new Prng();
  random.seed(SEED, number);
  let code = drawCode(random);
  while (code.length > MOST_CODE) code = drawCode(random);
  return code;
}

function writeRecord(view: DataView, at: number, number: number): void {
  const random = new Prng();
  random.seed(number, SEED);
  const pointer = (): number => 0x800 + random.below(0x1000);
  const value = (): number => (random.chance(40) ? (random.below(64) - 32) >>> 0 : random.u32() >>> random.below(32));
  const segment = (): number => DATA_SEGMENT + random.below(0x400);
  // POPAD's order, without ESP.
  const registers = [pointer(), pointer(), pointer(), 0, pointer(), value(), value(), value()];
  registers.forEach((register, i) => {
    view.setUint32(at + 4 * i, register, true);
  });
  view.setUint32(at + 32, 2 | (random.u32() & STATUS_FLAGS) | (random.chance(20) ? 0x400 : 0), true);
  for (let i = 0; i < 4; i++) view.setUint16(at + 36 + 2 * i, segment(), true);
  view.setUint32(at + 44, 0x9000 + random.below(0x1000), true);
  view.setUint16(at + 48, segment(), true);
  const code = codeOf(number);
  for (let i = 0; i < MOST_CODE; i++) view.setUint8(at + CODE_AT + i, code[i] ?? 0xcc);
}

/** 128 KiB for E0000h: the cases of a ROM by its number, and the assembled driver in the last quarter. */
export function buildRom(driver: Uint8Array, number: number): Uint8Array {
  const rom = new Uint8Array(ROM_BYTES);
  const view = new DataView(rom.buffer);
  for (let index = 0; index < CASES; index++) writeRecord(view, RECORD_BYTES * index, number * CASES + index);
  rom.set(driver, ROM_BYTES - driver.length);
  view.setUint16(ROM_BYTES - 2, CASES, true);
  return rom;
}
