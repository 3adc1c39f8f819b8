import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodePacking, nodePlatform } from '../../src/host/node/platform.ts';
import { StructWriter } from '../../src/machine/struct-writer.ts';
import { Guest } from '../../src/vmm/guest.ts';
import type { RestoreOptions } from '../../src/vmm/guest-options.ts';
import { packSnapshot, type Section, SnapshotFile } from '../../src/vmm/snapshot/format.ts';

const MIB = 2 ** 20;
const LOAD_ADDRESS = 0x10_0000;
const HEADER_BYTES = 32;
const MULTIBOOT_MAGIC = 0x1bad_b002;
const HAS_ADDRESSES = 1 << 16;

/**
 * mov edi, 0x200000; again: add eax, 0x1234567; mov [edi], eax; add edi, 0x1000; and edi, 0x27ffff; or edi, 0x200000;
 * inc ebx; test ebx, 0x3ffff; jnz again; mov al, 9; out 0xf4, al
 */
const CODE = 'bf00002000 0567452301 8907 81c700100000 81e7ffff2700 81cf00002000 43 f7c3ffff0300 75e0 b009 e6f4';

const COMMON = { onConsole() {}, host: nodePlatform, packing: nodePacking };

function create(): Promise<Guest> {
  const checksum = -(MULTIBOOT_MAGIC + HAS_ADDRESSES) >>> 0;
  const image = new StructWriter()
    .u32(MULTIBOOT_MAGIC, HAS_ADDRESSES, checksum, LOAD_ADDRESS, LOAD_ADDRESS, 0, 0, LOAD_ADDRESS + HEADER_BYTES)
    .bytes(Uint8Array.from(CODE.replaceAll(' ', '').match(/../g) ?? [], (byte) => Number.parseInt(byte, 16)))
    .finish();
  const kernel = { image, commandLine: '' };
  const time = 'deterministic';
  return Guest.create({ ...COMMON, memoryBytes: 4 * MIB, kernel, time, seed: 1, optionalDevices: ['isa-debug-exit'] });
}

const restore = (snapshot: Uint8Array, options: Partial<RestoreOptions> = {}): Promise<Guest> =>
  Guest.restore(snapshot, { ...COMMON, ...options });

/** A snapshot that is asked for when the guest has run so many instructions. */
function snapshotAt(guest: Guest, instructions: number, base?: Uint8Array): Promise<Uint8Array> {
  const { cpu } = guest.debug;
  const run = cpu.run.bind(cpu);
  return new Promise((taken, failed) => {
    cpu.run = (budget) => {
      const left = instructions - cpu.instructions;
      const reason = run(left > 0 ? Math.min(budget, left) : budget);
      if (left > 0 && cpu.instructions >= instructions) guest.snapshot({ ...(base && { base }) }).then(taken, failed);
      return reason;
    };
  });
}

test('against a base it is smaller, and with it the same guest', async () => {
  const guest = await create();
  const base = await guest.snapshot();
  const asked = snapshotAt(guest, 100_000, base);
  assert.deepEqual(await guest.run(), { kind: 'exit-code', value: 9 });
  const snapshot = await asked;
  await assert.rejects(restore(snapshot), {
    message: 'The snapshot cannot be restored: it needs the snapshot that it is against.',
  });
  await assert.rejects(restore(snapshot, { base: await (await create()).snapshot({ notes: { another: 'one' } }) }), {
    message: 'The snapshot cannot be restored: it is against another snapshot than the one given.',
  });
  await assert.rejects(guest.snapshot({ base: snapshot }), /The guest has ended: there is nothing to be saved\.$/);
  const other = await restore(snapshot, { base });
  assert.deepEqual(await other.run(), { kind: 'exit-code', value: 9 });
  assert.equal(other.stateHash(), guest.stateHash());
});

test('a snapshot is the same whether its guest was ever restored', async () => {
  const snapshot = await (await create()).snapshot();
  const again = await (await restore(snapshot)).snapshot();
  const { kernel, ...manifest } = new SnapshotFile(snapshot).manifest as { kernel: object };
  assert.deepEqual(new SnapshotFile(again).manifest, manifest);
});

/** With other contents in one section, and its checks made good. */
async function forged(name: string, change: (bytes: Uint8Array) => Uint8Array): Promise<Uint8Array> {
  const file = new SnapshotFile(await (await create()).snapshot(), nodePacking);
  const sections: Section[] = [];
  for (const section of file.names) {
    const bytes = new Uint8Array(await file.read(section));
    const first = file.firstPageOf(section);
    const pages = first === undefined ? {} : { first };
    sections.push({ name: section, bytes: section === name ? change(bytes) : bytes, ...pages });
  }
  return packSnapshot(file.manifest as object, sections, nodePacking);
}

test('whatever one of its bytes says, a guest is refused or runs, and nothing else happens', async () => {
  const { names } = new SnapshotFile(await (await create()).snapshot(), nodePacking);
  for (const [i, name] of [...names].entries()) {
    const snapshot = await forged(name, (bytes) => {
      const at = (i * 7919 + 13) % Math.max(1, bytes.length);
      if (bytes.length > 0) bytes[at] = (bytes[at] as number) ^ (1 << (i % 8));
      return bytes;
    });
    const guest = await restore(snapshot).catch((error: unknown) => {
      assert.match(String(error), /^SnapshotError: The snapshot cannot be restored: its section "[^\n]*\.$/, name);
    });
    if (guest === undefined) continue;
    void snapshotAt(guest, 50_000).then(() => guest.stop());
    setTimeout(() => guest.stop(), 1000).unref();
    await guest.run();
  }
});

test('memory that makes no sense ends the guest that reaches for it', async () => {
  const file = new SnapshotFile(await (await create()).snapshot(), nodePacking);
  const senseless: readonly Section[] = [
    { name: 'memory/1', bytes: new Uint8Array(4000).fill(9), first: 0x200 },
    // A run of two pages, where the machine has one.
    { name: 'memory/1', bytes: new StructWriter().u32(1, 0x3ff, 2).zeros(8192).finish(), first: 0x200 },
  ];
  for (const [i, section] of senseless.entries()) {
    const sections: Section[] = [];
    for (const name of file.names) {
      sections.push({
        name,
        bytes: await file.read(name),
        ...(name === 'memory/0' && { first: file.firstPageOf(name) ?? 0 }),
      });
      if (name === 'memory/0') sections.push(section);
    }
    const guest = await restore(await packSnapshot(file.manifest as object, sections, nodePacking));
    const message =
      i === 0 ? /"memory\/1" makes no sense\.$/ : /"memory\/1" has pages from 1023 on, which are not its own\.$/;
    await assert.rejects(guest.run(), { name: 'SnapshotError', message });
    await assert.rejects(guest.snapshot(), { name: 'SnapshotError', message });
  }
});

/** Version in the head of saved state: behind its name. */
const versionAt = (bytes: Uint8Array): number => 1 + (bytes[0] as number);

test('a section of a newer version is named, with what this program knows', async () => {
  const { names } = new SnapshotFile(await (await create()).snapshot(), nodePacking);
  for (const name of [...names].filter((one) => one.startsWith('part/'))) {
    const newer = await forged(name, (bytes) => {
      bytes[versionAt(bytes)] = 99;
      return bytes;
    });
    const says = new RegExp(
      `^The snapshot cannot be restored: its section "${name}" [^\n]*of version 99, and this program`,
    );
    await assert.rejects(restore(newer), { message: says }, name);
  }
});

test('a section of a version before the first is refused', async () => {
  const older = await forged('kvm-clock', (bytes) => {
    bytes[versionAt(bytes)] = 0;
    return bytes;
  });
  await assert.rejects(restore(older), /its section "kvm-clock" [^\n]*of version 0, and this program knows 1 to 1\.$/);
});

test('a section of an older version is brought up to date', async () => {
  // Version 2 of serial ports added the field at the end, a number of eight bytes.
  const older = await forged('part/com1', (bytes) => {
    bytes[versionAt(bytes)] = 1;
    return bytes.slice(0, -8);
  });
  const guest = await restore(older);
  assert.deepEqual(await guest.run(), { kind: 'exit-code', value: 9 });
});

test('bases that need each other, and too many of them, are refused', async () => {
  const base = await (await create()).snapshot();
  const second = await (await restore(base)).snapshot({ base });
  const third = await (await restore(second, { base })).snapshot({ base: [second, base] });
  const whole = await restore(third, { base: [base, second] });
  assert.equal(whole.stateHash(), (await restore(base)).stateHash());
  await assert.rejects(restore(third), /it needs the snapshot that it is against\.$/);
  await assert.rejects(
    restore(third, { base: second }),
    /it has a base that is against another snapshot, which is not given\.$/,
  );
  await assert.rejects(
    restore(third, { base: Array.from({ length: 65 }, () => base) }),
    /it has more than 64 bases\.$/,
  );
});

test('a section of an unknown part is refused', async () => {
  const file = new SnapshotFile(await (await create()).snapshot(), nodePacking);
  const sections: Section[] = [{ name: 'part/teapot', bytes: new Uint8Array(3) }];
  for (const name of file.names) sections.push({ name, bytes: new Uint8Array(await file.read(name)) });
  const message =
    'The snapshot cannot be restored: its section "part/teapot" is of a part that this program does not know.';
  await assert.rejects(restore(await packSnapshot(file.manifest as object, sections)), { message });
});
