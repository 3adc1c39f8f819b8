import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Pic8259 } from './pic-8259.ts';
import { TestLine } from './test-clock.ts';

/** Set up as Linux does: vectors 0x30 and 0x38, edge triggered, nothing masked. */
function pair(icw4 = 0x01) {
  const output = new TestLine();
  const pic = new Pic8259({ output });
  for (const [port, base, cascade] of [
    [pic.master, 0x30, 4],
    [pic.slave, 0x38, 2],
  ] as const) {
    port.write(0, 0x11, 1);
    port.write(1, base, 1);
    port.write(1, cascade, 1);
    port.write(1, icw4, 1);
    port.write(1, 0, 1);
  }
  const raise = (...irqs: number[]): void => {
    for (const irq of irqs) pic.line(irq).set(true);
  };
  const inService = (port = pic.master): number => {
    port.write(0, 0x0b, 1);
    return port.read(0, 1);
  };
  return { pic, output, raise, inService };
}

test('requests are served by priority, one that is in service holds back its equals and lesser', () => {
  const { pic, output, raise, inService } = pair();
  raise(4, 1);
  assert.equal(output.level, true);
  assert.equal(pic.acknowledge(), 0x31);
  assert.equal(output.level, false);
  raise(0);
  assert.equal(pic.acknowledge(), 0x30);
  assert.equal(inService(), 0x03);
  pic.master.write(0, 0x20, 1);
  assert.equal(inService(), 0x02);
  assert.equal(output.level, false);
  pic.master.write(0, 0x61, 1);
  assert.equal(pic.acknowledge(), 0x34);
});

test('the slave comes in on input 2 and needs an end of interrupt at both', () => {
  const { pic, output, raise, inService } = pair();
  raise(12, 3);
  assert.equal(pic.acknowledge(), 0x3c);
  assert.equal(inService(pic.slave), 0x10);
  assert.equal(inService(pic.master), 0x04);
  raise(8);
  assert.equal(output.level, false); // fully nested: the master holds its input 2 back
  pic.slave.write(0, 0x20, 1);
  pic.master.write(0, 0x20, 1);
  assert.equal(pic.acknowledge(), 0x38);
});

test('in special fully nested mode the slave interrupts its own service routines', () => {
  const { pic, output, raise } = pair(0x11);
  raise(12);
  assert.equal(pic.acknowledge(), 0x3c);
  raise(8);
  assert.equal(output.level, true);
  assert.equal(pic.acknowledge(), 0x38);
});

test('two requests at the slave with automatic end of interrupt are both served', () => {
  const { pic, output, raise, inService } = pair(0x03);
  raise(9, 10);
  assert.equal(pic.acknowledge(), 0x39);
  assert.equal(output.level, true);
  assert.equal(pic.acknowledge(), 0x3a);
  assert.equal(output.level, false);
  assert.equal(inService(), 0);
});

test('masked requests wait and show in IRR', () => {
  const { pic, output, raise } = pair();
  pic.master.write(1, 0x10, 1);
  raise(4);
  assert.equal(output.level, false);
  assert.equal(pic.master.read(0, 1), 0x10);
  assert.equal(pic.master.read(1, 1), 0x10);
  pic.master.write(1, 0, 1);
  assert.equal(pic.acknowledge(), 0x34);
});

test('edges count once, levels until they drop', () => {
  const { pic, output, raise } = pair();
  pic.edgeLevelControl.write(0, 0xff, 1);
  assert.equal(pic.edgeLevelControl.read(0, 1), 0xf8);
  raise(1, 5);
  assert.equal(pic.acknowledge(), 0x31);
  pic.master.write(0, 0x20, 1);
  for (let i = 0; i < 3; i++) {
    assert.equal(pic.acknowledge(), 0x35);
    pic.master.write(0, 0x20, 1);
  }
  pic.line(5).set(false);
  assert.equal(output.level, false);
  raise(1);
  assert.equal(output.level, false);
  pic.line(1).set(false);
  raise(1);
  assert.equal(output.level, true);
});

test('a request that vanished gives the spurious vector without a service bit', () => {
  const { pic, raise, inService } = pair();
  pic.edgeLevelControl.write(0, 0x20, 1);
  raise(5);
  pic.line(5).set(false);
  assert.equal(pic.acknowledge(), 0x37);
  assert.equal(inService(), 0);
  pic.slave.write(1, 0xff, 1);
  assert.equal(pic.acknowledge(), 0x37);
});

test('rotation moves the end of the order of priorities', () => {
  const { pic, raise } = pair();
  raise(3, 4);
  assert.equal(pic.acknowledge(), 0x33);
  pic.master.write(0, 0xa0, 1); // rotate on non-specific end: 3 becomes the lowest
  pic.line(3).set(false);
  raise(3, 0);
  assert.equal(pic.acknowledge(), 0x34);
  pic.master.write(0, 0x20, 1);
  assert.equal(pic.acknowledge(), 0x30);
  pic.master.write(0, 0xe0, 1); // specific: 0 becomes the lowest
  assert.equal(pic.acknowledge(), 0x33);
  pic.master.write(0, 0x20, 1);
  pic.master.write(0, 0xc2, 1); // set priority: 2 is the lowest, 3 the highest
  raise(2, 7);
  assert.equal(pic.acknowledge(), 0x37);
});

test('special mask mode lets lesser requests through while one is served', () => {
  const { pic, output, raise, inService } = pair();
  raise(1, 6);
  assert.equal(pic.acknowledge(), 0x31);
  pic.master.write(1, 0x02, 1);
  assert.equal(output.level, false);
  pic.master.write(0, 0x68, 1);
  assert.equal(output.level, true);
  assert.equal(pic.acknowledge(), 0x36);
  pic.master.write(0, 0x20, 1);
  assert.equal(inService(), 0x02);
});

test('a poll acknowledges and tells the input', () => {
  const { pic, output, raise, inService } = pair();
  pic.master.write(0, 0x0c, 1);
  assert.equal(pic.master.read(0, 1), 0x07);
  raise(6, 10);
  pic.slave.write(0, 0x0c, 1);
  assert.equal(pic.slave.read(0, 1), 0x82);
  pic.master.write(0, 0x0c, 1);
  assert.equal(pic.master.read(1, 1), 0x86);
  assert.equal(inService(), 0x40);
  assert.equal(output.level, false);
});

test('initialisation forgets edges and what was in service', () => {
  const { pic, output, raise, inService } = pair();
  raise(1, 4);
  pic.acknowledge();
  pic.master.write(0, 0x11, 1);
  assert.equal(output.level, false);
  for (const word of [0x20, 4, 1, 0]) pic.master.write(1, word, 1);
  assert.equal(inService(), 0);
  pic.line(4).set(false);
  raise(4);
  assert.equal(pic.acknowledge(), 0x24);
});
