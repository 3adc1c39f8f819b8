import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Serial16550 } from './serial-16550.ts';
import { TestClock, TestLine } from './test-clock.ts';

const [DATA, IER, IIR, FCR, LCR, MCR, LSR, MSR, SCR] = [0, 1, 2, 2, 3, 4, 5, 6, 7];
const CHARACTER_NS = (10 * 1e9) / 115_200;
const ARRIVAL_NS = 10_000;

function port() {
  const clock = new TestClock();
  const irq = new TestLine();
  const sent: number[] = [];
  const serial = new Serial16550({ clock, irq, output: (byte) => sent.push(byte) });
  serial.write(LCR, 0x03);
  return { clock, irq, sent, serial };
}

/** The port as Linux leaves it: FIFOs with trigger 8, DTR, RTS and OUT2, receive interrupts. */
function openPort() {
  const made = port();
  made.serial.write(FCR, 0x81);
  made.serial.write(MCR, 0x0b);
  made.serial.write(IER, 0x05);
  return made;
}

const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);

function drain(serial: Serial16550): string {
  let text = '';
  while (serial.read(LSR) & 1) text += String.fromCharCode(serial.read(DATA));
  return text;
}

test('bytes written are sent at once and the transmitter stays empty', () => {
  const { serial, sent } = port();
  for (const byte of ascii('ok')) serial.write(DATA, byte);
  assert.deepEqual(sent, [...ascii('ok')]);
  assert.equal(serial.read(LSR), 0x60);
});

test('the divisor latch hides behind DLAB', () => {
  const { serial, sent } = port();
  serial.write(LCR, 0x83);
  serial.write(DATA, 0x34);
  serial.write(IER, 0x12);
  assert.deepEqual([serial.read(DATA), serial.read(IER)], [0x34, 0x12]);
  serial.write(LCR, 0x03);
  assert.equal(serial.read(IER), 0);
  assert.equal(serial.state.divisor, 0x1234);
  assert.deepEqual(sent, []);
});

test("Linux's autoconfiguration finds a 16550A with 16 bytes of FIFO", () => {
  const { serial } = port();
  serial.write(IER, 0x0f);
  assert.equal(serial.read(IER), 0x0f);
  serial.write(IER, 0);
  serial.write(MCR, 0x1a);
  assert.equal(serial.read(MSR) & 0xf0, 0x90);
  serial.write(MCR, 0);
  serial.write(FCR, 0x01);
  assert.equal(serial.read(IIR) >> 6, 3);
  serial.write(FCR, 0x21);
  assert.equal(serial.read(IIR) >> 5, 6); // not a 16750
  serial.write(LCR, 0xbf);
  assert.notEqual(serial.read(IIR), 0); // no extended features
  serial.write(LCR, 0x03);
  serial.write(FCR, 0x07);
  serial.write(MCR, 0x10);
  for (let i = 0; i < 256; i++) serial.write(DATA, i);
  assert.equal(drain(serial).length, 16);
  serial.write(SCR, 0xa5);
  assert.equal(serial.read(SCR), 0xa5);
});

test("Linux's start-up tests see the THRE interrupt again whenever it is enabled", () => {
  const { serial, irq } = port();
  serial.write(IER, 0x02);
  assert.equal(irq.level, true);
  assert.equal(serial.read(IIR) & 0x0f, 0x02);
  assert.equal(irq.level, false);
  assert.equal(serial.read(IIR) & 0x0f, 0x01);
  serial.write(IER, 0);
  serial.write(IER, 0x02);
  assert.equal(serial.read(IIR) & 0x0f, 0x02);
  serial.write(DATA, 0x41);
  assert.equal(irq.level, true);
});

test('received bytes interrupt at the trigger level, the rest after four characters of silence', () => {
  const { clock, irq, serial } = openPort();
  serial.receive(ascii('12345678ab'));
  clock.advance(7.5 * ARRIVAL_NS);
  assert.equal(irq.level, false);
  clock.advance(ARRIVAL_NS);
  assert.equal(serial.read(IIR), 0xc4);
  clock.advance(2 * ARRIVAL_NS);
  assert.equal(drain(serial), '12345678ab');
  assert.equal(irq.level, false);
  serial.receive(ascii('c'));
  clock.advance(ARRIVAL_NS + 3.9 * CHARACTER_NS);
  assert.equal(irq.level, false);
  clock.advance(0.2 * CHARACTER_NS);
  assert.equal(serial.read(IIR), 0xcc);
  assert.equal(drain(serial), 'c');
  assert.equal(serial.read(IIR), 0xc1);
});

test('bulk input waits for room, so nothing overruns and nothing is lost', () => {
  const { clock, serial } = openPort();
  const text = 'A line of piped input.\n'.repeat(200);
  for (let i = 0; i < text.length; i += 1000) serial.receive(ascii(text.slice(i, i + 1000)));
  let seen = '';
  while (seen.length < text.length) {
    clock.advance(100 * ARRIVAL_NS);
    assert.equal(serial.read(LSR) & 0x02, 0);
    const part = drain(serial);
    assert.equal(part.length, Math.min(16, text.length - seen.length));
    seen += part;
  }
  assert.equal(seen, text);
  assert.equal(serial.waitingBytes, 0);
});

test('input waits while RTS is low, and arrives at guests that never touch it', () => {
  const { clock, serial } = port();
  serial.receive(ascii('x'));
  clock.advance(2 * ARRIVAL_NS);
  assert.equal(drain(serial), 'x');
  serial.write(MCR, 0x09);
  serial.receive(ascii('y'));
  clock.advance(20 * ARRIVAL_NS);
  assert.equal(serial.read(LSR) & 1, 0);
  serial.write(MCR, 0x0b);
  clock.advance(2 * ARRIVAL_NS);
  assert.equal(drain(serial), 'y');
});

test('bytes in a receive FIFO that is reset arrive again, those of a loopback test do not', () => {
  const { clock, serial } = openPort();
  serial.receive(ascii('hello'));
  clock.advance(3.5 * ARRIVAL_NS);
  serial.write(FCR, 0x87);
  assert.equal(serial.read(LSR) & 1, 0);
  assert.equal(serial.read(DATA), 0);
  clock.advance(10 * ARRIVAL_NS);
  assert.equal(drain(serial), 'hello');
  serial.write(MCR, 0x1b);
  serial.write(DATA, 0x55);
  serial.write(MCR, 0x0b);
  serial.write(FCR, 0x87);
  clock.advance(10 * ARRIVAL_NS);
  assert.equal(serial.read(LSR) & 1, 0);
});

test('an overrun is told once, with its own interrupt', () => {
  const { serial, sent } = port();
  serial.write(IER, 0x04);
  serial.write(MCR, 0x10);
  serial.write(DATA, 1);
  serial.write(DATA, 2);
  assert.equal(serial.read(IIR), 0x06);
  assert.equal(serial.read(LSR), 0x63);
  assert.equal(serial.read(LSR), 0x61);
  assert.equal(serial.read(IIR), 0x01);
  assert.deepEqual(sent, []);
});

test('changes of the modem lines are told until they are read', () => {
  const { serial, irq } = port();
  serial.write(IER, 0x08);
  serial.write(MCR, 0x14); // loopback with RI: the others go away
  assert.equal(irq.level, true);
  assert.equal(serial.read(IIR), 0x00);
  assert.equal(serial.read(MSR), 0x4b);
  assert.equal(serial.read(MSR), 0x40);
  assert.equal(irq.level, false);
  serial.write(MCR, 0x10);
  assert.equal(serial.read(MSR), 0x04); // TERI
});

test('a restored port goes on where it was', () => {
  const one = openPort();
  one.serial.receive(ascii('12345678'));
  one.clock.advance(9 * ARRIVAL_NS);
  const two = port();
  two.serial.restore(one.serial.save());
  assert.equal(two.irq.level, true);
  assert.equal(drain(two.serial), '12345678');
  assert.equal(two.irq.level, false);
});
