import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SLEEP_TYPE_S5 } from '../../devices/acpi-pm.ts';
import { TestMemory } from '../test-memory.ts';
import { integer } from './aml.ts';
import { FLOPPY_CONTROLLER } from './dsdt.ts';
import { writeAcpiTables } from './tables.ts';

function tables(cpuCount = 1, devices: Parameters<typeof writeAcpiTables>[1]['devices'] = []) {
  const memory = new TestMemory(0x10_0000);
  const rsdp = writeAcpiTables(memory, { cpuCount, devices });
  const sum = (at: number, length: number) => memory.slice(at, length).reduce((a, b) => a + b, 0) & 0xff;
  const signature = (at: number) => new TextDecoder().decode(memory.slice(at, 4));
  const table = (at: number) => {
    const length = memory.u32(at + 4);
    assert.equal(sum(at, length), 0, `checksum of ${signature(at)}`);
    return memory.slice(at, length);
  };
  const xsdt = memory.u64(rsdp + 24);
  const listed = Array.from({ length: (memory.u32(xsdt + 4) - 36) / 8 }, (_, i) => memory.u64(xsdt + 36 + i * 8));
  const find = (wanted: string) => listed.find((at) => signature(at) === wanted)!;
  return { memory, rsdp, sum, signature, table, xsdt, listed, find };
}

test('the root pointer lies where kernels scan for it, and both its checksums are right', () => {
  const { memory, rsdp, sum } = tables();
  assert.equal(rsdp % 16, 0);
  assert.ok(rsdp >= 0xe_0000 && rsdp < 0x10_0000);
  assert.equal(new TextDecoder().decode(memory.slice(rsdp, 8)), 'RSD PTR ');
  assert.equal(sum(rsdp, 20), 0);
  assert.equal(sum(rsdp, memory.u32(rsdp + 20)), 0);
});

test('both roots list the same tables, all with good checksums', () => {
  const { memory, rsdp, signature, table, xsdt, listed } = tables();
  const rsdt = memory.u32(rsdp + 16);
  assert.deepEqual([signature(rsdt), signature(xsdt)], ['RSDT', 'XSDT']);
  table(rsdt);
  table(xsdt);
  assert.deepEqual(
    listed.map((_, i) => memory.u32(rsdt + 36 + i * 4)),
    listed,
  );
  assert.deepEqual(listed.map(signature), ['FACP', 'APIC']);
  for (const at of listed) table(at);
});

test('the FADT leads to FACS and DSDT and agrees with itself in both widths', () => {
  const { memory, signature, table, find } = tables();
  const fadt = find('FACP');
  assert.equal(table(fadt).length, 276);
  const facs = memory.u32(fadt + 36);
  assert.deepEqual([signature(facs), facs % 64, memory.u32(facs + 4)], ['FACS', 0, 64]);
  assert.equal(signature(memory.u32(fadt + 40)), 'DSDT');
  assert.equal(memory.u64(fadt + 140), memory.u32(fadt + 40));
  assert.equal(memory.view.getUint16(fadt + 46, true), 9, 'SCI');
  for (const [narrow, wide, port] of [
    [56, 148, 0x600],
    [64, 172, 0x604],
    [76, 208, 0x608],
  ]) {
    assert.equal(memory.u32(fadt + narrow), port);
    assert.deepEqual([memory.bytes[fadt + wide], memory.u64(fadt + wide + 4)], [1, port]);
  }
  assert.deepEqual([memory.u64(fadt + 120), memory.bytes[fadt + 128]], [0xcf9, 6], 'reset register');
  const flags = memory.u32(fadt + 112);
  assert.equal(flags & (1 << 20), 0, 'not hardware-reduced');
  assert.equal(flags & (1 << 10), 1 << 10, 'reset register supported');
  assert.equal(memory.view.getUint16(fadt + 109, true), 0b101, 'legacy devices, no 8042, no VGA');
});

test('the MADT lists each CPU, the IOAPIC and the overrides', () => {
  const { memory, table, find } = tables(3);
  const madt = find('APIC');
  const end = madt + table(madt).length;
  assert.equal(memory.u32(madt + 36), 0xfee0_0000);
  const entries: number[][] = [];
  for (let at = madt + 44; at < end; at += memory.bytes[at + 1]) {
    entries.push([...memory.slice(at, memory.bytes[at + 1])]);
  }
  assert.deepEqual(entries, [
    [0, 8, 0, 0, 1, 0, 0, 0],
    [0, 8, 1, 1, 1, 0, 0, 0],
    [0, 8, 2, 2, 1, 0, 0, 0],
    [1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0],
    [2, 10, 0, 0, 2, 0, 0, 0, 0, 0],
    [2, 10, 0, 9, 9, 0, 0, 0, 0x0d, 0],
    [4, 6, 0xff, 0, 0, 1],
  ]);
});

test('the DSDT has the power-off state and the devices of the board and of its user', () => {
  const extra = { name: 'ABC', hardwareId: 'PNP0C02', ports: { base: 0x1234, length: 4 } };
  const { memory, table, find } = tables(1, [extra]);
  const dsdt = table(memory.u32(find('FACP') + 40));
  const includes = (...bytes: number[]) => dsdt.some((_, i) => bytes.every((byte, j) => dsdt[i + j] === byte));
  const s5 = [...integer(SLEEP_TYPE_S5), 0, 0, 0];
  assert.ok(includes(0x08, 0x5c, 0x5f, 0x53, 0x35, 0x5f, 0x12, s5.length + 2, 4, ...s5), '\\_S5 is a package of four');
  for (const text of ['RTC_', 'COM1', 'COM2', 'QEMU0001', 'ABC_']) {
    assert.ok(includes(...new TextEncoder().encode(text)), text);
  }
  assert.ok(includes(0x47, 1, 0x34, 0x12, 0x34, 0x12, 0, 4));
  assert.ok(includes(0x0c, 0x41, 0xd0, 0x05, 0x01), 'PNP0501');
});

test('the floppy controller is described with its ports, interrupt and DMA channel', () => {
  const { memory, table, find } = tables(1, [FLOPPY_CONTROLLER]);
  const dsdt = table(memory.u32(find('FACP') + 40));
  const includes = (...bytes: number[]) => dsdt.some((_, i) => bytes.every((byte, j) => dsdt[i + j] === byte));
  assert.ok(includes(0x0c, 0x41, 0xd0, 0x07, 0x00), 'PNP0700');
  const ports = [0x47, 1, 0xf2, 0x03, 0xf2, 0x03, 0, 4, 0x47, 1, 0xf7, 0x03, 0xf7, 0x03, 0, 1];
  assert.ok(includes(...ports, 0x22, 0x40, 0, 0x2a, 0x04, 0, 0x79));
});

test('tables that do not fit are a bug that is reported', () => {
  assert.throws(() => tables(20_000), RangeError);
});
