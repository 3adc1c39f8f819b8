import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as ata from './ata-registers.ts';
import { CONTROL, PRIMARY, SECONDARY, TestIde } from './test-ide.ts';

const SIGNATURE = [ata.SECTOR_COUNT, ata.LBA_LOW, ata.LBA_MID, ata.LBA_HIGH];

test('disks and CD-ROM drives are told apart by their signatures, at power-on and after a reset', () => {
  const rig = new TestIde();
  const signature = (base: number): number[] => SIGNATURE.map((register) => rig.in(base + register));
  for (let round = 0; round < 2; round++) {
    assert.deepEqual(signature(PRIMARY), [1, 1, 0, 0]);
    assert.deepEqual(signature(SECONDARY), [1, 1, 0x14, 0xeb]);
    assert.deepEqual([rig.status(PRIMARY), rig.status(SECONDARY)], [ata.DRDY | ata.DSC, 0]);
    for (const base of [PRIMARY, SECONDARY]) {
      rig.out(base + ata.LBA_MID, 0x55);
      rig.out(base + CONTROL, ata.SRST);
      rig.out(base + CONTROL, 0);
    }
  }
});

test('a device that is not there has a status of zero, and takes no commands', () => {
  const rig = new TestIde();
  rig.out(PRIMARY + ata.DEVICE, ata.DEVICE_1);
  assert.equal(rig.in(PRIMARY + ata.STATUS), 0);
  rig.out(PRIMARY + ata.COMMAND, ata.IDENTIFY_DEVICE);
  assert.equal(rig.in(PRIMARY + ata.STATUS), 0);
  assert.equal(rig.irqs[0].edges, 0);
  rig.out(PRIMARY + ata.DEVICE, 0);
  assert.equal(rig.in(PRIMARY + ata.STATUS), ata.DRDY | ata.DSC);
});

test('the interrupt line is that of the selected device, unless nIEN holds it back', () => {
  const rig = new TestIde();
  const [irq] = rig.irqs;
  rig.out(PRIMARY + CONTROL, ata.NIEN);
  rig.command(ata.IDENTIFY_DEVICE);
  assert.equal(irq.level, false);
  rig.out(PRIMARY + CONTROL, 0);
  assert.equal(irq.level, true);
  rig.out(PRIMARY + ata.DEVICE, ata.DEVICE_1);
  assert.equal(irq.level, false);
  rig.out(PRIMARY + ata.DEVICE, 0);
  assert.equal(irq.level, true);
  rig.in(PRIMARY + CONTROL);
  assert.equal(irq.level, true, 'the alternate status changes nothing');
  rig.in(PRIMARY + ata.STATUS);
  assert.equal(irq.level, false);
});

test('EXECUTE DEVICE DIAGNOSTIC answers whichever device is selected', () => {
  const rig = new TestIde();
  rig.out(PRIMARY + ata.DEVICE, ata.DEVICE_1);
  rig.out(PRIMARY + ata.COMMAND, ata.EXECUTE_DEVICE_DIAGNOSTIC);
  assert.equal(rig.in(PRIMARY + ata.ERROR), 1);
  assert.equal(rig.in(PRIMARY + ata.DEVICE) & ata.DEVICE_1, 0x10);
  assert.equal(rig.irqs[0].edges, 1);
});

test('ports are there after a reset, but not while the function does not decode them', () => {
  const rig = new TestIde();
  rig.ide.config.reset();
  rig.ide.config.write(4, 1, 2);
  assert.equal(rig.in(SECONDARY + CONTROL), 0);
  rig.ide.config.write(0x40, 0, 2);
  assert.deepEqual(
    [rig.in(PRIMARY + ata.STATUS), rig.in(PRIMARY + CONTROL), rig.in(PRIMARY, 4)],
    [0xff, 0xff, 0xffff_ffff],
  );
  assert.equal(rig.in(SECONDARY + CONTROL), 0);
  rig.ide.config.write(4, 0, 2);
  assert.equal(rig.in(SECONDARY + CONTROL), 0xff);
});

test('wide accesses to byte registers reach each of them', () => {
  const rig = new TestIde();
  rig.out(PRIMARY + ata.SECTOR_COUNT, 0x4433_2211, 4);
  assert.deepEqual(
    SIGNATURE.map((register) => rig.in(PRIMARY + register)),
    [0x11, 0x22, 0x33, 0x44],
  );
  assert.equal(rig.in(PRIMARY + ata.SECTOR_COUNT, 4), 0x4433_2211);
});
