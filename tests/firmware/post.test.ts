/** SeaBIOS starts on the board, finds what is there, and says so on its debug port and on the screen. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryDisk } from '../../src/block/memory-disk.ts';
import type { GuestDrive } from '../../src/vmm/guest-options.ts';
import { startPc } from './pc.ts';

const MIB = 2 ** 20;
const GIB = 2 ** 30;
const ALONE = { time: 'deterministic', optionalDevices: ['isa-debugcon'] } as const;

/** Runs until the firmware has nothing left to try; gives what it said. */
async function post(memoryBytes: number, drives: readonly GuestDrive[] = []): Promise<string> {
  const pc = await startPc(drives, { ...ALONE, memoryBytes });
  await pc.until(() => pc.console().includes('No bootable device'));
  pc.guest.stop();
  await pc.end;
  return pc.console();
}

test('a PC without drives comes through POST and shows that it has nothing to boot', async () => {
  const pc = await startPc([], { ...ALONE });
  await pc.until(() => pc.screen().some((row) => row.startsWith('No bootable device')));
  pc.guest.stop();
  assert.deepEqual(await pc.end, { kind: 'stopped' });
  assert.match(pc.screen()[0] ?? '', /^SeaBIOS \(version /);
  for (const said of [
    'PCI: init bdf=00:00.0 id=8086:1237',
    'PCI: init bdf=00:01.0 id=8086:7000',
    'PCI: init bdf=00:01.1 id=8086:7010',
    'PCI: init bdf=00:01.3 id=8086:7113',
    'PCI: Using 00:02.0 for primary VGA',
    'Found 1 cpu(s) max supported 1 cpu(s)',
    'ACPI: parse DSDT',
    'Copying SMBIOS',
    'PS2 keyboard initialized',
    'Found 2 serial ports',
  ]) {
    assert.ok(pc.console().includes(said), `${said}:\n${pc.console()}`);
  }
});

test('firmware knows of all memory, below and above 4 GiB', async () => {
  const small = await post(16 * MIB);
  assert.match(small, /: 0000000000100000 - 0000000000ffe000 = 1 RAM/);
  const large = await post(3 * GIB + 256 * MIB);
  assert.match(large, /: 0000000000100000 - 00000000bfffe000 = 1 RAM/);
  assert.match(large, /: 0000000100000000 - 0000000110000000 = 1 RAM/);
});

test('drives on all buses are found', async () => {
  const drive = (bus: GuestDrive['bus'], unit: number, kind: GuestDrive['kind'], bytes = MIB): GuestDrive => ({
    bus,
    unit,
    kind,
    backend: new MemoryDisk(new Uint8Array(bytes)),
  });
  const said = await post(64 * MIB, [
    drive('ide', 0, 'disk'),
    drive('ide', 3, 'cdrom'),
    drive('ahci', 1, 'disk'),
    drive('floppy', 0, 'floppy', 1440 * 1024),
  ]);
  for (const found of [
    /ata0-0: .* Hard-Disk \(1 MiBytes\)/,
    /DVD\/CD \[ata1-1: /,
    /AHCI controller at 00:04\.0/,
    /AHCI\/1: registering: .* Hard-Disk \(1 MiBytes\)/,
    /Booting from Floppy\.\.\.\nBoot failed: not a bootable disk/,
  ]) {
    assert.match(said, found);
  }
});

test('a reset starts the firmware again', async () => {
  const pc = await startPc([], { ...ALONE }, { resetEnds: false });
  const starts = (): number => pc.console().split('SeaBIOS (version').length - 1;
  // With nothing to boot it resets the machine after a minute, which passes at once where time is virtual.
  await pc.until(() => starts() >= 3);
  pc.guest.stop();
  await pc.end;
});

test('two deterministic guests are equal to the bit', async () => {
  const runs = await Promise.all(
    ['interpreter', 'auto'].map(async (engine) => {
      const pc = await startPc([], { ...ALONE, engine: engine as 'interpreter' | 'auto' });
      const end = await pc.end;
      return [end, pc.console(), pc.guest.stateHash()];
    }),
  );
  assert.deepEqual(runs[0], runs[1]);
  assert.deepEqual(runs[0]?.[0], { kind: 'reset' });
});
