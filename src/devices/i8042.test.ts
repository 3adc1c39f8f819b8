import assert from 'node:assert/strict';
import { test } from 'node:test';
import { I8042 } from './i8042.ts';
import { TestClock, TestLine } from './test-clock.ts';

function controller() {
  const clock = new TestClock();
  const irq = new TestLine();
  const auxIrq = new TestLine();
  const a20 = new TestLine();
  const counts = { resets: 0 };
  const device = new I8042({ clock, irq, auxIrq, a20, reset: () => counts.resets++ });
  const command = (value: number, argument?: number): void => {
    device.command.write(0, value, 1);
    if (argument !== undefined) device.data.write(0, argument, 1);
  };
  const answers = (): number[] => {
    const bytes: number[] = [];
    for (; device.command.read(0, 1) & 1; clock.advance(1e6)) bytes.push(device.data.read(0, 1));
    return bytes;
  };
  return { clock, irq, auxIrq, a20, counts, device, command, answers };
}

test('the controller passes its own test and those of both of its ports', () => {
  const { command, answers } = controller();
  command(0xaa);
  assert.deepEqual(answers(), [0x55]);
  command(0xab);
  assert.deepEqual(answers(), [0x00]);
  command(0xa9);
  assert.deepEqual(answers(), [0x00]);
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
  const { clock, irq, device, command, answers } = controller();
  device.data.write(0, 0xf4, 1);
  assert.equal(irq.level, false);
  answers();
  command(0x60, 0x45);
  device.data.write(0, 0xff, 1);
  assert.equal(irq.edges, 1);
  device.data.read(0, 1);
  clock.advance(1e6);
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

test('bytes of the second port are marked, and raise interrupt 12', () => {
  const { irq, auxIrq, device, command } = controller();
  command(0x60, 0x47);
  command(0xd3, 0x5a);
  assert.equal(device.command.read(0, 1) & 0x21, 0x21);
  assert.deepEqual([irq.level, auxIrq.level], [false, true]);
  assert.equal(device.data.read(0, 1), 0x5a);
  command(0xd2, 0xa5);
  assert.equal(device.command.read(0, 1) & 0x21, 0x01);
  assert.deepEqual([irq.level, auxIrq.level], [true, false]);
});

test('scan codes are translated to set 1 when the command byte says so', () => {
  const { device, command, answers } = controller();
  device.keyboard.key('ArrowUp', true);
  device.keyboard.key('ArrowUp', false);
  assert.deepEqual(answers(), [0xe0, 0x48, 0xe0, 0xc8]);
  command(0x60, 0x04);
  device.keyboard.key('ArrowUp', true);
  device.keyboard.key('ArrowUp', false);
  assert.deepEqual(answers(), [0xe0, 0x75, 0xe0, 0xf0, 0x75]);
});

test('what comes through a port that is off waits until it is on', () => {
  const { device, command, answers } = controller();
  command(0xad);
  device.keyboard.key('KeyA', true);
  assert.deepEqual(answers(), []);
  command(0xae);
  assert.deepEqual(answers(), [0x1e]);
  command(0xd4, 0xf4);
  command(0xa7);
  answers();
  device.mouse.move(1, 0, 0);
  assert.deepEqual(answers(), []);
  command(0xa8);
  assert.deepEqual(answers(), [0x08, 1, 0]);
});

test('the mouse hears what is sent to it, and the keyboard does not', () => {
  const { device, command, answers } = controller();
  command(0xd4, 0xff);
  assert.deepEqual(answers(), [0xfa, 0xaa, 0x00]);
  device.data.write(0, 0xee, 1);
  assert.deepEqual(answers(), [0xee]);
});

test('keys that waited come one by one, so that who empties the buffer comes to an end', () => {
  const { clock, device } = controller();
  for (let i = 0; i < 40; i++) device.keyboard.key('KeyA', i % 2 === 0);
  clock.advance(1e9);
  const read: number[] = [];
  for (; device.command.read(0, 1) & 1; clock.advance(50_000)) read.push(device.data.read(0, 1));
  assert.deepEqual(read, [0x1e, 0x9e]);
  clock.advance(1e6);
  assert.equal(device.data.read(0, 1), 0x1e);
});
