import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bootOrderFile } from './boot-order.ts';
import type { BoardDrive } from './pc-firmware.ts';

const drive = (bus: BoardDrive['bus'], unit: number, kind: BoardDrive['kind']): BoardDrive => ({
  ...{ bus, unit, kind },
  medium: undefined,
});
const bootable = {
  drives: [
    drive('ahci', 1, 'disk'),
    drive('ide', 3, 'disk'),
    drive('ide', 2, 'cdrom'),
    drive('ide', 0, 'disk'),
    drive('floppy', 1, 'floppy'),
  ],
  ahciSlot: 4,
  nicSlots: [3, 5],
  virtioSlots: [8, 10],
};
const paths = (order: string): string[] => {
  const text = new TextDecoder().decode(bootOrderFile(order, bootable));
  assert.ok(text.endsWith('\0'));
  return text.slice(0, -1).split('\n');
};

test('kinds of devices come in the order of the letters, those of a kind in theirs', () => {
  assert.deepEqual(paths('dcan'), [
    '/pci@i0cf8/ide@1,1/drive@1/disk@0',
    '/pci@i0cf8/ide@4/drive@1/disk@0',
    '/pci@i0cf8/ide@1,1/drive@1/disk@1',
    '/pci@i0cf8/ide@1,1/drive@0/disk@0',
    '/pci@i0cf8/scsi@8/disk@0,0',
    '/pci@i0cf8/scsi@a/disk@0,0',
    '/pci@i0cf8/isa@1/fdc@03f0/floppy@1',
    '/pci@i0cf8/ethernet@3/ethernet-phy@0',
    '/pci@i0cf8/ethernet@5/ethernet-phy@0',
  ]);
});

test('kinds without a letter are left out, letters said twice and unknown ones count once or not', () => {
  assert.deepEqual(paths('axa'), ['/pci@i0cf8/isa@1/fdc@03f0/floppy@1']);
  assert.deepEqual(paths(''), ['']);
});
