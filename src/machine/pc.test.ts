import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Bus } from '../base/bus.ts';
import { LocalApic } from '../devices/local-apic.ts';
import { TestClock } from '../devices/test-clock.ts';
import { type BoardEnd, OPTIONAL_DEVICES, PcBoard } from './pc.ts';
import * as at from './pc-layout.ts';

type Range = readonly [start: number, length: number];

/** What answers in every guest. */
const PORTS: readonly Range[] = [
  [at.PIC_MASTER_PORT, 2],
  [at.PIT_PORT, 4],
  [at.I8042_PORT, 1],
  [at.SYSTEM_CONTROL_B_PORT, 1],
  [at.I8042_PORT + 4, 1],
  [at.RTC_PORT, 2],
  [at.SYSTEM_CONTROL_A_PORT, 1],
  [at.PIC_SLAVE_PORT, 2],
  [at.NUMERIC_ERROR_PORT, 1],
  [at.COM2_PORT, 8],
  [at.COM1_PORT, 8],
  [at.PIC_ELCR_PORT, 2],
  [at.PVPANIC_PORT, 1],
  [at.PM1_EVENT_PORT, 4],
  [at.PM1_CONTROL_PORT, 2],
  [at.PM_TIMER_PORT, 4],
  [at.RESET_PORT, 1],
];
const MMIO: readonly Range[] = [[at.IOAPIC_BASE, 0x1000]];
const OPTIONAL_PORTS: Readonly<Record<(typeof OPTIONAL_DEVICES)[number], readonly Range[]>> = {
  'isa-debug-exit': [[at.DEBUG_EXIT_PORT, 4]],
  'isa-debugcon': [[at.DEBUG_CONSOLE_PORT, 1]],
  'pc-testdev': [
    [0xe0, 12],
    [0x2000, at.IOAPIC_INPUTS],
  ],
};

function board(...optional: string[]) {
  const clock = new TestClock();
  const ends: BoardEnd[] = [];
  const output: [number, number][] = [];
  const lines: [number, boolean][] = [];
  const pc = new PcBoard(
    {
      clock,
      wallClockMs: () => Date.UTC(2024, 0, 1),
      serialOutput: (port, byte) => output.push([port, byte]),
      end: (end) => ends.push(end),
      lineChanged: (irq, level) => lines.push([irq, level]),
    },
    optional,
  );
  const requested = { pending: false };
  const apic = new LocalApic({
    id: 0,
    isBootstrap: true,
    clock,
    interconnect: pc.apics,
    timerHz: 1e9,
    physicalAddressBits: 40,
    tscToNs: (tsc) => tsc,
    interruptChanged: (pending) => {
      requested.pending = pending;
    },
    acknowledgeExternal: () => pc.pic.acknowledge(),
    nmi() {},
    smi() {},
    init() {},
    startup() {},
    relocated() {},
  });
  pc.attachLocalApic(apic);
  return { pc, clock, ends, output, lines, apic, requested };
}

const nobody = { read: () => 0, write: () => {} };

/** Two devices at one address are refused: so a range is free exactly if it can be given away. */
function isFree(bus: Bus, start: number, length: number): boolean {
  try {
    bus.map(start, length, nobody);
    return true;
  } catch {
    return false;
  }
}

function checkMap(bus: Bus, taken: readonly Range[], end: number): void {
  const sorted = [...taken].sort(([a], [b]) => a - b);
  for (const [start, length] of sorted) {
    for (let address = start; address < start + length; address++) {
      assert.ok(!isFree(bus, address, 1), `nothing answers at 0x${address.toString(16)}`);
    }
  }
  let last = 0;
  for (const [start, length] of [...sorted, [end, 0] as const]) {
    const gap = `0x${last.toString(16)} to 0x${start.toString(16)}`;
    if (start > last) assert.ok(isFree(bus, last, start - last), `something unknown answers from ${gap}`);
    last = start + length;
  }
}

test('devices answer at the ports of the layout, and nowhere else', () => {
  checkMap(board().pc.ports, PORTS, 0x10000);
});

test('the IOAPIC answers in memory, and nothing else does', () => {
  checkMap(board().pc.mmio, MMIO, 2 ** 40);
});

test('an optional device is there exactly when asked for', () => {
  for (const name of OPTIONAL_DEVICES) checkMap(board(name).pc.ports, [...PORTS, ...OPTIONAL_PORTS[name]], 0x10000);
  const { pc } = board(...OPTIONAL_DEVICES);
  checkMap(pc.ports, [...PORTS, ...OPTIONAL_DEVICES.flatMap((name) => OPTIONAL_PORTS[name])], 0x10000);
  checkMap(board('pc-testdev').pc.mmio, [...MMIO, [0xff000000, 0x10000]], 2 ** 40);
});

test('what nobody answers reads as all ones, and swallows writes', () => {
  const { pc, ends } = board();
  for (const port of [0, 0x80, 0xf4, 0xcfc, 0x1f0, 0x3b4, 0xfffc]) {
    assert.equal(pc.ports.read(port, 1), 0xff);
    assert.equal(pc.ports.read(port, 2), 0xffff);
    assert.equal(pc.ports.read(port, 4), 0xffffffff);
    pc.ports.write(port, 0x12, 1);
  }
  for (const address of [0xd000_0000, 0xfed0_0000, 0xff00_0000, 2 ** 39]) {
    assert.equal(pc.mmio.read(address, 4), 0xffffffff);
    pc.mmio.write(address, 0, 4);
  }
  assert.deepEqual(ends, []);
});

test('the ends of a machine are told by name', () => {
  const { pc, ends } = board('isa-debug-exit');
  pc.ports.write(at.DEBUG_EXIT_PORT, 0x31, 4);
  pc.ports.write(at.RESET_PORT, at.RESET_VALUE, 1);
  pc.ports.write(at.SYSTEM_CONTROL_A_PORT, 1, 1);
  pc.ports.write(at.I8042_PORT + 4, 0xfe, 1);
  pc.ports.write(at.PVPANIC_PORT, 1, 1);
  // SLP_EN with SLP_TYP of S5, which the DSDT gives as 0.
  pc.ports.write(at.PM1_CONTROL_PORT, 0x2000, 2);
  const reset = { kind: 'reset' } as const;
  assert.deepEqual(ends, [
    { kind: 'exit-code', value: 0x31 },
    reset,
    reset,
    reset,
    { kind: 'panicked' },
    { kind: 'powered-off' },
  ]);
});

test('both serial ports say which one they are', () => {
  const { pc, output } = board();
  pc.ports.write(at.COM1_PORT, 0x41, 1);
  pc.ports.write(at.COM2_PORT, 0x42, 1);
  assert.deepEqual(output, [
    [0, 0x41],
    [1, 0x42],
  ]);
});

/** Initialises the PIC as kernels do: vectors from 0x20, all inputs but `open` masked. */
function startPic(pc: PcBoard, open?: number): void {
  for (const [base, vector, wiring] of [
    [at.PIC_MASTER_PORT, 0x20, 4],
    [at.PIC_SLAVE_PORT, 0x28, 2],
  ] as const) {
    pc.ports.write(base, 0x11, 1);
    for (const word of [vector, wiring, 1]) pc.ports.write(base + 1, word, 1);
  }
  const mask = open === undefined ? 0xffff : 0xffff & ~((1 << open) | (open >= 8 ? 4 : 0));
  pc.ports.write(at.PIC_MASTER_PORT + 1, mask & 0xff, 1);
  pc.ports.write(at.PIC_SLAVE_PORT + 1, mask >> 8, 1);
}

test('the timer reaches the vCPU through the PIC as interrupt 0, as a BIOS-era kernel expects', () => {
  const { pc, clock, apic, requested, lines } = board();
  pc.ports.write(at.PIT_PORT + 3, 0x34, 1);
  startPic(pc, at.TIMER_IRQ);
  pc.ports.write(at.PIT_PORT, 1000 & 0xff, 1);
  pc.ports.write(at.PIT_PORT, 1000 >> 8, 1);
  assert.equal(requested.pending, false);
  clock.advance(2_000_000);
  assert.equal(requested.pending, true);
  assert.equal(apic.acknowledge(), 0x20);
  assert.ok(lines.some(([irq, level]) => irq === at.TIMER_IRQ && level));
});

test('each device is wired to its interrupt, on the PIC and on the IOAPIC', () => {
  const transmit = (base: number) => (pc: PcBoard) => {
    pc.ports.write(base + 4, 8, 1);
    pc.ports.write(base + 1, 2, 1);
  };
  const causes: readonly (readonly [irq: number, pin: number, cause: (pc: PcBoard) => void])[] = [
    [at.COM1_IRQ, at.COM1_IRQ, transmit(at.COM1_PORT)],
    [at.COM2_IRQ, at.COM2_IRQ, transmit(at.COM2_PORT)],
    [
      at.TIMER_IRQ,
      at.TIMER_IOAPIC_INPUT,
      (pc) => {
        for (const [port, value] of [
          [3, 0x34],
          [0, 0],
          [0, 4],
        ] as const) {
          pc.ports.write(at.PIT_PORT + port, value, 1);
        }
      },
    ],
    [
      at.RTC_IRQ,
      at.RTC_IRQ,
      (pc) => {
        // Register A: 1024 Hz; B: periodic interrupt, 24 hours, BCD.
        for (const [register, value] of [
          [0x0a, 0x26],
          [0x0b, 0x42],
        ] as const) {
          pc.ports.write(at.RTC_PORT, register, 1);
          pc.ports.write(at.RTC_PORT + 1, value, 1);
        }
      },
    ],
    [
      at.SCI_IRQ,
      at.SCI_IRQ,
      (pc) => {
        // The timer's carry, which comes within 2^31 ticks of 3.58 MHz.
        pc.ports.write(at.PM1_EVENT_PORT + 2, 1, 2);
        pc.ports.write(at.PM1_CONTROL_PORT, 1, 2);
      },
    ],
  ];
  for (const [irq, pin, cause] of causes) {
    const viaPic = board();
    startPic(viaPic.pc, irq);
    cause(viaPic.pc);
    viaPic.clock.advance(700e9);
    assert.equal(viaPic.apic.acknowledge(), 0x20 + irq, `IRQ ${irq} on the PIC`);

    const viaIoapic = board();
    const { pc, apic } = viaIoapic;
    apic.write(0xf0, 0x1ff, 4);
    const writeEntry = (register: number, value: number): void => {
      pc.mmio.write(at.IOAPIC_BASE, register, 4);
      pc.mmio.write(at.IOAPIC_BASE + 0x10, value, 4);
    };
    startPic(pc);
    writeEntry(0x10 + 2 * pin, 0x50 + pin);
    cause(pc);
    viaIoapic.clock.advance(700e9);
    assert.equal(apic.acknowledge(), 0x50 + pin, `input ${pin} of the IOAPIC`);
  }
});

test('a vCPU’s local APIC is in the way of the bus where it is, and moves with its base', () => {
  const { pc, apic } = board();
  const { handler, offset } = pc.handlerAt(at.LOCAL_APIC_BASE + 0x30, apic);
  assert.equal(handler, apic);
  assert.equal(offset, 0x30);
  for (const address of [at.LOCAL_APIC_BASE - 4, at.LOCAL_APIC_BASE + 0x1000, at.IOAPIC_BASE]) {
    assert.deepEqual(pc.handlerAt(address, apic), { handler: undefined, offset: address });
  }
  const enabledBootstrap = 0x900;
  assert.ok(apic.writeMsr(0x1b, 0xd000_0000 | enabledBootstrap, 0));
  assert.equal(pc.handlerAt(0xd000_0010, apic).handler, apic);
  assert.equal(pc.handlerAt(at.LOCAL_APIC_BASE, apic).handler, undefined);
});

test('every part with state is saved, under a name of its own', () => {
  const names = [...board(...OPTIONAL_DEVICES).pc.parts.keys()];
  assert.equal(new Set(names).size, names.length);
  for (const name of ['pic', 'ioapic', 'pit', 'rtc', 'i8042', 'com1', 'com2', 'acpi-pm', 'pc-testdev']) {
    assert.ok(names.includes(name), name);
  }
  assert.ok(names.some((name) => name.startsWith('lapic')));
});
