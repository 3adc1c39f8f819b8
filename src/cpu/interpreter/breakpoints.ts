/** Breakpoints of the debug registers: SDM Vol. 3B §17.2.4 "Debug Control Register (DR7)", §17.2.5 "Breakpoint Field Recognition". */

const EXECUTION = 0;
const WRITES = 1;
const PORTS = 2;
const READS_AND_WRITES = 3;
/** Bytes by the LEN field. */
const LENGTHS = [1, 2, 8, 4];

/** The addresses in DR0 to DR3, and DR7. */
export interface Breakpoints {
  readonly addresses: readonly bigint[];
  readonly control: number;
}

function isEnabled(control: number, i: number): boolean {
  return ((control >>> (2 * i)) & 3) !== 0;
}

function kindOf(control: number, i: number): number {
  return (control >>> (16 + 4 * i)) & 3;
}

/** Whether any instruction breakpoint is enabled. */
export function watchesInstructions(control: number): boolean {
  return (control & 0xff) !== 0 && [0, 1, 2, 3].some((i) => isEnabled(control, i) && kindOf(control, i) === EXECUTION);
}

/** Bits 0-3 of DR6 for an instruction at a linear address. */
export function instructionHits({ addresses, control }: Breakpoints, linear: bigint): number {
  let hits = 0;
  for (let i = 0; i < 4; i++) {
    if (isEnabled(control, i) && kindOf(control, i) === EXECUTION && addresses[i] === linear) hits |= 1 << i;
  }
  return hits;
}

/** Whether any address from `start` on, `bytes` long, is one that breakpoint `i` watches. */
function touches({ addresses, control }: Breakpoints, i: number, start: bigint, bytes: number): boolean {
  const length = BigInt(LENGTHS[(control >>> (18 + 4 * i)) & 3] as number);
  const watched = (addresses[i] as bigint) & ~(length - 1n);
  return start < watched + length && watched < start + BigInt(bytes);
}

/** Bits 0-3 of DR6 for an access to memory. */
export function dataHits(breakpoints: Breakpoints, linear: bigint, bytes: number, write: boolean): number {
  const { control } = breakpoints;
  let hits = 0;
  for (let i = 0; i < 4; i++) {
    const kind = kindOf(control, i);
    if (!isEnabled(control, i) || !(kind === READS_AND_WRITES || (kind === WRITES && write))) continue;
    if (touches(breakpoints, i, linear, bytes)) hits |= 1 << i;
  }
  return hits;
}

/** Bits 0-3 of DR6 for an access to ports, with CR4.DE. */
export function portHits(breakpoints: Breakpoints, port: number, bytes: number): number {
  const { control } = breakpoints;
  let hits = 0;
  for (let i = 0; i < 4; i++) {
    if (!isEnabled(control, i) || kindOf(control, i) !== PORTS) continue;
    if (touches(breakpoints, i, BigInt(port), bytes)) hits |= 1 << i;
  }
  return hits;
}
