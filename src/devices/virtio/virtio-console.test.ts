import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ChannelBackend, ChannelPort } from '../../base/channel.ts';
import { NEEDS_RESET, TestDriver } from './test-driver.ts';
import { VirtioConsole } from './virtio-console.ts';

const MULTIPORT = 2n;
const [CONTROL_IN, CONTROL_OUT, DATA_IN, DATA_OUT] = [2, 3, 4, 5] as const;
const [DEVICE_READY, PORT_ADD, PORT_READY, PORT_OPEN, PORT_NAME] = [0, 1, 3, 6, 7] as const;

class Backend implements ChannelBackend {
  readonly name = 'test.name';
  port!: ChannelPort;
  readonly events: string[] = [];

  attach(port: ChannelPort): void {
    this.port = port;
  }

  received(bytes: Uint8Array): void {
    this.events.push(bytes.length > 20 ? `${bytes.length} bytes` : new TextDecoder().decode(bytes));
  }

  opened(isOpen: boolean): void {
    this.events.push(isOpen ? 'opened' : 'closed');
  }

  drained(): void {
    this.events.push('drained');
  }

  take(): string[] {
    return this.events.splice(0);
  }
}

class Bench {
  readonly backend = new Backend();
  wakes = 0;
  readonly device = new VirtioConsole([this.backend], { wake: () => this.wakes++ });
  readonly driver = new TestDriver(this.device);

  queue(index: number) {
    const queue = this.driver.queues[index];
    assert.ok(queue);
    return queue;
  }

  control(id: number, event: number, value: number): void {
    const message = new DataView(new ArrayBuffer(8));
    message.setUint32(0, id, true);
    message.setUint16(4, event, true);
    message.setUint16(6, value, true);
    this.queue(CONTROL_OUT).put([this.driver.buffer(new Uint8Array(message.buffer))]);
    this.queue(CONTROL_OUT).notify();
  }

  /** Gives room to a queue from the host; what comes into it is there later. */
  room(index: number, bytes: number) {
    const buffer = this.driver.buffer(bytes);
    this.queue(index).put([], [buffer]);
    this.queue(index).notify();
    return buffer;
  }

  write(text: string): void {
    this.queue(DATA_OUT).put([this.driver.buffer(new TextEncoder().encode(text))]);
    this.queue(DATA_OUT).notify();
  }

  open(): void {
    this.driver.start(MULTIPORT);
    this.control(1, PORT_OPEN, 1);
    this.backend.take();
  }
}

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes).replaceAll('\0', '.');
const bytes = (string: string): Uint8Array => new TextEncoder().encode(string);

describe('a port of a virtio console', () => {
  it('is made known by number, name and state, as the driver has room for it', () => {
    const it_ = new Bench();
    it_.driver.start(MULTIPORT);
    assert.equal(it_.driver.read(0x2004, 4), 2);
    it_.control(0xffff_ffff, DEVICE_READY, 1);
    const told = [it_.room(CONTROL_IN, 8)];
    it_.control(1, PORT_READY, 1);
    told.push(it_.room(CONTROL_IN, 32), it_.room(CONTROL_IN, 8));
    const messages = told.map((buffer) => it_.driver.bytes(buffer));
    assert.deepEqual(
      messages.map((message) => new DataView(message.buffer).getUint16(4, true)),
      [PORT_ADD, PORT_NAME, PORT_OPEN],
    );
    assert.deepEqual(it_.queue(CONTROL_IN).completed()[1]?.written, 8 + 9);
    assert.equal(text((messages[1] as Uint8Array).subarray(8, 17)), 'test.name');
  });

  it('carries bytes to the guest once it is open, in pieces as the guest has room', () => {
    const it_ = new Bench();
    it_.driver.start(MULTIPORT);
    const first = it_.room(DATA_IN, 4);
    it_.backend.port.send(bytes('hello'));
    assert.equal(it_.backend.port.pendingBytes, 5);
    it_.control(1, PORT_OPEN, 1);
    assert.equal(text(it_.driver.bytes(first)), 'hell');
    assert.equal(it_.backend.port.pendingBytes, 1);
    it_.backend.port.send(bytes(' you'));
    const second = it_.room(DATA_IN, 4);
    const third = it_.room(DATA_IN, 4);
    assert.equal(text(it_.driver.bytes(second)), 'o...');
    assert.equal(text(it_.driver.bytes(third)), ' you');
    assert.deepEqual(it_.backend.take(), ['opened', 'drained']);
    const wakes = it_.wakes;
    it_.backend.port.send(bytes('!'));
    assert.ok(it_.wakes > wakes);
  });

  it('carries bytes to the host while it takes them, and makes the guest wait while not', () => {
    const it_ = new Bench();
    it_.open();
    it_.write('one');
    it_.backend.port.accepting = false;
    it_.write('two');
    it_.write('three');
    assert.deepEqual(it_.backend.take(), ['one']);
    assert.equal(it_.queue(DATA_OUT).completed().length, 1);
    it_.backend.port.accepting = true;
    assert.deepEqual(it_.backend.take(), ['two', 'three']);
    assert.equal(it_.queue(DATA_OUT).completed().length, 2);
  });

  it('gives long writes in pieces, and stops between them', () => {
    const it_ = new Bench();
    it_.open();
    it_.backend.received = (piece) => {
      it_.backend.events.push(`${piece.length} bytes`);
      it_.backend.port.accepting = it_.backend.events.length === 2;
    };
    it_.queue(DATA_OUT).put([it_.driver.buffer(200_000)]);
    it_.queue(DATA_OUT).notify();
    assert.deepEqual(it_.backend.events, ['65536 bytes']);
    it_.backend.port.accepting = true;
    assert.deepEqual(it_.backend.events, ['65536 bytes', '65536 bytes', '65536 bytes']);
    it_.backend.port.accepting = true;
    assert.equal(it_.backend.events[3], '3392 bytes');
    assert.equal(it_.queue(DATA_OUT).completed().length, 1);
  });

  it('goes on in the middle of a write after a restore, and says again that it is open', () => {
    const it_ = new Bench();
    it_.open();
    it_.backend.received = () => {
      it_.backend.port.accepting = false;
    };
    it_.queue(DATA_OUT).put([it_.driver.buffer(65_536 + 3)]);
    it_.queue(DATA_OUT).notify();
    const other = new Bench();
    other.driver.memory.write(0, it_.driver.memory.bytes);
    other.driver.transport.config.restore(it_.driver.transport.config.save());
    other.device.restore(it_.device.save());
    other.driver.transport.restore(it_.driver.transport.save());
    assert.deepEqual(other.backend.take(), []);
    other.driver.transport.resume();
    assert.deepEqual(other.backend.take(), ['opened', '\0\0\0']);
    assert.equal(other.queue(DATA_OUT).completed().length, 1);
  });

  it('forgets what the guest has not taken when it closes the port, or is reset', () => {
    const it_ = new Bench();
    it_.open();
    it_.backend.port.send(bytes('late'));
    it_.control(1, PORT_OPEN, 0);
    assert.equal(it_.backend.port.pendingBytes, 0);
    assert.deepEqual(it_.backend.take(), ['closed']);
    it_.control(1, PORT_OPEN, 1);
    it_.driver.write(0x14, 0, 1);
    assert.deepEqual(it_.backend.take(), ['opened', 'closed']);
    assert.equal(it_.backend.port.guestOpen, false);
  });

  it('lets its back end send from within any call', () => {
    const it_ = new Bench();
    it_.open();
    let left = 1000;
    it_.backend.drained = () => {
      if (left-- > 0) it_.backend.port.send(bytes('x'));
    };
    it_.backend.received = (piece) => it_.backend.port.send(piece);
    for (let i = 0; i < 60; i++) it_.room(DATA_IN, 4);
    it_.write('echo');
    assert.equal(it_.queue(DATA_IN).completed().length, 60);
    assert.equal(it_.backend.port.pendingBytes, 1);
  });

  it('bears control messages about nothing', () => {
    const it_ = new Bench();
    it_.open();
    for (const id of [0, 2, 0xffff_ffff]) for (let event = 0; event < 10; event++) it_.control(id, event, 1);
    it_.queue(CONTROL_OUT).put([it_.driver.buffer(3)]);
    it_.queue(CONTROL_OUT).notify();
    assert.equal(it_.driver.status & NEEDS_RESET, 0);
    assert.deepEqual(it_.backend.take(), []);
  });
});
