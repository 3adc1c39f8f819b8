import assert from 'node:assert/strict';
import { test } from 'node:test';
import { I8042 } from './i8042.ts';
import { TestLine } from './test-clock.ts';

function controller() {
  const irq = new TestLine();
  const a20 = new TestLine();
  const counts = { resets: 0 };
  const device = new I8042({ irq, a20, reset: () => counts.resets++ });
  const command = (value: number, argument?: number): void => {
    device.command.write(0, value, 1);
    if (argument !== undefined) device.data.write(0, argument, 1);
  };
  const answers = (): number[] => {
    const bytes: number[] = [];
    while (device.command.read(0, 1) & 1) bytes.push(device.data.read(0, 1));
    return bytes;
  };
  return { irq, a20, counts, device, command, answers };
}

test('the controller passes its self tests and says that there is no second port', () => {
  const { command, answers } = controller();
  command(0xaa);
  assert.deepEqual(answers(), [0x55]);
  command(0xab);
  assert.deepEqual(answers(), [0x00]);
  command(0xa9);
  assert.deepEqual(answers(), [0x01]);
  command(0xd3, 0x5a);
  assert.deepEqual(answers(), [0x5a]);
});

test('the command byte is kept, and the status tells commands from data', () => {
  const { device, command, answers } = controller();
  command(0x60, 0x47);
  assert.equal(device.command.read(0, 1) & 0x08, 0);
  command(0x20);
  assert.equal(device.command.read(0, 1) & 0x0c, 0x0c);
  assert.deepEqual(answers(), [0x47]);
  command(0xad);
  command(0xa7);
  command(0x20);
  assert.deepEqual(answers(), [0x77]);
});

test('both ways to reset reset, other pulses do not', () => {
  const { counts, command } = controller();
  command(0xfe);
  assert.equal(counts.resets, 1);
  command(0xd1, 0xde);
  assert.equal(counts.resets, 2);
  command(0xff);
  command(0xd1, 0xdf);
  assert.equal(counts.resets, 2);
});

test('the A20 gate follows the output port', () => {
  const { a20, device, command, answers } = controller();
  assert.equal(a20.level, true);
  command(0xd1, 0xdd);
  assert.equal(a20.level, false);
  command(0xd0);
  assert.deepEqual(answers(), [0xdd]);
  command(0xdf);
  assert.equal(a20.level, true);
  command(0xdd);
  assert.equal(a20.level, false);
  device.reset();
  assert.equal(a20.level, true);
});

test('the keyboard answers as an MF2 keyboard', () => {
  const { device, answers, command } = controller();
  command(0x60, 0x05);
  for (const [sent, ...expected] of [
    [0xff, 0xfa, 0xaa],
    [0xf2, 0xfa, 0xab, 0x83],
    [0xed, 0xfa],
    [0x07, 0xfa],
    [0xf0, 0xfa],
    [0x00, 0xfa, 0x02],
    [0xee, 0xee],
    [0xf4, 0xfa],
    [0x12, 0xfe],
  ]) {
    device.data.write(0, sent, 1);
    assert.deepEqual(answers(), expected);
  }
});

test('every byte raises interrupt 1 once, if interrupts are enabled', () => {
  const { irq, device, command, answers } = controller();
  device.data.write(0, 0xf4, 1);
  assert.equal(irq.level, false);
  answers();
  command(0x60, 0x45);
  device.data.write(0, 0xff, 1);
  assert.equal(irq.edges, 1);
  device.data.read(0, 1);
  assert.equal(irq.edges, 2);
  device.data.read(0, 1);
  assert.equal(irq.level, false);
  assert.equal(device.data.read(0, 1), 0xaa); // nothing new: the last byte again
});

test('a full queue takes no more', () => {
  const { device, answers } = controller();
  for (let i = 0; i < 40; i++) device.data.write(0, 0xee, 1);
  assert.equal(answers().length, 16);
});
