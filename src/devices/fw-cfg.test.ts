import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FW_CFG_CPUS, FW_CFG_DIRECTORY, FwCfg } from './fw-cfg.ts';
import { TestMemory } from './test-memory.ts';

const READ = 2;
const SKIP = 4;
const SELECT = 8;
const WRITE = 16;

function fwCfg() {
  const memory = new TestMemory(0x2_0000);
  const device = new FwCfg({ memory });
  const read = (selector: number, count: number): number[] => {
    device.registers.write(0, selector, 2);
    return Array.from({ length: count }, () => device.registers.read(1, 1));
  };
  const big = (value: number): number => {
    const view = new DataView(new ArrayBuffer(4));
    view.setUint32(0, value);
    return view.getUint32(0, true);
  };
  /** Gives what the control field has become. */
  const transfer = (control: number, length: number, address: number, at = 0x1000): number => {
    const command = new DataView(new ArrayBuffer(16));
    command.setUint32(0, control);
    command.setUint32(4, length);
    command.setBigUint64(8, BigInt(address));
    memory.write(at, new Uint8Array(command.buffer));
    device.dma.write(0, 0, 4);
    device.dma.write(4, big(at), 4);
    const bytes = new Uint8Array(4);
    memory.read(at, bytes);
    return new DataView(bytes.buffer).getUint32(0);
  };
  const slice = (at: number, length: number): number[] => {
    const bytes = new Uint8Array(length);
    memory.read(at, bytes);
    return [...bytes];
  };
  return { device, memory, read, transfer, slice };
}

const text = (bytes: readonly number[]): string => String.fromCharCode(...bytes);

test('the device is known by its signature, and offers DMA', () => {
  const { device, read } = fwCfg();
  assert.equal(text(read(0, 4)), 'QEMU');
  assert.deepEqual(read(1, 4), [3, 0, 0, 0]);
  const signature = [0, 4].map((offset) => device.dma.read(offset, 4));
  const bytes = new Uint8Array(Uint32Array.from(signature).buffer);
  assert.equal(text([...bytes]), 'QEMU CFG');
});

test('items are read byte by byte, then as zeros; unknown ones are zeros', () => {
  const { device, read } = fwCfg();
  device.number(FW_CFG_CPUS, 0x1234, 2);
  assert.deepEqual(read(FW_CFG_CPUS, 4), [0x34, 0x12, 0, 0]);
  assert.deepEqual(read(0x4000, 2), [0, 0]);
});

test('files are found by name, in order', () => {
  const { device, read } = fwCfg();
  device.file('etc/b', Uint8Array.of(2, 2));
  device.file('etc/a', Uint8Array.of(1));
  const directory = read(FW_CFG_DIRECTORY, 4 + 2 * 64);
  assert.deepEqual(directory.slice(0, 4), [0, 0, 0, 2]);
  const entry = (index: number) => {
    const bytes = Uint8Array.from(directory.slice(4 + 64 * index, 4 + 64 * (index + 1)));
    const view = new DataView(bytes.buffer);
    return [view.getUint32(0), view.getUint16(4), text([...bytes.subarray(8)]).replace(/\0.*$/s, '')];
  };
  assert.deepEqual(
    [entry(0), entry(1)],
    [
      [1, 0x20, 'etc/a'],
      [2, 0x21, 'etc/b'],
    ],
  );
  assert.deepEqual(read(0x21, 2), [2, 2]);
  assert.throws(() => device.file('x'.repeat(56), new Uint8Array()));
});

test('a file that depends on what firmware has set up is made anew when it is selected', () => {
  const { device, read } = fwCfg();
  let value = 1;
  device.file('fixed', Uint8Array.of(7));
  device.file('changing', Uint8Array.of(0, 9), () => Uint8Array.of(value, 9));
  assert.deepEqual(read(0x20, 3), [1, 9, 0]);
  value = 2;
  assert.deepEqual(read(0x20, 3), [2, 9, 0]);
  assert.deepEqual(read(0x21, 2), [7, 0]);
});

test('DMA selects, skips and copies, filling up with zeros', () => {
  const { device, transfer, slice } = fwCfg();
  device.item(0x50, Uint8Array.of(1, 2, 3, 4));
  assert.equal(transfer(SELECT | (0x50 << 16) | SKIP, 1, 0), 0);
  assert.equal(transfer(READ, 5, 0x2000), 0);
  assert.deepEqual(slice(0x2000, 6), [2, 3, 4, 0, 0, 0]);
});

test('DMA that cannot be done is an error: writes, lengths and addresses beyond memory', () => {
  const { transfer, memory } = fwCfg();
  assert.equal(transfer(WRITE | SELECT, 1, 0x2000), 1);
  assert.equal(transfer(READ | SELECT, 0xffff_ffff, 0), 1);
  assert.equal(transfer(READ | SELECT, 16, memory.sizeBytes - 8), 1);
  assert.equal(transfer(READ | SELECT, 16, 2 ** 52), 1);
});

test('a command that is nowhere, and random accesses, throw nothing', () => {
  const { device } = fwCfg();
  for (let i = 0, seed = 7; i < 200_000; i++) {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    const size = ([1, 2, 4] as const)[seed % 3] as 1 | 2 | 4;
    const offset = (seed >>> 8) & 7;
    const value = Math.imul(seed, 0x9e37_79b1) >>> 0;
    const port = seed & 0x8000 ? device.dma : device.registers;
    if (seed & 0x4000) port.write(offset, value, size);
    else port.read(offset, size);
  }
});
