/** A vCPU's saved state in words, for reports. */

import { architecturalState, type StateField, vcpu } from '../../src/cpu/state.ts';

const GENERAL = 'RAX RCX RDX RBX RSP RBP RSI RDI R8 R9 R10 R11 R12 R13 R14 R15'.split(' ');
const A_LINE = 4;

/** One element of a field, in hexadecimal. */
function element(state: Uint8Array, { offset, type }: StateField, index = 0): string {
  const bytes = type / 8;
  const start = offset + index * bytes;
  return Buffer.from(state.subarray(start, start + bytes))
    .reverse()
    .toString('hex');
}

export function showRegisters(state: Uint8Array): string {
  const lines = [`  RIP ${element(state, vcpu.rip)}  CPL ${Number.parseInt(element(state, vcpu.cpl), 16)}`];
  for (let i = 0; i < GENERAL.length; i += A_LINE) {
    const line = GENERAL.slice(i, i + A_LINE).map((name, k) => `${name.padEnd(3)} ${element(state, vcpu.gpr, i + k)}`);
    lines.push(`  ${line.join('  ')}`);
  }
  return lines.join('\n');
}

/** Every element in which the two differ. */
export function differingFields(a: Uint8Array, b: Uint8Array): string[] {
  return architecturalState.flatMap((field) =>
    Array.from({ length: field.count }, (_, i) => i)
      .filter((i) => element(a, field, i) !== element(b, field, i))
      .map((i) => {
        const name = field.count === 1 ? field.name : `${field.name}[${i}]`;
        return `${name}: ${element(a, field, i)}, ${element(b, field, i)}`;
      }),
  );
}
