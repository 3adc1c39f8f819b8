/** Where memory operands lie, and the register values that make an addressing mode point there. */
import { type LegacyMode, type MemoryShape, NO_REGISTER, RIP_REGISTER, type Segment } from '../form.ts';
import { CODE, DATA, DATA_END, FS_BASE, GS_BASE, PAGE, READ_ONLY } from '../layout.ts';
import { descriptorOf, SEGMENT_NUMBERS } from '../segments.ts';
import type { MachineState } from '../state.ts';
import type { Prng } from './prng.ts';

const LINE = 64;

/** Non-canonical with 48-bit as well as with 57-bit linear addresses. */
const NON_CANONICAL = [0x8000_0000_0000_0000n, 0x0123_4567_89ab_cdefn, 0x7fff_0000_0060_0000n, 0xfe00_0000_0060_0010n];

/** A place for an operand of `size` bytes: mostly writable and aligned, sometimes straddling, read-only or absent. */
export function pickTarget(random: Prng, size: number): bigint {
  const room = 2 * PAGE - size;
  const straddle = 1 + random.below(Math.max(1, size - 1));
  const kind = random.below(100);
  if (kind < 55) {
    const step = 2 ** Math.ceil(Math.log2(Math.max(1, Math.min(size, LINE))));
    return BigInt(DATA + random.below(Math.floor(room / step) + 1) * step);
  }
  if (kind < 72) return BigInt(DATA + random.below(room + 1));
  if (kind < 77) return BigInt(DATA + (1 + random.below(60)) * LINE - straddle);
  if (kind < 83) return BigInt(DATA + PAGE - straddle);
  if (kind < 87) return BigInt(READ_ONLY + random.below(PAGE - size) - (size >= PAGE ? size : 0));
  if (kind < 90) return BigInt(READ_ONLY - straddle);
  if (kind < 92) return BigInt(DATA_END - straddle);
  if (kind < 94) return BigInt(DATA - straddle);
  if (kind < 97)
    return BigInt(random.pick([DATA - PAGE, DATA_END, 0x0012_3000, 0x7f00_0000]) + random.below(PAGE - 64));
  return random.pick(NON_CANONICAL);
}

/** Well inside the writable pages. */
export function pickInside(random: Prng, margin: number): bigint {
  return BigInt(DATA + margin + random.below(2 * PAGE - 2 * margin));
}

/** An address to branch to: filler in the code pages, other pages, absent pages, non-canonical. */
export function pickBranchTarget(random: Prng): bigint {
  const kind = random.below(20);
  if (kind < 14) return BigInt(CODE + random.below(0x100));
  if (kind < 15) return BigInt(CODE + 2 * PAGE - 1 - random.below(8));
  if (kind < 16) return BigInt(DATA + random.below(0x800));
  if (kind < 18) return BigInt(random.u32() & 0x7fff_ffff) | (0x7f0n << 32n);
  return random.pick(NON_CANONICAL);
}

/** A segment's base, by the selector that the state has for it outside 64-bit mode. */
export function segmentBase(segment: Segment, state: MachineState, mode: LegacyMode | undefined): bigint {
  if (mode !== undefined) return BigInt(descriptorOf(state.selectors[SEGMENT_NUMBERS[segment]])?.base ?? 0);
  return segment === 'fs' ? FS_BASE : segment === 'gs' ? GS_BASE : 0n;
}

/** Linear address of a memory operand in a state. */
export function linearAddress(
  shape: MemoryShape,
  state: MachineState,
  codeLength: number,
  mode: LegacyMode | undefined,
): bigint {
  let sum = shape.displacement;
  if (shape.base === RIP_REGISTER) sum += state.rip + BigInt(codeLength);
  else if (shape.base !== NO_REGISTER) sum += state.gpr[shape.base];
  if (shape.index !== NO_REGISTER) sum += state.gpr[shape.index] * BigInt(shape.scale);
  const base = segmentBase(shape.segment, state, mode);
  return BigInt.asUintN(mode === undefined ? 64 : 32, BigInt.asUintN(shape.addressBits, sum) + base);
}

/**
 * Set base and index so that the operand lies at `target`, or close above it where a scaled index alone cannot do that.
 * Register bits beyond the size of an address stay random.
 */
export function aim(
  random: Prng,
  shape: MemoryShape,
  state: MachineState,
  target: bigint,
  mode: LegacyMode | undefined,
): void {
  const { base, index, addressBits } = shape;
  const scale = BigInt(shape.scale);
  const wanted = BigInt.asUintN(addressBits, target - segmentBase(shape.segment, state, mode) - shape.displacement);
  const high = addressBits === 64 ? 0n : BigInt(random.u32()) << BigInt(addressBits);
  if (base === RIP_REGISTER || (base === NO_REGISTER && index === NO_REGISTER)) return;
  if (base === NO_REGISTER) {
    state.gpr[index] = ((wanted + scale - 1n) / scale) | high;
  } else if (base === index) {
    state.gpr[base] = ((wanted + scale) / (scale + 1n)) | high;
  } else {
    if (index !== NO_REGISTER && random.chance(50)) state.gpr[index] = BigInt(random.below(256));
    const scaled = index === NO_REGISTER ? 0n : state.gpr[index] * scale;
    state.gpr[base] = BigInt.asUintN(addressBits, wanted - scaled) | high;
  }
}
