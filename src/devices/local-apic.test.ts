import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApicBus, DELIVER_EXTINT, DELIVER_FIXED, DELIVER_NMI, EVERYONE } from './apic-bus.ts';
import { LocalApic } from './local-apic.ts';
import { TestClock } from './test-clock.ts';

const [TPR, PPR, EOI, LDR, DFR, SVR, ESR] = [0x80, 0xa0, 0xb0, 0xd0, 0xe0, 0xf0, 0x280];
const [ICR_LOW, ICR_HIGH, LVT_TIMER, LVT_LINT0, LVT_LINT1, LVT_ERROR] = [0x300, 0x310, 0x320, 0x350, 0x360, 0x370];
const [INITIAL, CURRENT, DIVIDE] = [0x380, 0x390, 0x3e0];
const [MASKED, PERIODIC, TSC_DEADLINE] = [0x1_0000, 0x2_0000, 0x4_0000];
const [MSR_BASE, MSR_DEADLINE] = [0x1b, 0x6e0];

/** Processors with their local APICs on one bus; the TSC runs at 2 GHz, the timer at 1 GHz. */
function machine(count = 1) {
  const clock = new TestClock();
  const bus = new ApicBus();
  const ended: number[] = [];
  bus.attachIo({ endOfInterrupt: (vector) => ended.push(vector) });
  const cpus = Array.from({ length: count }, (_, id) => {
    const log: string[] = [];
    const wire = { pending: false };
    const apic = new LocalApic({
      id,
      isBootstrap: id === 0,
      clock,
      interconnect: bus,
      timerHz: 1e9,
      physicalAddressBits: 40,
      tscToNs: (tsc) => tsc / 2,
      interruptChanged: (pending) => {
        wire.pending = pending;
      },
      acknowledgeExternal: () => 0x08,
      nmi: () => log.push('nmi'),
      smi: () => log.push('smi'),
      init: () => log.push('init'),
      startup: (vector) => log.push(`startup ${vector.toString(16)}`),
      relocated: () => {},
    });
    bus.attachLocal(apic);
    const set = (offset: number, value: number): void => apic.write(offset, value, 4);
    const get = (offset: number): number => apic.read(offset, 4) >>> 0;
    set(SVR, 0x1ff);
    /** Takes and ends every pending interrupt. */
    const serve = (): number[] => {
      const vectors: number[] = [];
      while (apic.pending()) {
        vectors.push(apic.acknowledge());
        set(EOI, 0);
      }
      return vectors;
    };
    const send = (vector: number, level = false): boolean => apic.accept(DELIVER_FIXED, vector, level);
    return { apic, log, wire, set, get, serve, send };
  });
  return { clock, bus, ended, cpus, cpu: cpus[0] };
}

function enterX2apic(apic: LocalApic): void {
  assert.equal(apic.writeMsr(MSR_BASE, 0xfee0_0d00, 0), true);
}

test('vectors are served by priority class, and equals wait for the end of the one in service', () => {
  const { cpu } = machine();
  cpu.send(0x31);
  assert.equal(cpu.wire.pending, true);
  assert.equal(cpu.apic.acknowledge(), 0x31);
  assert.equal(cpu.wire.pending, false);
  cpu.send(0x3f);
  assert.equal(cpu.wire.pending, false);
  cpu.send(0x41);
  assert.equal(cpu.apic.acknowledge(), 0x41);
  assert.equal(cpu.get(PPR), 0x40);
  assert.equal(cpu.get(0x110), 0x0002_0000 << 0);
  cpu.set(EOI, 0);
  assert.equal(cpu.get(PPR), 0x30);
  cpu.set(EOI, 0);
  assert.deepEqual(cpu.serve(), [0x3f]);
});

test('the task priority holds back its class and lesser, by register or CR8', () => {
  const { cpu } = machine();
  cpu.set(TPR, 0x40);
  cpu.send(0x4f);
  assert.equal(cpu.wire.pending, false);
  assert.equal(cpu.apic.cr8, 4);
  cpu.apic.cr8 = 3;
  assert.equal(cpu.wire.pending, true);
  assert.equal(cpu.get(TPR), 0x30);
});

test('a request that went away gives the spurious vector', () => {
  const { cpu } = machine();
  cpu.set(SVR, 0x1e7);
  assert.equal(cpu.apic.acknowledge(), 0xe7);
  assert.equal(cpu.get(0x170), 0);
});

test('ends of level-triggered interrupts are broadcast, unless suppressed', () => {
  const { cpu, ended } = machine();
  cpu.send(0x50, true);
  assert.equal(cpu.get(0x1a0), 0x0001_0000);
  cpu.serve();
  cpu.send(0x51);
  cpu.serve();
  assert.deepEqual(ended, [0x50]);
  cpu.set(SVR, 0x11ff);
  cpu.send(0x50, true);
  cpu.serve();
  assert.deepEqual(ended, [0x50]);
});

test('disabled by software it takes no vectors, masks its table, and still takes NMI, INIT and startup', () => {
  const { cpu, bus } = machine();
  cpu.set(LVT_TIMER, 0x40);
  cpu.set(SVR, 0xff);
  assert.equal(cpu.get(LVT_TIMER), 0x40 | MASKED);
  cpu.set(LVT_TIMER, 0x40);
  assert.equal(cpu.get(LVT_TIMER), 0x40 | MASKED);
  assert.equal(bus.send(DELIVER_FIXED, 0x50, false, 0, false), false);
  for (const mode of [2, 4, 5, 6]) assert.equal(bus.send(mode, 0x9a, false, 0, false), true);
  assert.deepEqual(cpu.log, ['smi', 'nmi', 'init', 'startup 9a']);
});

test('the one-shot timer counts down at its rate and interrupts once', () => {
  const { cpu, clock } = machine();
  cpu.set(DIVIDE, 0x3); // by 16
  cpu.set(LVT_TIMER, 0x40);
  cpu.set(INITIAL, 1000);
  clock.advance(1600);
  assert.equal(cpu.get(CURRENT), 900);
  cpu.set(DIVIDE, 0xb); // by 1, from where it is
  assert.equal(cpu.get(CURRENT), 900);
  clock.advance(899);
  assert.equal(cpu.wire.pending, false);
  clock.advance(1);
  assert.deepEqual(cpu.serve(), [0x40]);
  assert.equal(cpu.get(CURRENT), 0);
  clock.advance(1e9);
  assert.deepEqual(cpu.serve(), []);
});

test('the periodic timer interrupts every period, and writing zero stops it', () => {
  const { cpu, clock } = machine();
  cpu.set(DIVIDE, 0xb);
  cpu.set(LVT_TIMER, 0x40 | PERIODIC);
  cpu.set(INITIAL, 1_000_000);
  let count = 0;
  for (let i = 0; i < 40; i++) {
    clock.advance(250_000);
    count += cpu.serve().length;
  }
  assert.equal(count, 10);
  clock.jump(5_000_000);
  assert.deepEqual(cpu.serve(), [0x40]);
  cpu.set(INITIAL, 0);
  assert.equal(clock.nextDeadlineNs(), Number.POSITIVE_INFINITY);
});

test('a masked timer counts silently', () => {
  const { cpu, clock } = machine();
  cpu.set(DIVIDE, 0xb);
  cpu.set(LVT_TIMER, 0x40 | MASKED);
  cpu.set(INITIAL, 1000);
  clock.advance(400);
  assert.equal(cpu.get(CURRENT), 600);
  cpu.set(LVT_TIMER, 0x40);
  clock.advance(600);
  assert.deepEqual(cpu.serve(), [0x40]);
});

test('the shortest periods do not keep the clock from getting anywhere', () => {
  const { cpu, clock } = machine();
  cpu.set(DIVIDE, 0xb);
  cpu.set(LVT_TIMER, 0x40 | PERIODIC);
  cpu.set(INITIAL, 1);
  clock.advance(100_000);
  assert.deepEqual(cpu.serve(), [0x40]);
});

test('the TSC deadline interrupts once and reads as zero afterwards', () => {
  const { cpu, clock } = machine();
  const value = new Uint32Array(2);
  cpu.apic.writeMsr(MSR_DEADLINE, 5000, 0);
  cpu.apic.readMsr(MSR_DEADLINE, value);
  assert.equal(value[0], 0); // ignored in other modes
  cpu.set(LVT_TIMER, 0x40 | TSC_DEADLINE);
  cpu.set(INITIAL, 77);
  assert.equal(cpu.get(INITIAL), 0);
  cpu.apic.writeMsr(MSR_DEADLINE, 5000, 1);
  cpu.apic.readMsr(MSR_DEADLINE, value);
  assert.deepEqual([...value], [5000, 1]);
  assert.equal(clock.nextDeadlineNs(), (2 ** 32 + 5000) / 2);
  cpu.apic.writeMsr(MSR_DEADLINE, 5000, 0);
  clock.advance(2499);
  assert.equal(cpu.wire.pending, false);
  clock.advance(1);
  assert.deepEqual(cpu.serve(), [0x40]);
  cpu.apic.readMsr(MSR_DEADLINE, value);
  assert.deepEqual([...value], [0, 0]);
  cpu.apic.writeMsr(MSR_DEADLINE, 1, 0); // passed already
  clock.advance(0);
  assert.deepEqual(cpu.serve(), [0x40]);
  cpu.apic.writeMsr(MSR_DEADLINE, 1_000_000, 0);
  cpu.set(LVT_TIMER, 0x40);
  assert.equal(clock.nextDeadlineNs(), Number.POSITIVE_INFINITY);
});

test('interprocessor interrupts reach physical destinations and shorthands', () => {
  const { cpus } = machine(3);
  const received = (): number[][] => cpus.map((cpu) => cpu.serve());
  cpus[0].set(ICR_HIGH, 2 << 24);
  cpus[0].set(ICR_LOW, 0x4061);
  assert.deepEqual(received(), [[], [], [0x61]]);
  cpus[0].set(ICR_HIGH, 0xff00_0000);
  cpus[0].set(ICR_LOW, 0x4062);
  assert.deepEqual(received(), [[0x62], [0x62], [0x62]]);
  cpus[1].set(ICR_LOW, 0x4_4063);
  assert.deepEqual(received(), [[], [0x63], []]);
  cpus[1].set(ICR_LOW, 0x8_4064);
  assert.deepEqual(received(), [[0x64], [0x64], [0x64]]);
  cpus[1].set(ICR_LOW, 0xc_4065);
  assert.deepEqual(received(), [[0x65], [], [0x65]]);
  assert.equal(cpus[1].get(ICR_LOW), 0xc_4065);
});

test('logical destinations match in the flat and in the cluster model', () => {
  const { cpus } = machine(3);
  const received = (): number[][] => cpus.map((cpu) => cpu.serve());
  const ipi = (destination: number, vector: number): void => {
    cpus[0].set(ICR_HIGH, destination << 24);
    cpus[0].set(ICR_LOW, 0x4800 | vector);
  };
  cpus.forEach((cpu, i) => {
    cpu.set(LDR, (1 << i) << 24);
  });
  ipi(0b110, 0x71);
  assert.deepEqual(received(), [[], [0x71], [0x71]]);
  cpus.forEach((cpu, i) => {
    cpu.set(DFR, 0);
    cpu.set(LDR, [0x11, 0x12, 0x21][i] << 24);
  });
  ipi(0x13, 0x72);
  assert.deepEqual(received(), [[0x72], [0x72], []]);
  ipi(0x21, 0x73);
  assert.deepEqual(received(), [[], [], [0x73]]);
});

test('lowest priority goes to the least busy, INIT and startup to the one addressed', () => {
  const { cpus } = machine(2);
  cpus[0].set(TPR, 0x20);
  cpus[0].set(ICR_HIGH, 0xff00_0000);
  cpus[0].set(ICR_LOW, 0x4100 | 0x81);
  assert.deepEqual(
    cpus.map((cpu) => cpu.serve()),
    [[], [0x81]],
  );
  cpus[0].set(ICR_HIGH, 1 << 24);
  cpus[1].set(TPR, 0x70);
  cpus[0].set(ICR_LOW, 0xc500);
  cpus[0].set(ICR_LOW, 0x8500); // INIT de-assert: nothing
  cpus[0].set(ICR_LOW, 0x4608);
  assert.deepEqual(cpus[1].log, ['init', 'startup 8']);
  assert.equal(cpus[1].get(TPR), 0);
  assert.equal(cpus[1].get(SVR), 0xff);
  assert.equal(cpus[1].get(0x20), 1 << 24);
});

test('errors are told by the error status register and its interrupt', () => {
  const { cpu } = machine();
  cpu.set(LVT_ERROR, 0xfe);
  cpu.set(ICR_LOW, 0x4_4005); // illegal vector
  assert.deepEqual(cpu.serve(), [0xfe]);
  assert.equal(cpu.get(ESR), 0);
  cpu.set(ESR, 0);
  assert.equal(cpu.get(ESR), 0x20);
  cpu.send(0x0f);
  cpu.get(0x3f0);
  cpu.set(ESR, 0);
  assert.equal(cpu.get(ESR), 0xc0);
  cpu.set(ESR, 0);
  assert.equal(cpu.get(ESR), 0);
});

test('the PIC comes through LINT0 as ExtINT, and directly while the local APIC is off', () => {
  const { cpu } = machine();
  cpu.apic.lint0.set(true);
  assert.equal(cpu.wire.pending, false);
  cpu.apic.enterVirtualWireMode();
  assert.equal(cpu.wire.pending, true);
  assert.equal(cpu.apic.acknowledge(), 0x08);
  cpu.set(LVT_LINT0, 0x700 | MASKED);
  assert.equal(cpu.wire.pending, false);
  cpu.apic.writeMsr(MSR_BASE, 0xfee0_0100, 0);
  assert.equal(cpu.apic.mmioBase, undefined);
  assert.equal(cpu.wire.pending, true);
  cpu.apic.lint0.set(false);
  assert.equal(cpu.wire.pending, false);
  cpu.apic.lint1.set(true);
  assert.deepEqual(cpu.log, ['nmi']);
});

test('LINT pins give NMIs and fixed interrupts by edge or level', () => {
  const { cpu } = machine();
  cpu.set(LVT_LINT1, 0x400);
  cpu.apic.lint1.set(true);
  cpu.apic.lint1.set(true);
  assert.deepEqual(cpu.log, ['nmi']);
  cpu.set(LVT_LINT0, 0x45);
  cpu.apic.lint0.set(true);
  assert.deepEqual(cpu.serve(), [0x45]);
  cpu.set(LVT_LINT0, 0x8046);
  assert.equal(cpu.apic.acknowledge(), 0x46);
  assert.equal(cpu.get(LVT_LINT0), 0xc046);
  cpu.set(EOI, 0);
  assert.equal(cpu.apic.acknowledge(), 0x46);
  cpu.apic.lint0.set(false);
  cpu.set(EOI, 0);
  assert.equal(cpu.wire.pending, false);
  assert.equal(cpu.get(LVT_LINT0), 0x8046);
});

test('an ExtINT message waits for one acknowledgement', () => {
  const { cpu, bus } = machine();
  bus.send(DELIVER_EXTINT, 0, false, 0, false);
  assert.equal(cpu.wire.pending, true);
  assert.equal(cpu.apic.acknowledge(), 0x08);
  assert.equal(cpu.wire.pending, false);
});

test('IA32_APIC_BASE refuses reserved bits and transitions that are not there', () => {
  const { cpu } = machine();
  const write = (low: number, high = 0): boolean => cpu.apic.writeMsr(MSR_BASE, low, high);
  assert.equal(write(0xfee0_0901), false);
  assert.equal(write(0xfee0_0900, 0x100), false);
  assert.equal(write(0xfee0_0500), false); // x2APIC without enable
  assert.equal(write(0xfed0_0900, 0x12), true);
  assert.equal(cpu.apic.mmioBase, 0x12_fed0_0000);
  assert.equal(write(0xfee0_0d00), true);
  assert.equal(cpu.apic.mmioBase, undefined);
  assert.equal(write(0xfee0_0900), false); // x2APIC to xAPIC
  assert.equal(write(0xfee0_0100), true);
  assert.equal(write(0xfee0_0d00), false); // off to x2APIC
  assert.equal(write(0xfee0_0900), true);
  assert.equal(cpu.get(SVR), 0xff); // as after a reset
});

test('x2APIC registers are MSRs with wide IDs and faults for what is not there', () => {
  const { cpus, clock } = machine(2);
  const [one, two] = cpus;
  const value = new Uint32Array(2);
  assert.equal(one.apic.readMsr(0x802, value), false);
  enterX2apic(one.apic);
  enterX2apic(two.apic);
  assert.equal(two.apic.readMsr(0x802, value), true);
  assert.equal(value[0], 1);
  two.apic.readMsr(0x80d, value);
  assert.equal(value[0], 2);
  assert.equal(two.apic.read(0x20, 4), 0);
  for (const msr of [0x809, 0x80b, 0x80e, 0x831, 0x83f, 0x840, 0x8ff]) {
    assert.equal(one.apic.readMsr(msr, value), false, msr.toString(16));
  }
  assert.equal(one.apic.writeMsr(0x802, 0, 0), false);
  assert.equal(one.apic.writeMsr(0x80b, 1, 0), false);
  assert.equal(one.apic.writeMsr(0x808, 0x20, 1), false);
  assert.equal(one.apic.writeMsr(0x808, 0x20, 0), true);
  assert.equal(one.apic.writeMsr(0x808, 0, 0), true);
  assert.equal(one.apic.writeMsr(0x80f, 0x3ff, 0), false);
  assert.equal(one.apic.writeMsr(0x830, 0x4055, 1), true);
  assert.equal(two.apic.acknowledge(), 0x55);
  assert.equal(two.apic.writeMsr(0x80b, 0, 0), true);
  assert.equal(one.apic.writeMsr(0x830, 0x4856, 0b11), true); // logical, cluster 0
  assert.equal(one.apic.acknowledge(), 0x56);
  assert.equal(two.apic.acknowledge(), 0x56);
  one.apic.writeMsr(0x80b, 0, 0);
  assert.equal(one.apic.writeMsr(0x83f, 0x57, 0), true);
  assert.equal(one.apic.acknowledge(), 0x57);
  one.apic.readMsr(0x830, value);
  assert.deepEqual([...value], [0x4856, 3]);
  one.apic.writeMsr(0x83e, 0xb, 0);
  one.apic.writeMsr(0x838, 500, 0);
  clock.advance(100);
  one.apic.readMsr(0x839, value);
  assert.equal(value[0], 400);
});

test('registers that do not exist in xAPIC mode read as zero and count as errors', () => {
  const { cpu } = machine();
  assert.equal(cpu.get(0x40), 0);
  cpu.set(0x30, 1);
  cpu.set(ESR, 0);
  assert.equal(cpu.get(ESR), 0x80);
  assert.equal(cpu.get(0x30), 0x0105_0014);
  assert.equal(cpu.apic.read(0x32, 2), 0x0105);
});

test('a restored local APIC tells what is pending and goes on timing', () => {
  const one = machine();
  one.cpu.set(DIVIDE, 0xb);
  one.cpu.set(LVT_TIMER, 0x40);
  one.cpu.set(INITIAL, 1000);
  one.cpu.send(0x99);
  const two = machine();
  two.cpu.apic.restore(one.cpu.apic.save());
  assert.equal(two.cpu.wire.pending, true);
  assert.deepEqual(two.cpu.serve(), [0x99]);
  two.clock.advance(1000);
  assert.deepEqual(two.cpu.serve(), [0x40]);
});

test('a message to everyone is for every mode and identity', () => {
  const { cpus, bus } = machine(2);
  enterX2apic(cpus[1].apic);
  bus.send(DELIVER_NMI, 0, false, EVERYONE, true);
  assert.deepEqual(
    cpus.map((cpu) => cpu.log),
    [['nmi'], ['nmi']],
  );
});
