import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VivariumError } from '../base/errors.ts';
import { readElf } from './elf.ts';
import { physicalEntry } from './load-elf.ts';
import { buildElf, buildNote, PT_NOTE } from './test-elf.ts';

const CODE = Uint8Array.of(0xf4, 0xeb, 0xfd);
const SEGMENT = { physicalAddress: 0x10_0000, data: CODE, memoryBytes: 0x2000 };

function isBadKernel(message: RegExp) {
  return (error: unknown) =>
    error instanceof VivariumError && error.fault.kind === 'bad-kernel' && message.test(error.message);
}

for (const bits of [32, 64] as const) {
  test(`a ${bits}-bit executable gives its entry, segments and notes`, () => {
    const note = { type: PT_NOTE, physicalAddress: 0, data: buildNote('Xen', 18, Uint8Array.of(1, 2, 3, 4)) };
    const elf = readElf(buildElf({ bits, entry: 0x10_0000, segments: [SEGMENT, note] }));
    assert.equal(elf.bits, bits);
    assert.equal(elf.entry, 0x10_0000n);
    assert.deepEqual(
      elf.segments.map((s) => [s.physicalAddress, [...s.data], s.memoryBytes]),
      [[0x10_0000, [0xf4, 0xeb, 0xfd], 0x2000]],
    );
    assert.deepEqual(
      elf.notes.map((n) => [n.name, n.type, [...n.description]]),
      [['Xen', 18, [1, 2, 3, 4]]],
    );
  });

  test(`every truncation of a ${bits}-bit executable is an error, not a crash`, () => {
    const image = buildElf({ bits, entry: 0x10_0000, segments: [SEGMENT] });
    for (let length = 0; length < image.length; length++) {
      assert.throws(() => readElf(image.subarray(0, length)), isBadKernel(/./));
    }
  });

  test(`no damage to the headers of a ${bits}-bit executable escapes as another error`, () => {
    const image = buildElf({ bits, entry: 0x10_0000, segments: [SEGMENT] });
    let refused = 0;
    for (let at = 0; at < image.length - CODE.length; at++) {
      for (const value of [0, 1, 0x7f, 0x80, 0xff]) {
        const damaged = image.slice();
        damaged[at] = value;
        try {
          readElf(damaged);
        } catch (error) {
          assert.ok(isBadKernel(/./)(error), String(error));
          refused++;
        }
      }
    }
    assert.ok(refused > 50);
  });
}

test('what is not an executable for this machine is refused with the reason', () => {
  const valid = { bits: 64, entry: 0x10_0000, segments: [SEGMENT] } as const;
  assert.throws(() => readElf(Uint8Array.of(1, 2, 3, 4)), isBadKernel(/not an ELF/));
  assert.throws(() => readElf(buildElf({ ...valid, machine: 183 })), isBadKernel(/not for an x86/));
  assert.throws(() => readElf(buildElf({ ...valid, type: 1 })), isBadKernel(/never linked/));
  assert.throws(() => readElf(buildElf({ ...valid, segments: [] })), isBadKernel(/nothing to load/));
  const tooMuchData = { ...SEGMENT, memoryBytes: 2 };
  assert.throws(() => readElf(buildElf({ ...valid, segments: [tooMuchData] })), isBadKernel(/damaged/));
});

test('notes that run over their segment end the list', () => {
  const good = buildNote('A', 1, Uint8Array.of(9));
  const data = Uint8Array.from([...good, ...new Uint8Array(4), 0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0]);
  const note = { type: PT_NOTE, physicalAddress: 0, data };
  const { notes } = readElf(buildElf({ bits: 64, entry: 0, segments: [SEGMENT, note] }));
  assert.deepEqual(
    notes.map((n) => n.name),
    ['A'],
  );
});

test('an entry stated as a virtual address is translated by its segment', () => {
  const segments = [{ ...SEGMENT, virtualAddress: 0xc010_0000 }];
  assert.equal(physicalEntry(readElf(buildElf({ bits: 32, entry: 0xc010_0001, segments }))), 0x10_0001);
  assert.equal(physicalEntry(readElf(buildElf({ bits: 32, entry: 0x10_0002, segments }))), 0x10_0002);
});
