import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeCpuState, encodeCpuState } from './saved-state.ts';
import { architecturalState, type StateField, vcpu } from './state.ts';

const BYTES = Math.max(...architecturalState.map(({ offset, type, count }) => offset + (type / 8) * count));

/** A processor in 32-bit protected mode, with numbers in its registers. */
function block(): Uint8Array {
  const bytes = new Uint8Array(BYTES);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < 16; i++) view.setBigUint64(vcpu.gpr.offset + 8 * i, 0x1111_2222_3333_4444n * BigInt(i), true);
  view.setBigUint64(vcpu.cr0.offset, 0x11n, true);
  view.setBigUint64(vcpu.xcr0.offset, 1n, true);
  view.setUint32(vcpu.rflags.offset, 2, true);
  view.setBigUint64(vcpu.instructions.offset, 12_345n, true);
  return bytes;
}

function refuses(change: (view: DataView) => void, field: string): void {
  const bytes = block();
  change(new DataView(bytes.buffer));
  assert.throws(() => decodeCpuState(encodeCpuState(bytes), BYTES), {
    message: `Saved state of "vcpu" cannot be restored: its field "${field}" has a value that it cannot have had.`,
  });
}

test('registers come back', () => {
  assert.deepEqual(decodeCpuState(encodeCpuState(block()), BYTES), block());
});

test('wherever it is cut off, it is refused', () => {
  const saved = encodeCpuState(block());
  for (let length = 0; length < saved.length; length++) {
    assert.throws(
      () => decodeCpuState(saved.subarray(0, length), BYTES),
      /^VivariumError: Saved state of "vcpu" cannot/,
    );
  }
});

const LOW: readonly (readonly [field: StateField, value: number])[] = [
  [vcpu.cpl, 4],
  [vcpu.fpuTop, 8],
  [vcpu.fpuEmpty, 0x100],
  [vcpu.interruptShadow, 3],
  [vcpu.activity, 2],
  [vcpu.flagCarry, 2],
  [vcpu.rflags, 3],
  [vcpu.rflags, 0],
  [vcpu.xcr0, 7],
  [vcpu.xcr0, 0],
  [vcpu.cr0, 0x8000_0010],
  [vcpu.cr4, 1 << 13],
  [vcpu.cr4, 1 << 17],
  [vcpu.efer, 2],
  [vcpu.mxcsr, 0x1_0000],
];

for (const [field, value] of LOW) {
  test(`${field.name} is never ${value.toString(16)}`, () => {
    refuses((view) => view.setUint32(field.offset, value, true), field.name);
  });
}

test('the instruction pointer is below 4 GiB outside 64-bit code', () => {
  refuses((view) => view.setBigUint64(vcpu.rip.offset, 1n << 32n, true), 'rip');
});

test('counts stay exact', () => {
  refuses((view) => view.setBigUint64(vcpu.instructions.offset, 1n << 60n, true), 'instructions');
});
