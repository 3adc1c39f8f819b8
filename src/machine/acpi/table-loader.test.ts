import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ACPI_TABLES_FILE, acpiFiles, acpiTables } from './tables.ts';

/** Does what firmware does with the script; gives memory and where the files are. */
function follow(files: ReturnType<typeof acpiFiles>) {
  const memory = new Uint8Array(0x20_0000);
  const view = new DataView(memory.buffer);
  const named = new Map(files.map(({ name, bytes }) => [name, bytes]));
  const places = new Map<string, number>();
  const next = { 1: 0x10_0040, 2: 0xf_0010 };
  const script = named.get('etc/table-loader')!;
  assert.equal(script.length % 128, 0);
  for (let at = 0; at < script.length; at += 128) {
    const command = new DataView(script.buffer, script.byteOffset + at, 128);
    const name = (offset: number): string =>
      new TextDecoder().decode(script.subarray(at + offset, at + offset + 56)).replace(/\0.*$/s, '');
    const place = (file: string): number => {
      const found = places.get(file);
      assert.notEqual(found, undefined, `${file} is used before it is placed`);
      return found!;
    };
    const kind = command.getUint32(0, true);
    const file = name(4);
    if (kind === 1) {
      const alignment = command.getUint32(60, true);
      const zone = command.getUint8(64) as 1 | 2;
      const address = Math.ceil(next[zone] / alignment) * alignment;
      memory.set(named.get(file)!, address);
      next[zone] = address + named.get(file)!.length;
      places.set(file, address);
    } else if (kind === 2) {
      const to = name(60);
      const where = place(file) + command.getUint32(116, true);
      if (command.getUint8(120) === 4) view.setUint32(where, view.getUint32(where, true) + place(to), true);
      else view.setBigUint64(where, view.getBigUint64(where, true) + BigInt(place(to)), true);
    } else {
      assert.equal(kind, 3);
      const [where, start, length] = [60, 64, 68].map((offset) => command.getUint32(offset, true)) as [
        number,
        number,
        number,
      ];
      const bytes = memory.subarray(place(file) + start, place(file) + start + length);
      assert.equal(memory[place(file) + where], 0, 'OVMF sums up all bytes');
      memory[place(file) + where] -= bytes.reduce((sum, byte) => sum + byte, 0);
    }
  }
  return { memory, view, places };
}

test('firmware that follows the script joins the tables, all of them with good checksums', () => {
  const { memory, view, places } = follow(acpiFiles({ cpuCount: 1, isWholePc: true }));
  const rsdp = places.get('etc/acpi/rsdp')!;
  const signature = (at: number) => new TextDecoder().decode(memory.subarray(at, at + 4));
  const sum = (at: number, length: number) => memory.subarray(at, at + length).reduce((a, b) => a + b, 0) & 0xff;
  const check = (at: number) => assert.equal(sum(at, view.getUint32(at + 4, true)), 0, signature(at));
  assert.equal(rsdp % 16, 0);
  assert.deepEqual([sum(rsdp, 20), sum(rsdp, 36)], [0, 0]);
  const roots = [view.getUint32(rsdp + 16, true), Number(view.getBigUint64(rsdp + 24, true))];
  assert.deepEqual(roots.map(signature), ['RSDT', 'XSDT']);
  const entries = (root: number, bytes: 4 | 8) =>
    Array.from({ length: (view.getUint32(root + 4, true) - 36) / bytes }, (_, i) =>
      view.getUint32(root + 36 + i * bytes, true),
    );
  const listed = entries(roots[0]!, 4);
  assert.deepEqual(listed, entries(roots[1]!, 8));
  assert.deepEqual(listed.map(signature), ['FACP', 'APIC', 'HPET']);
  const fadt = listed[0]!;
  assert.equal(signature(view.getUint32(fadt + 36, true)), 'FACS');
  const dsdt = view.getUint32(fadt + 40, true);
  assert.equal(signature(dsdt), 'DSDT');
  assert.equal(view.getUint32(fadt + 140, true), dsdt);
  for (const table of [...roots, ...listed, dsdt]) check(table);
});

test('tables that are made anew differ in where firmware has the power management registers only', () => {
  const options = { cpuCount: 1, isWholePc: true };
  const before = acpiFiles(options).find(({ name }) => name === ACPI_TABLES_FILE)!.bytes;
  assert.deepEqual(acpiTables(options), before);
  const after = acpiTables({ ...options, pmBase: 0xb000 });
  assert.equal(after.length, before.length);
  const ports = (bytes: Uint8Array): number[] => {
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const at = Buffer.from(bytes).indexOf('FACP');
    return [56, 64, 76, 152, 176, 212].map((offset) => view.getUint32(at + offset, true));
  };
  assert.deepEqual(ports(before), [0x600, 0x604, 0x608, 0x600, 0x604, 0x608]);
  assert.deepEqual(ports(after), [0xb000, 0xb004, 0xb008, 0xb000, 0xb004, 0xb008]);
});
