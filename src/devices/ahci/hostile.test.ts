/** What the adapter must stand, whatever a guest or saved state does. `TestDisk` and `TestMemory` throw on misuse. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AccessSize } from '../../base/bus.ts';
import { StateError } from '../../base/state.ts';
import { generator, type Random } from '../../base/test-random.ts';
import { TestClock } from '../test-clock.ts';
import * as at from './registers.ts';
import { DATA, TestAhci } from './test-ahci.ts';

const SIZES: readonly AccessSize[] = [1, 2, 4];
const DISK_COMMANDS = [0x20, 0x24, 0x25, 0x29, 0x2f, 0x30, 0x34, 0x35, 0x39, 0x42, 0x60, 0x60, 0x61, 0x61, 0x90, 0xa0];
const OTHER_COMMANDS = [0xa0, 0xa0, 0xa0, 0xa1, 0x08, 0xc6, 0xc8, 0xca, 0xe7, 0xec, 0xef, 0xef, 0x91, 0xe5, 0x00, 0xff];
const COMMANDS = [...DISK_COMMANDS, ...OTHER_COMMANDS];
const PACKETS = [0x00, 0x03, 0x12, 0x1b, 0x1e, 0x25, 0x28, 0x28, 0x2b, 0x43, 0x46, 0x4a, 0x51, 0x5a, 0xa8, 0xbd, 0xbe];
/** Those with which a driver works, and those with which it would take the port out of work. */
const BUSY_REGISTERS = [at.PXIS, at.PXIE, at.TFD, at.SIG, at.SSTS, at.SERR, at.SACT];
const SETTING_REGISTERS = [at.CLB, at.CLBU, at.FB, at.FBU, at.CMD, at.SCTL];

/** Issues a command that may be sensible, in any slot. */
function command(rig: TestAhci, random: Random): void {
  const [port, slot] = [random(2), random(32)];
  const address = (): number => (random(8) ? DATA + random(1 << 18) : random(2) ? random(2 ** 32) : 2 ** random(63));
  rig.place(COMMANDS[random(COMMANDS.length)], {
    port,
    slot,
    lba: random(3) ? random(64) : random(4100),
    count: random(3) ? random(20) : random(0x1_0000),
    features: random(3) ? random(16) : random(0x1_0000),
    device: random(2) ? 0x40 : random(256),
    control: random(8) ? 0 : 4,
    isControl: random(12) === 0,
    isWrite: random(2) === 0,
    clearsBusy: random(2) === 0,
    packet: [PACKETS[random(PACKETS.length)], random(4), 0, 0, 0, random(8), 0, 0, random(4), random(256), 0, 0],
    regions: Array.from({ length: 2 * random(12) }, (_, i) => (i & 1 ? 1 + random(2 ** random(23)) : address())),
  });
  rig.setPort(at.SACT, 2 ** slot, port);
  rig.issue(2 ** slot, port);
}

/** One access, random but often enough one that starts something. */
function access(rig: TestAhci, random: Random): void {
  const port = random(8) ? random(2) : random(6);
  const registers = random(40) ? BUSY_REGISTERS : SETTING_REGISTERS;
  const register = at.PORTS + port * at.PORT_BYTES + registers[random(registers.length)];
  switch (random(16)) {
    case 0:
      if (random(4) === 0) rig.issue(random(2 ** 32), port);
      return;
    case 1:
    case 2:
    case 3:
    case 4:
      return command(rig, random);
    case 5:
      rig.setPort(at.SCTL, 0, port);
      rig.start(port);
      return;
    case 6:
      if (random(40) === 0) rig.memory.bytes.fill(random(256), 0x1_0000, 0x1_0000 + random(0x2_0000));
      return;
    case 7:
      if (random(100) === 0) rig.set(at.GHC, random(2 ** 32));
      return;
    default: {
      const size = random(4) ? 4 : SIZES[random(3)];
      const offset = random(16) ? register : random(0x1000);
      if (random(2)) return rig.ahci.registers.write(offset, random(2) ? random(2 ** 32) : 2 ** random(32), size);
      const value = rig.ahci.registers.read(offset, size);
      assert.ok(Number.isInteger(value) && value >= 0, `read ${value}`);
    }
  }
}

/** Gives how many requests reached the storage. */
function scribble(rig: TestAhci, random: Random, accesses: number): number {
  let requests = 0;
  for (let i = 0; i < accesses; i++) {
    access(rig, random);
    if ((i & 15) === 0) rig.clock.advance(random(30_000));
    if ((i & 255) === 0) {
      rig.disk.problem = random(4) ? undefined : 'io';
      rig.disk.readOnly = random(8) === 0;
      requests += rig.disk.requests.splice(0).length + rig.disc.requests.splice(0).length;
      rig.drive.change(random(4) ? rig.disc : undefined);
      rig.ahci.config.write(4, random(8) ? 6 : random(8), 2);
    }
  }
  return requests;
}

test('the adapter stands a million random accesses with random commands in memory', () => {
  const rig = new TestAhci();
  const random = generator(0x1234_5678);
  const requests = scribble(rig, random, 1_000_000);
  assert.ok(requests > 3000, `only ${requests} requests: most commands go nowhere`);
  rig.ahci.restore(rig.ahci.save());
});

test('after whatever has happened, a reset brings back an adapter that works', () => {
  const rig = new TestAhci();
  const random = generator(0x2345_6789);
  rig.ahci.reset();
  const fresh = rig.ahci.save();
  for (let round = 0; round < 20; round++) {
    scribble(rig, random, 500);
    rig.drive.change(rig.disc);
    rig.ahci.reset();
    for (const unit of rig.ahci.state.units) Object.assign(unit, { attention: false, event: 0, isTrayOpen: false });
    assert.deepEqual(rig.ahci.save(), fresh);
    rig.disk.problem = undefined;
    rig.ahci.config.write(4, 6, 2);
    rig.start();
    rig.run(0x25, { lba: 40, count: 1 });
    assert.equal(rig.port(at.CI), 0);
  }
});

test('regions without end cost no more than the longest table', () => {
  const rig = new TestAhci().start();
  rig.place(0x25, { count: 0xffff, regions: [] });
  // All of memory is regions of two bytes, the command's own table among them.
  rig.memory.view.setUint32(0x1_0000, 0xffff_0005, true);
  for (let address = 0x2_0080; address + 16 <= rig.memory.sizeBytes; address += 16) {
    rig.memory.view.setUint32(address, DATA, true);
    rig.memory.view.setUint32(address + 12, 1, true);
  }
  rig.issue(1);
  rig.wait();
  assert.notEqual(rig.port(at.PXIS), 0);
  assert.ok(rig.moved() <= 2 * 0x1_0000);
});

test('saving, restoring and saving gives the same bytes', () => {
  const clock = new TestClock();
  const rig = new TestAhci({ clock });
  const random = generator(0x3456_789a);
  for (let round = 0; round < 30; round++) {
    scribble(rig, random, 300);
    rig.start(); // nothing under way whose command may have been overwritten in memory
    const saved = rig.ahci.save();
    rig.ahci.restore(saved);
    assert.deepEqual(rig.ahci.save(), saved);
  }
});

test('hostile saved state is refused without a trace, or borne', () => {
  const rig = new TestAhci();
  const random = generator(0x4567_89ab);
  scribble(rig, random, 500);
  const saved = rig.ahci.save();
  for (let i = 0; i < 100; i++) {
    assert.throws(() => rig.ahci.restore(saved.subarray(0, random(saved.length))), StateError);
  }
  assert.deepEqual(rig.ahci.save(), saved);
  const portBytes = at.portState.save(at.portState.create()).length;
  let borne = 0;
  for (let i = 0; i < 300; i++) {
    const damaged = saved.slice();
    // In the ports, mostly, which come first; then in the devices.
    const range = random(3) ? 6 * portBytes : saved.length - 20;
    for (let flips = random(6); flips >= 0; flips--) damaged[17 + random(range)] = random(3) ? random(256) : 0xff;
    try {
      rig.ahci.restore(damaged);
    } catch (error) {
      assert.ok(error instanceof StateError, String(error));
      continue;
    }
    borne++;
    scribble(rig, random, 200);
  }
  assert.ok(borne > 0);
});
