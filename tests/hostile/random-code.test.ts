import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ENGINE_CHOICES, type EngineChoice } from '../../src/cpu/translator/statistics.ts';
import { nodePlatform } from '../../src/host/node/platform.ts';
import { OPTIONAL_DEVICES } from '../../src/machine/pc.ts';
import { Guest } from '../../src/vmm/guest.ts';
import type { GuestOptions } from '../../src/vmm/guest-options.ts';
import { Random } from '../../src/vmm/random.ts';
import { stopAfter } from '../boot/booted.ts';
import { nightly } from '../nightly.ts';

/** Guests made of noise: whatever they do to themselves, the host goes on. */

const LOAD_ADDRESS = 0x10_0000;
const CODE_BYTES = 0x9000;
const RUN_MS = 150;
const SEEDS = 24;
/** Of the guests that run on every engine: how many there are, and how far they run. */
const COMPARED = nightly ? 200 : 8;
const COMPARED_INSTRUCTIONS = 2_000;
const HALTED_MS = 60_000;

const MULTIBOOT_MAGIC = 0x1badb002;
const MULTIBOOT_ADDRESSES = 1 << 16;

/** What keeps noise running: an IDT whose gates all lead to the stub. */
const IDT = 0x10_7000;
const STUB = LOAD_ADDRESS + 0x100;
/** Code selector that the Multiboot loader gives. */
const CODE_SELECTOR = 8;
const HLT = 0xf4;
const NOP = 0x90;

/** After any exception: a new stack, and on at a random place of the noise. */
const STUB_CODE = [
  ...[0xbc, 0x00, 0x00, 0x20, 0x00], // mov esp, 0x200000
  ...[0xa1, 0x00, 0xf0, 0x10, 0x00], // mov eax, [0x10f000]
  ...[0x69, 0xc0, 0x0d, 0x66, 0x19, 0x00], // imul eax, eax, 0x19660d
  ...[0x05, 0x5f, 0xf3, 0x6e, 0x3c], // add eax, 0x3c6ef35f
  ...[0xa3, 0x00, 0xf0, 0x10, 0x00], // mov [0x10f000], eax
  ...[0xc1, 0xe8, 0x0c], // shr eax, 12
  ...[0x25, 0xff, 0x3f, 0x00, 0x00], // and eax, 0x3fff
  ...[0x05, 0x00, 0x20, 0x10, 0x00], // add eax, 0x102000
  ...[0xff, 0xe0], // jmp eax
];

/** What noise alone would hardly ever do, run before it. */
const PROLOGUES: readonly (readonly number[])[] = [
  [],
  [0xfb], // sti
  // mov eax, 0x109000; mov cr3, eax; mov eax, 0x80000001; mov cr0, eax: page tables of zeros
  [0xb8, 0, 0x90, 0x10, 0, 0x0f, 0x22, 0xd8, 0xb8, 1, 0, 0, 0x80, 0x0f, 0x22, 0xc0],
  // mov eax, 0x102000; mov cr3, eax; ...: page tables of noise
  [0xb8, 0, 0x20, 0x10, 0, 0x0f, 0x22, 0xd8, 0xb8, 1, 0, 0, 0x80, 0x0f, 0x22, 0xc0],
  // mov eax, 0x10; mov cr0, eax: real mode in 32-bit code
  [0xb8, 0x10, 0, 0, 0, 0x0f, 0x22, 0xc0],
  // pushfd; or dword [esp], 0x100; popfd: single steps
  [0x9c, 0x81, 0x0c, 0x24, 0, 1, 0, 0, 0x9d],
  // mov eax, 0x102100; mov dr0, eax; mov eax, 0x000d0003; mov dr7, eax: a data breakpoint
  [0xb8, 0, 0x21, 0x10, 0, 0x0f, 0x23, 0xc0, 0xb8, 3, 0, 13, 0, 0x0f, 0x23, 0xf8],
  // mov eax, 0x600; mov cr4, eax: SSE
  [0xb8, 0, 6, 0, 0, 0x0f, 0x22, 0xe0],
];

/** LIDT, the prologue, then into the stub; and the IDT. */
function program(seed: number): Uint8Array {
  // A guest that halts for good tells no more.
  const code = new Random(seed).bytes(CODE_BYTES).map((byte) => (byte === HLT ? NOP : byte));
  const at = (address: number): number => address - LOAD_ADDRESS - 32;
  const view = new DataView(code.buffer);
  const entry = [0x0f, 0x01, 0x1d, 0xf8, 0x6f, 0x10, 0x00, ...(PROLOGUES[seed % PROLOGUES.length] ?? [])];
  code.set([...entry, 0xe9, 0, 0, 0, 0]);
  view.setInt32(entry.length + 1, at(STUB) - (entry.length + 5), true);
  code.set(STUB_CODE, at(STUB));
  view.setUint16(at(IDT) - 8, 256 * 8 - 1, true);
  view.setUint32(at(IDT) - 6, IDT, true);
  for (let vector = 0; vector < 256; vector++) {
    view.setUint32(at(IDT) + 8 * vector, (CODE_SELECTOR << 16) | (STUB & 0xffff), true);
    view.setUint32(at(IDT) + 8 * vector + 4, (STUB & 0xffff0000) | 0x8e00, true);
  }
  return code;
}

/** A Multiboot image by its address fields, with `code` at its entry. */
function multibootImage(code: Uint8Array): Uint8Array {
  const image = new Uint8Array(32 + code.length);
  const view = new DataView(image.buffer);
  const words = [
    MULTIBOOT_MAGIC,
    MULTIBOOT_ADDRESSES,
    -(MULTIBOOT_MAGIC + MULTIBOOT_ADDRESSES),
    LOAD_ADDRESS,
    LOAD_ADDRESS,
    LOAD_ADDRESS + image.length,
    LOAD_ADDRESS + image.length,
    LOAD_ADDRESS + 32,
  ];
  for (const [i, word] of words.entries()) view.setUint32(4 * i, word >>> 0, true);
  image.set(code, 32);
  return image;
}

function create(seed: number, options: Partial<GuestOptions>): Promise<Guest> {
  return Guest.create({
    memoryBytes: 16 << 20,
    kernel: { image: multibootImage(program(seed)), commandLine: '' },
    time: 'deterministic',
    seed,
    optionalDevices: OPTIONAL_DEVICES,
    onConsole: () => {},
    host: nodePlatform,
    ...options,
  });
}

test(`${SEEDS} guests of random code neither throw nor hang the host`, async () => {
  let instructions = 0;
  for (let seed = 0; seed < SEEDS; seed++) {
    const guest = await create(seed, {
      time: seed % 2 === 0 ? 'deterministic' : 'real',
      engine: ENGINE_CHOICES[seed % 3] as EngineChoice,
    });
    const timer = setTimeout(() => guest.stop(), RUN_MS);
    const end = await guest.run();
    clearTimeout(timer);
    assert.ok(end.kind.length > 0, `seed ${seed}`);
    instructions += guest.stats().instructions;
    assert.match(guest.stateHash(), /^[0-9a-f]{64}$/);
  }
  console.log(`${instructions} instructions of noise`);
  assert.ok(instructions > 1000 * SEEDS, 'the guests ran');
});

test(`${COMPARED} guests of random code are in the same state after ${COMPARED_INSTRUCTIONS} instructions on every engine`, async () => {
  let instructions = 0;
  for (let seed = 0; seed < COMPARED; seed++) {
    const outcomes = new Map<string, string>();
    for (const engine of ENGINE_CHOICES) {
      const guest = await create(seed, { engine });
      // Else 'auto' would see nothing hot.
      if (engine === 'auto') guest.debug.engine.blocks.countdown = 2;
      stopAfter(guest, COMPARED_INSTRUCTIONS);
      // Those that halt for good end in no other way.
      const timer = setTimeout(() => guest.stop(), HALTED_MS);
      const end = await guest.run();
      clearTimeout(timer);
      const { instructions: count } = guest.stats();
      instructions += count;
      outcomes.set(engine, JSON.stringify([end, count, guest.stateHash()]));
    }
    assert.equal(new Set(outcomes.values()).size, 1, `seed ${seed}: ${[...outcomes].join('\n')}`);
  }
  console.log(`${instructions} instructions compared`);
  assert.ok(instructions > 0.5 * COMPARED_INSTRUCTIONS * ENGINE_CHOICES.length * COMPARED, 'the guests ran');
});
