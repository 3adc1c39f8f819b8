/**
 * What every device must stand, whatever it is: reset, accesses of any width, saving and restoring, hostile saved
 * state and a storm of random accesses. A device joins by a line in the table; one that does not makes a test fail.
 */

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Drive } from '../base/block.ts';
import { type AccessSize, Bus, type IoHandler } from '../base/bus.ts';
import { unconnected } from '../base/irq.ts';
import { StateError } from '../base/state.ts';
import { generator, type Random } from '../base/test-random.ts';
import { AcpiPm } from './acpi-pm.ts';
import { ApicBus } from './apic-bus.ts';
import { DebugConsole } from './debug-console.ts';
import { DebugExit } from './debug-exit.ts';
import type { Stateful } from './device.ts';
import { Dma8237 } from './dma-8237.ts';
import { Fdc82077 } from './fdc-82077.ts';
import { FwCfg } from './fw-cfg.ts';
import { HPET_BYTES, Hpet } from './hpet.ts';
import { I8042 } from './i8042.ts';
import { IOAPIC_PINS, Ioapic82093 } from './ioapic-82093.ts';
import { LocalApic } from './local-apic.ts';
import { NumericError } from './numeric-error.ts';
import { PcTestdev, TESTDEV_LINES, TESTDEV_MEMORY_BYTES } from './pc-testdev.ts';
import { Pic8259 } from './pic-8259.ts';
import { Pit8254 } from './pit-8254.ts';
import { Port92 } from './port92.ts';
import { Ps2Keyboard } from './ps2/keyboard.ts';
import { Ps2Mouse } from './ps2/mouse.ts';
import { Pvpanic } from './pvpanic.ts';
import { ResetControl } from './reset-control.ts';
import { RtcMc146818 } from './rtc-mc146818.ts';
import { Serial16550 } from './serial-16550.ts';
import { TestClock } from './test-clock.ts';
import { TestDisk } from './test-disk.ts';
import { TestMemory } from './test-memory.ts';
import { Virtio9p } from './virtio/virtio-9p.ts';
import { VirtioBlock } from './virtio/virtio-block.ts';
import { VirtioConsole } from './virtio/virtio-console.ts';
import type { VirtioDevice } from './virtio/virtio-device.ts';
import { VirtioNet } from './virtio/virtio-net.ts';
import { VirtioPci } from './virtio/virtio-pci.ts';
import { VirtioRng } from './virtio/virtio-rng.ts';

interface Specimen {
  readonly device: Stateful;
  /** Its register ranges, and how long each is. */
  readonly ranges: readonly (readonly [IoHandler, number])[];
  /** What reaches it otherwise: input, lines, messages. */
  readonly stir?: (random: Random) => void;
  /** State that outlives a reset by right. */
  readonly outlives?: readonly string[];
}

const nothing = (): void => {};

/** What of a virtio device can be reached without its queues; those are the transport's. */
function virtio(device: VirtioDevice, stir: (random: Random) => void = nothing): Specimen {
  const read = (offset: number, size: AccessSize): number => device.readConfig(offset, size) >>> 0;
  const write = (offset: number, value: number, size: AccessSize): void => device.writeConfig(offset, value, size);
  return { device, ranges: [[{ read, write }, 64]], stir };
}

const channel = { name: 'test', attach: nothing, received: nothing, opened: nothing, drained: nothing };

const devices: Record<string, (clock: TestClock) => Specimen> = {
  AcpiPm(clock) {
    const device = new AcpiPm({ clock, sci: unconnected, powerOff: nothing });
    const ranges = [[device.event, 4] as const, [device.control, 2] as const, [device.pmTimer, 4] as const];
    return { device, ranges, stir: () => device.pressPowerButton(), outlives: ['seenCarries'] };
  },
  DebugConsole() {
    const device = new DebugConsole({ output: nothing });
    return { device, ranges: [[device, 1]] };
  },
  DebugExit() {
    const device = new DebugExit({ exit: nothing });
    return { device, ranges: [[device, 4]] };
  },
  Dma8237() {
    const device = new Dma8237({ memory: new TestMemory(0x1_0000) });
    const channels = Array.from({ length: 8 }, (_, number) => device.channel(number));
    return {
      device,
      ranges: [
        [device.first, 16],
        [device.second, 32],
        [device.pages, 16],
      ],
      stir: (random) => {
        const bytes = new Uint8Array(random(1000));
        const channel = channels[random(8)];
        if (random(2)) channel.toMemory(bytes);
        else channel.fromMemory(bytes);
      },
    };
  },
  Fdc82077(clock) {
    const disks = [1440, 160, 2880].map((kibibytes) => new TestDisk(clock, kibibytes * 1024));
    const drives = [new Drive(disks[0]), new Drive(disks[1]), undefined, new Drive()];
    const dma = new Dma8237({ memory: new TestMemory(0x1_0000) });
    const device = new Fdc82077({ clock, irq: unconnected, dma: dma.channel(2), drives });
    const commands = [0x02, 0x42, 0xc5, 0x45, 0xe6, 0x46, 0x07, 0x08, 0x4a, 0x4c, 0x4d, 0x0f, 0x8f, 0xcf, 0x13, 0x56];
    return {
      device,
      ranges: [
        [device.registers, 6],
        [device.changeLine, 1],
      ],
      // Whole commands, most of them sensible, for random accesses alone would seldom make one.
      stir: (random) => {
        const { registers } = device;
        dma.first.write(11, [0x46, 0x4a, 0x5a, 0x42][random(4)], 1);
        dma.first.write(10, random(8) ? 2 : 6, 1);
        registers.write(2, random(4) ? 0x1c | random(4) : random(256), 1);
        if (random(2)) device.changeLine.write(0, random(4), 1);
        registers.write(5, 3, 1);
        registers.write(5, 0xdf, 1);
        registers.write(5, random(2), 1);
        registers.write(5, commands[random(commands.length)], 1);
        for (const below of [4, 3, 2, 20, 3, 40, 2, 2]) registers.write(5, random(20) ? random(below) : random(256), 1);
        disks[0].readOnly = random(3) === 0;
        disks[1].problem = random(3) === 0 ? 'io' : undefined;
        if (random(20) === 0) drives[3]?.change(random(2) ? disks[2] : undefined);
      },
    };
  },
  FwCfg() {
    const device = new FwCfg({ memory: new TestMemory(0x1_0000) });
    device.file('etc/test', Uint8Array.of(1, 2, 3));
    return {
      device,
      ranges: [
        [device.registers, 2],
        [device.dma, 8],
      ],
    };
  },
  Hpet(clock) {
    const lines = new Map([20, 21, 22].map((pin) => [pin, unconnected]));
    const device = new Hpet({ clock, pitLine: unconnected, rtcLine: unconnected, lines });
    return {
      device,
      ranges: [
        [device, HPET_BYTES],
        [device, 0x160],
      ],
      stir: (random) => {
        device.pitInput.set(random(2) === 0);
        device.rtcInput.set(random(2) === 0);
        if (random(2)) device.write(0x10, random(4), 4);
        device.write(0x108 + 0x20 * random(3), random(2 ** random(32)), 4);
      },
    };
  },
  I8042(clock) {
    const device = new I8042({ clock, irq: unconnected, a20: unconnected, reset: nothing });
    return {
      device,
      ranges: [
        [device.data, 1],
        [device.command, 1],
      ],
      stir: (random) => {
        device.keyboard.key(['KeyA', 'Pause', 'PrintScreen', 'none'][random(4)], random(2) === 0);
        device.mouse.move(random(1000) - 500, random(1000) - 500, random(9) - 4);
        device.mouse.buttons(random(256));
      },
    };
  },
  Ioapic82093() {
    const interconnect = new ApicBus();
    const device = new Ioapic82093({ interconnect });
    interconnect.attachIo(device);
    const lines = Array.from({ length: IOAPIC_PINS }, (_, pin) => device.line(pin));
    return {
      device,
      ranges: [[device, 0x44]],
      stir: (random) => {
        lines[random(IOAPIC_PINS)].set(random(2) === 0);
        device.endOfInterrupt(random(256));
      },
      outlives: ['lines'],
    };
  },
  LocalApic(clock) {
    const interconnect = new ApicBus();
    const device = new LocalApic({
      id: 0,
      isBootstrap: true,
      clock,
      interconnect,
      timerHz: 1e9,
      physicalAddressBits: 40,
      tscToNs: (tsc) => tsc / 2,
      interruptChanged: nothing,
      acknowledgeExternal: () => 8,
      nmi: nothing,
      smi: nothing,
      init: nothing,
      startup: nothing,
      relocated: nothing,
    });
    interconnect.attachLocal(device);
    const value = new Uint32Array(2);
    const msrs = [0x1b, 0x6e0, ...Array.from({ length: 0x42 }, (_, i) => 0x800 + i)];
    return {
      device,
      ranges: [[device, 0x1000]],
      stir: (random) => {
        device.lint0.set(random(2) === 0);
        device.lint1.set(random(2) === 0);
        device.accept(random(8), random(256), random(2) === 0);
        if (device.pending() && random(2)) device.acknowledge();
        device.readMsr(msrs[random(msrs.length)], value);
        device.writeMsr(msrs[random(msrs.length)], random(2 ** 32), random(4) ? 0 : random(2 ** 32));
        // Often on, in one mode or the other, else there would be nothing to see.
        device.writeMsr(0x1b, 0xfee0_0800 | (random(2) << 10), 0);
        device.cr8 = random(16);
      },
      outlives: ['lint'],
    };
  },
  NumericError() {
    const device = new NumericError({ irq: unconnected, ignoreErrors: nothing });
    return { device, ranges: [[device, 1]], stir: () => device.raise() };
  },
  PcTestdev() {
    const irqs = Array.from({ length: TESTDEV_LINES }, () => unconnected);
    const device = new PcTestdev({ irqs, flushPage: nothing });
    const { register, registerBytes, flush, irqLines, memory } = device;
    return {
      device,
      ranges: [
        [register, 4],
        [registerBytes, 4],
        [flush, 4],
        [irqLines, TESTDEV_LINES],
        [memory, TESTDEV_MEMORY_BYTES],
      ],
    };
  },
  Pic8259() {
    const device = new Pic8259({ output: unconnected });
    const lines = Array.from({ length: 16 }, (_, irq) => device.line(irq === 2 ? 9 : irq));
    return {
      device,
      ranges: [
        [device.master, 2],
        [device.slave, 2],
        [device.edgeLevelControl, 2],
      ],
      stir: (random) => {
        lines[random(16)].set(random(2) === 0);
        if (random(2)) device.acknowledge();
      },
      outlives: ['chips'],
    };
  },
  Pit8254(clock) {
    const device = new Pit8254({ clock, irq: unconnected });
    return {
      device,
      ranges: [
        [device, 4],
        [device.portB, 1],
      ],
    };
  },
  Ps2Keyboard() {
    const device = new Ps2Keyboard();
    const port: IoHandler = { widest: 1, read: () => device.take() ?? 0, write: (_, value) => device.receive(value) };
    const codes = ['KeyA', 'Pause', 'PrintScreen', 'ArrowUp', 'constructor'];
    return { device, ranges: [[port, 1]], stir: (random) => device.key(codes[random(5)], random(2) === 0) };
  },
  Ps2Mouse() {
    const device = new Ps2Mouse();
    const port: IoHandler = { widest: 1, read: () => device.take() ?? 0, write: (_, value) => device.receive(value) };
    const stir = (random: Random): void => {
      device.move(random(1e6) - 5e5, random(2) ? Number.NaN : random(1e6) - 5e5, random(9) - 4);
      device.buttons(random(256));
    };
    return { device, ranges: [[port, 1]], stir };
  },
  Port92() {
    const device = new Port92({ a20: unconnected, reset: nothing });
    return { device, ranges: [[device, 1]] };
  },
  Pvpanic() {
    const device = new Pvpanic({ panicked: nothing });
    return { device, ranges: [[device, 1]] };
  },
  ResetControl() {
    const device = new ResetControl({ reset: nothing });
    return { device, ranges: [[device, 1]] };
  },
  RtcMc146818(clock) {
    const wallClockMs = (): number => 1.7e12 + clock.now() / 1e6;
    const device = new RtcMc146818({ clock, irq: unconnected, wallClockMs });
    return {
      device,
      ranges: [[device, 2]],
      outlives: ['index', 'cmos', 'a', 'b', 'offsetMs', 'flaggedSecond', 'flaggedPeriod'],
    };
  },
  Serial16550(clock) {
    const device = new Serial16550({ clock, irq: unconnected, output: nothing });
    return {
      device,
      ranges: [[device, 8]],
      stir: (random) => {
        if (device.waitingBytes < 1000) device.receive(Uint8Array.from({ length: random(40) }, () => random(256)));
      },
      outlives: ['arrivalNs'],
    };
  },
  Virtio9p() {
    const files = {
      request: nothing,
      reset: nothing,
      abandon: nothing,
      save: () => Uint8Array.of(9),
      restore: (saved: Uint8Array) => {
        if (saved.length !== 1 || saved[0] !== 9) throw new StateError('9p', undefined, 'is damaged');
      },
    };
    return virtio(new Virtio9p('share', files));
  },
  VirtioBlock: (clock) => virtio(new VirtioBlock(new TestDisk(clock, 1024 * 1024), 'serial')),
  VirtioConsole: () => virtio(new VirtioConsole([channel, channel], { wake: nothing })),
  VirtioNet(clock) {
    const network = { send: nothing, attach: nothing };
    const device = new VirtioNet({ mac: Uint8Array.of(2, 0, 0, 0, 0, 1), network, clock, wake: nothing });
    return virtio(device, (random) => device.receive(new Uint8Array(random(1600))));
  },
  VirtioPci() {
    const memory = new TestMemory(0x1_0000);
    const inner = new VirtioConsole([channel], { wake: nothing });
    const device = new VirtioPci(inner, { memory, irq: unconnected, message: nothing });
    const { handler } = device.config.bars[0] as { handler: IoHandler };
    return {
      device,
      ranges: [
        [handler, 0x40],
        [handler, 0x6000],
      ],
      // A queue and a driver that runs, else there would be little to see; then rings of noise.
      stir: (random) => {
        device.config.write(4, random(8) ? 6 : random(8), 2);
        if (random(3) === 0) {
          for (const status of [0, 3]) handler.write(0x14, status, 1);
          handler.write(0x08, 1, 4);
          handler.write(0x0c, 1, 4);
          handler.write(0x14, 11, 1);
          handler.write(0x16, random(6), 2);
          handler.write(0x18, random(4) ? 2 ** random(8) : random(2 ** 16), 2);
          for (const register of [0x20, 0x28, 0x30]) handler.write(register, 16 * random(0x1000), 4);
          handler.write(0x1c, 1, 2);
          handler.write(0x14, 15, 1);
        }
        for (let i = 0; i < 20; i++) memory.bytes[random(0x1_0000)] = random(256);
        handler.write(0x3000 + 4 * random(6), 0, 2);
      },
    };
  },
  VirtioRng: () => virtio(new VirtioRng({ random: (count) => new Uint8Array(count) })),
};

const SIZES: readonly AccessSize[] = [1, 2, 4];
/** Values that set one field of a register at a time, beside the wholly random ones. */
const TELLING = [0, 1, 0xff, 0xffff, 0xffff_ffff, 0x80, 0x100, 0x8000, 0x8000_0000];

class Bench {
  readonly clock = new TestClock();
  readonly specimen: Specimen;
  readonly random = generator(0x1234_5678);
  readonly #bus = new Bus();
  readonly #ranges: { readonly base: number; readonly length: number }[] = [];

  constructor(make: (clock: TestClock) => Specimen) {
    this.specimen = make(this.clock);
    let base = 0x1000;
    for (const [handler, length] of this.specimen.ranges) {
      this.#bus.map(base, length, handler);
      this.#ranges.push({ base, length });
      base += length + 0x1000;
    }
  }

  get device(): Stateful {
    return this.specimen.device;
  }

  /** One access anywhere, of any width, over the edges of ranges too. */
  access(): void {
    const { random } = this;
    const range = this.#ranges[random(this.#ranges.length)];
    const address = range.base - 3 + random(range.length + 3);
    const size = SIZES[random(3)];
    if (random(2)) {
      const value = this.#bus.read(address, size);
      if (!(Number.isInteger(value) && value >= 0 && value < 2 ** (8 * size))) assert.fail(`read ${value}`);
    } else {
      this.#bus.write(address, random(2) ? random(2 ** 32) : TELLING[random(TELLING.length)], size);
    }
  }

  scribble(accesses: number): void {
    const { random, clock, specimen } = this;
    for (let i = 0; i < accesses; i++) {
      this.access();
      if ((i & 15) === 0) specimen.stir?.(random);
      if ((i & 63) === 0) clock.advance(random(20_000));
      if ((i & 1023) === 0) clock.jump(random(2e9));
    }
  }
}

/** State without what outlives a reset, to be compared. */
function visible(device: Stateful, outlives: readonly string[] = []): Record<string, unknown> {
  return Object.fromEntries(Object.entries(device.state).filter(([key]) => !outlives.includes(key)));
}

test('every device in this folder is enrolled', () => {
  const folder = [
    ...readdirSync(import.meta.dirname),
    ...['ps2', 'virtio'].flatMap((part) =>
      readdirSync(`${import.meta.dirname}/${part}`).map((name) => `${part}/${name}`),
    ),
  ];
  const sources = folder.filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'));
  const found = sources.flatMap((name) => {
    const text = readFileSync(`${import.meta.dirname}/${name}`, 'utf8');
    return [...text.matchAll(/^export class (\w+) extends Device\b/gm)].map((match) => match[1]);
  });
  assert.deepEqual(found.sort(), Object.keys(devices).sort());
});

for (const [name, make] of Object.entries(devices)) {
  test(`${name}: stands a million random accesses of any width`, () => {
    const bench = new Bench(make);
    bench.scribble(1_000_000);
    bench.device.restore(bench.device.save());
  });

  test(`${name}: a reset brings back the state of power-on`, () => {
    const bench = new Bench(make);
    const { outlives } = bench.specimen;
    bench.device.reset();
    const fresh = structuredClone(visible(bench.device, outlives));
    for (let round = 0; round < 20; round++) {
      bench.scribble(200);
      bench.device.reset();
      assert.deepEqual(visible(bench.device, outlives), fresh);
    }
  });

  test(`${name}: saving, restoring and saving gives the same bytes`, () => {
    const bench = new Bench(make);
    for (let round = 0; round < 30; round++) {
      bench.scribble(300);
      const saved = bench.device.save();
      bench.device.restore(saved);
      assert.deepEqual(bench.device.save(), saved);
      const other = make(bench.clock).device;
      other.restore(saved);
      assert.deepEqual(other.save(), saved);
    }
  });

  test(`${name}: hostile saved state is refused without a trace, or borne`, () => {
    const bench = new Bench(make);
    const { random, device } = bench;
    bench.scribble(500);
    const saved = device.save();
    const refuses = (bytes: Uint8Array): void => {
      assert.throws(() => device.restore(bytes), StateError);
    };
    for (let i = 0; i < 200; i++) {
      refuses(saved.subarray(0, random(saved.length)));
      refuses(Uint8Array.from({ length: random(saved.length * 2) }, () => random(256)));
    }
    assert.deepEqual(device.save(), saved);
    const header = 1 + saved[0] + 2;
    if (saved.length === header) return; // no fields to damage
    let borne = 0;
    for (let i = 0; i < 300; i++) {
      const damaged = saved.slice();
      for (let flips = random(4); flips >= 0; flips--) {
        damaged[header + random(Math.min(saved.length - header, 400))] = random(3) ? random(256) : 0xff;
      }
      try {
        device.restore(damaged);
      } catch (error) {
        assert.ok(error instanceof StateError, String(error));
        continue;
      }
      borne++;
      bench.scribble(300);
      device.restore(device.save());
    }
    assert.ok(borne > 0);
  });
}
