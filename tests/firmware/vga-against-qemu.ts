/**
 * Random accesses to the registers and the window of the VGA, here and on QEMU's (through its qtest protocol, with the
 * processor stopped): every read must give the same.
 *
 *     node --import tsx tests/firmware/vga-against-qemu.ts [SEED]
 *
 * Left out, because QEMU does less there than a VGA: write modes and set/reset in odd/even and chain-4 addressing, the
 * upper two bits of colours, Status 0 and 1, the palette mask.
 */

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { AccessSize } from '../../src/base/bus.ts';
import { generator } from '../../src/base/test-random.ts';
import { TestVga } from '../../src/devices/vga/test-vga.ts';

const ADDRESSINGS = ['planes', 'chain 4', 'odd/even'] as const;
type Addressing = (typeof ADDRESSINGS)[number];

const ROUNDS = 400;
const ACCESSES_A_ROUND = 200;
/** Few places, so that they are read after they were written. */
const PLACES = 64;
const SIZES: readonly AccessSize[] = [1, 2, 4];
const LETTERS = { 1: 'b', 2: 'w', 4: 'l' } as const;

class Qemu {
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;

  constructor() {
    this.#process = spawn('qemu-system-i386', [
      ...['-machine', 'pc', '-accel', 'tcg', '-S', '-m', '32', '-nodefaults', '-device', 'VGA', '-display', 'none'],
      ...['-qtest', 'stdio', '-qtest-log', '/dev/null'],
    ]);
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]();
  }

  send(lines: readonly string[]): void {
    this.#process.stdin.write(`${lines.join('\n')}\n`);
  }

  /** The value in the next answer; NaN of a write. */
  async answer(): Promise<number> {
    for (;;) {
      const { value, done } = await this.#lines.next();
      if (done || value.startsWith('FAIL')) throw new Error(`QEMU: ${value ?? 'has ended'}`);
      if (value.startsWith('OK')) return Number(value.split(' ')[1]);
    }
  }

  end(): void {
    this.#process.kill();
  }
}

class Sides {
  readonly #rig = new TestVga();
  readonly #qemu = new Qemu();
  readonly #lines: string[] = [];
  readonly #ours: number[] = [];
  checks = 0;
  differences = 0;

  out(port: number, value: number): void {
    this.#rig.out(port, value);
    this.#add(`outb 0x${port.toString(16)} ${value}`, Number.NaN);
  }

  set(port: number, index: number, value: number): void {
    this.out(port, index);
    this.out(port + 1, value);
  }

  in(port: number): void {
    this.#add(`inb 0x${port.toString(16)}`, this.#rig.in(port));
  }

  /** A read for its effect. */
  touch(port: number): void {
    this.#rig.in(port);
    this.#add(`inb 0x${port.toString(16)}`, Number.NaN);
  }

  poke(address: number, value: number, size: AccessSize): void {
    this.#rig.poke(address, value, size);
    this.#add(`write${LETTERS[size]} 0x${address.toString(16)} 0x${value.toString(16)}`, Number.NaN);
  }

  peek(address: number, size: AccessSize): void {
    this.#add(`read${LETTERS[size]} 0x${address.toString(16)}`, this.#rig.peek(address, size));
  }

  #add(line: string, ours: number): void {
    this.#lines.push(line);
    this.#ours.push(ours);
  }

  async compare(): Promise<void> {
    this.#qemu.send(this.#lines);
    for (const [at, line] of this.#lines.entries()) {
      const theirs = await this.#qemu.answer();
      const ours = this.#ours[at] as number;
      if (Number.isNaN(ours)) continue;
      this.checks++;
      if (ours === theirs) continue;
      this.differences++;
      console.log(`${line}: ${ours.toString(16)} here, ${theirs.toString(16)} on QEMU`);
    }
    this.#lines.length = 0;
    this.#ours.length = 0;
  }

  end(): void {
    this.#qemu.end();
  }
}

function setUp(sides: Sides, addressing: Addressing): void {
  const [memoryMode, mode, misc] = { planes: [6, 0, 5], 'chain 4': [0x0e, 0x40, 5], 'odd/even': [2, 0x10, 0x0e] }[
    addressing
  ] as [number, number, number];
  sides.out(0x3c2, 0x63);
  sides.set(0x3c4, 4, memoryMode);
  sides.set(0x3c4, 2, 15);
  for (const [index, value] of [0, 0, 0, 0, 0, mode, misc, 15, 0xff].entries()) sides.set(0x3ce, index, value);
}

function access(sides: Sides, addressing: Addressing, random: (below: number) => number): void {
  const address = (addressing === 'odd/even' ? 0xb_8000 : 0xa_0000) + random(PLACES);
  const size = SIZES[random(3)] as AccessSize;
  const choice = random(12);
  if (choice < 4) sides.poke(address, random(2 ** (size * 8)), size);
  else if (choice < 7) sides.peek(address, size);
  else if (choice === 7 && addressing === 'planes') {
    const index = [0, 1, 2, 3, 4, 5, 7, 8][random(8)] as number;
    const value = index === 8 && random(2) ? 0xff : random(256);
    sides.set(0x3ce, index, index === 5 ? value & 0x0b : value);
  } else if (choice === 8) sides.set(0x3c4, 2, random(16));
  else if (choice === 9) {
    const index = random(0x19);
    // Seldom the register that protects others.
    if (index !== 0x11 || random(4) === 0) sides.set(0x3d4, index, random(256));
    sides.in(0x3d5);
    sides.in(0x3d4);
  } else if (choice === 10) {
    const port = [0x3c7, 0x3c8, 0x3c9, 0x3c9, 0x3c9][random(5)] as number;
    if (random(2)) sides.out(port, random(port === 0x3c9 ? 64 : 256));
    else sides.in(port);
  } else {
    const port = [0x3c5, 0x3cf, 0x3c0, 0x3c1][random(4)] as number;
    if (random(3) === 0) sides.out(0x3c0, random(256));
    else if (random(2)) sides.touch(0x3da);
    else sides.in(port);
  }
}

const random = generator(Number(process.argv[2] ?? 1) || 1);
for (const addressing of ADDRESSINGS) {
  const sides = new Sides();
  try {
    setUp(sides, addressing);
    for (let round = 0; round < ROUNDS; round++) {
      for (let i = 0; i < ACCESSES_A_ROUND; i++) access(sides, addressing, random);
      await sides.compare();
    }
    console.log(`${addressing}: ${sides.checks} reads, ${sides.differences} differences`);
    if (sides.differences > 0) process.exitCode = 1;
  } finally {
    sides.end();
  }
}
