import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApicBus, type ApicTarget, DELIVER_FIXED, DELIVER_LOWEST_PRIORITY, DELIVER_NMI, EVERYONE } from './apic-bus.ts';

class Target implements ApicTarget {
  readonly log: string[] = [];
  readonly id: number;
  readonly processorPriority: number;
  readonly acceptsFixed: boolean;

  constructor(id: number, processorPriority: number, acceptsFixed = true) {
    this.id = id;
    this.processorPriority = processorPriority;
    this.acceptsFixed = acceptsFixed;
  }

  matches(destination: number, logical: boolean): boolean {
    return destination === EVERYONE || (logical ? (destination & (1 << this.id)) !== 0 : destination === this.id);
  }

  accept(mode: number, vector: number, levelTriggered: boolean): boolean {
    this.log.push(`${mode}:${vector}${levelTriggered ? ' level' : ''}`);
    return this.acceptsFixed;
  }
}

function bus(...targets: Target[]): ApicBus {
  const made = new ApicBus();
  for (const target of targets) made.attachLocal(target);
  return made;
}

test('a message reaches those who match and tells whether it was taken', () => {
  const [a, b, c] = [new Target(0, 0), new Target(1, 0), new Target(2, 0, false)];
  const made = bus(a, b, c);
  assert.equal(made.send(DELIVER_FIXED, 0x40, true, 1, false), true);
  assert.equal(made.send(DELIVER_FIXED, 0x41, false, 2, false), false);
  assert.equal(made.send(DELIVER_FIXED, 0x42, false, 9, false), false);
  assert.equal(made.send(DELIVER_NMI, 0, false, 0b101, true), true);
  assert.deepEqual([a.log, b.log, c.log], [['4:0'], ['0:64 level'], ['0:65', '4:0']]);
});

test('of those with the lowest priority one takes the message, never one that is disabled', () => {
  const [a, b, c, d] = [new Target(0, 0x40), new Target(1, 0x20), new Target(2, 0x20), new Target(3, 0, false)];
  const made = bus(a, b, c, d);
  assert.equal(made.send(DELIVER_LOWEST_PRIORITY, 0x50, false, EVERYONE, true), true);
  assert.deepEqual([a.log, b.log, c.log, d.log], [[], ['0:80'], [], []]);
  assert.equal(made.send(DELIVER_LOWEST_PRIORITY, 0x50, false, 3, false), false);
});

test('a broadcast reaches all but the sender', () => {
  const [a, b] = [new Target(0, 0), new Target(1, 0)];
  const made = bus(a, b);
  made.broadcast(DELIVER_FIXED, 0x60, a);
  made.broadcast(DELIVER_FIXED, 0x61);
  assert.deepEqual([a.log, b.log], [['0:97'], ['0:96', '0:97']]);
});

test('message-signalled interrupts carry destination in the address and the rest in the data', () => {
  const [a, b] = [new Target(0, 0), new Target(1, 0)];
  const made = bus(a, b);
  made.messageSignalled(0xfee0_1000, 0x0031);
  made.messageSignalled(0xfee0_3004, 0x8032);
  made.messageSignalled(0xfeef_f000, 0x0033);
  assert.deepEqual(
    [a.log, b.log],
    [
      ['0:50 level', '0:51'],
      ['0:49', '0:50 level', '0:51'],
    ],
  );
});
