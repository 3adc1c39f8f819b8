/** What the IDE function must stand, whatever a guest or saved state does. `TestDisk` and `TestMemory` throw on misuse. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AccessSize } from '../../base/bus.ts';
import { StateError } from '../../base/state.ts';
import { generator, type Random } from '../../base/test-random.ts';
import { TestClock } from '../test-clock.ts';
import * as ata from './ata-registers.ts';
import { BUS_MASTER, CONTROL, PRIMARY, SECONDARY, TestIde } from './test-ide.ts';

const SIZES: readonly AccessSize[] = [1, 2, 4];
const COMMANDS = [
  ...[ata.READ_SECTORS, ata.READ_SECTORS_EXT, ata.READ_MULTIPLE, ata.READ_DMA, ata.READ_DMA_EXT, ata.READ_VERIFY],
  ...[ata.WRITE_SECTORS, ata.WRITE_SECTORS_EXT, ata.WRITE_MULTIPLE, ata.WRITE_DMA, ata.WRITE_DMA_EXT, ata.SEEK],
  ...[ata.IDENTIFY_DEVICE, ata.IDENTIFY_PACKET_DEVICE, ata.PACKET, ata.PACKET, ata.PACKET, ata.SET_FEATURES],
  ...[ata.FLUSH_CACHE, ata.SET_MULTIPLE_MODE, ata.INITIALIZE_DEVICE_PARAMETERS, ata.EXECUTE_DEVICE_DIAGNOSTIC],
];
const PACKETS = [0x00, 0x03, 0x12, 0x1b, 0x1e, 0x25, 0x28, 0x28, 0x2b, 0x43, 0x46, 0x4a, 0x51, 0x5a, 0xa8, 0xbd, 0xbe];
const PORTS = [PRIMARY, SECONDARY].flatMap((base) => [
  ...Array.from({ length: 16 }, () => base),
  ...Array.from({ length: 8 }, (_, register) => base + register),
  base + CONTROL,
]);

/** One access, random but often enough one that starts something. */
function access(rig: TestIde, random: Random): void {
  const size = SIZES[random(3)];
  const base = random(2) ? PRIMARY : SECONDARY;
  const port = random(6) ? PORTS[random(PORTS.length)] : BUS_MASTER - 2 + random(20);
  switch (random(12)) {
    case 0:
      return rig.out(base + ata.COMMAND, COMMANDS[random(COMMANDS.length)]);
    case 1:
      // Small numbers are sectors that are there.
      return rig.out(base + 1 + random(5), random(3) ? random(4) : random(256));
    case 2:
      return rig.out(BUS_MASTER + 8 * random(2), random(2) ? 1 : random(16));
    case 3:
      return rig.out(BUS_MASTER + 8 * random(2) + 4, random(3) ? random(1 << 20) : random(2 ** 32), 4);
    case 4:
      return rig.giveData(
        Uint8Array.of(
          PACKETS[random(PACKETS.length)],
          random(4),
          0,
          0,
          0,
          random(8),
          0,
          0,
          random(4),
          random(256),
          0,
          0,
        ),
        base,
      );
    case 5:
      if (random(2)) return rig.giveData(new Uint8Array(600), base);
      for (let i = random(300); i > 0; i--) rig.in(base, 2);
      return;
    default: {
      if (random(2)) return rig.out(port, random(2 ** 32), size);
      const value = rig.in(port, size);
      assert.ok(Number.isInteger(value) && value >= 0 && value < 2 ** (8 * size), `read ${value}`);
    }
  }
}

function scribble(rig: TestIde, random: Random, accesses: number): void {
  for (let i = 0; i < accesses; i++) {
    access(rig, random);
    if (random(8) === 0) rig.clock.advance(random(20_000));
    if (random(2000) === 0) rig.drive.change(random(3) ? rig.disc : undefined);
    if (random(2000) === 0) rig.disk.problem = random(2) ? undefined : 'full';
    if (random(2000) === 0) rig.disk.requests.length = rig.disc.requests.length = 0;
    if (random(5000) === 0) rig.ide.config.write(random(256), random(2 ** 32), 4);
    if (random(5000) === 0) rig.enable();
    if (random(20_000) === 0) rig.ide.reset();
    // Tables of regions of all kinds.
    if (random(500) === 0)
      for (let at = 0; at < 4096; at += 4) rig.memory.view.setUint32(random(1 << 18) * 4, random(2 ** 32));
    if (random(500) === 0) rig.memory.bytes.fill(0, 0, random(1 << 20));
  }
}

test('a million random accesses: nothing is thrown, and the function works afterwards', () => {
  const rig = new TestIde();
  scribble(rig, generator(0x1de_5eed), 1_000_000);
  rig.disk.problem = undefined;
  rig.disk.bytes.fill(0x77, 512, 1024);
  rig.wait();
  rig.ide.config.reset();
  rig.ide.reset();
  rig.enable();
  rig.command(ata.READ_SECTORS, 1);
  rig.wait();
  assert.ok(rig.takeData(512).every((byte) => byte === 0x77));
});

test('a reset brings back the state of power-on', () => {
  const rig = new TestIde();
  const random = generator(7);
  rig.ide.reset();
  const fresh = rig.ide.save();
  for (let round = 0; round < 20; round++) {
    scribble(rig, random, 500);
    rig.drive.change(rig.disc);
    rig.ide.reset();
    for (const unit of rig.ide.state.units) Object.assign(unit, { attention: false, event: 0, isTrayOpen: false });
    assert.deepEqual(rig.ide.save(), fresh);
  }
});

test('saving, restoring and saving gives the same bytes, here and in another machine', () => {
  const clock = new TestClock();
  const rig = new TestIde(clock);
  const random = generator(99);
  for (let round = 0; round < 60; round++) {
    scribble(rig, random, 300);
    const [config, saved] = [rig.ide.config.save(), rig.ide.save()];
    rig.ide.restore(saved);
    assert.deepEqual(rig.ide.save(), saved);
    const other = new TestIde(clock);
    other.memory.bytes.set(rig.memory.bytes);
    other.drive.change(rig.drive.medium && other.disc);
    other.ide.config.restore(config);
    other.ide.restore(saved);
    assert.deepEqual(other.ide.save(), saved);
  }
});

test('hostile saved state is refused without a trace, or borne', () => {
  const rig = new TestIde();
  const random = generator(4242);
  scribble(rig, random, 500);
  const saved = rig.ide.save();
  for (let i = 0; i < 50; i++) {
    assert.throws(() => rig.ide.restore(saved.subarray(0, random(saved.length))), StateError);
  }
  assert.deepEqual(rig.ide.save(), saved);
  let borne = 0;
  for (let i = 0; i < 300; i++) {
    const damaged = saved.slice();
    // Buffers are most of it, and hold anything: the bytes that matter are those before and behind them.
    for (let flips = random(12); flips >= 0; flips--) {
      const at = 20 + random(saved.length - 20);
      damaged[at] = random(3) ? random(256) : 0xff;
      damaged[20 + random(120)] = random(256);
    }
    try {
      rig.ide.restore(damaged);
    } catch (error) {
      assert.ok(error instanceof StateError, String(error));
      continue;
    }
    borne++;
    scribble(rig, random, 300);
    rig.ide.restore(rig.ide.save());
  }
  assert.ok(borne > 10, `${borne}`);
});
