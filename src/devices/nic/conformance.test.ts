/** What every network card must stand, whichever it is: saving, restoring, hostile saved state, resets. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { IoHandler } from '../../base/bus.ts';
import type { NetworkDevice } from '../../base/network.ts';
import { StateError } from '../../base/state.ts';
import { generator } from '../../base/test-random.ts';
import type { Stateful } from '../device.ts';
import type { PciConfig } from '../pci/pci-config.ts';
import { E1000 } from './e1000/e1000.ts';
import { Pcnet } from './pcnet.ts';
import { Rtl8139 } from './rtl8139.ts';
import { enable, frameTo, MAC, NicBench, storm } from './test-nic.ts';

interface Card extends NetworkDevice, Stateful, IoHandler {
  readonly config: PciConfig;
}

/** How to make each, and how many bytes of registers it has. */
const CARDS: Record<string, readonly [(bench: NicBench) => Card, number]> = {
  Rtl8139: [({ host }) => new Rtl8139(host), 256],
  Pcnet: [({ host }) => new Pcnet(host), 32],
  E1000: [({ host }) => new E1000(host), 0x6000],
};
const MEMORY_BYTES = 0x1_0000;

/** State without what outlives a reset: what was written to the EEPROM, and since when something is counted. */
function powerOn(card: Card): unknown {
  const { eeprom, timerStartNs, ...rest } = structuredClone(card.state) as Record<string, unknown>;
  return rest;
}

for (const [name, [make, registerBytes]] of Object.entries(CARDS)) {
  const stirred = (accesses: number): { bench: NicBench; card: Card } => {
    const bench = new NicBench(MEMORY_BYTES);
    const card = make(bench);
    enable(card.config);
    storm(bench, card, [[card, registerBytes]], () => {}, accesses);
    return { bench, card };
  };

  test(`${name}: a reset brings back what was there at power-on`, () => {
    const bench = new NicBench(MEMORY_BYTES);
    const card = make(bench);
    card.reset();
    const fresh = powerOn(card);
    for (const accesses of [100, 1000, 10_000]) {
      const { bench: used, card: other } = stirred(accesses);
      other.reset();
      assert.deepEqual(powerOn(other), fresh);
      assert.equal(used.line.level, false);
    }
  });

  test(`${name}: saving, restoring and saving gives the same bytes`, () => {
    for (let accesses = 100; accesses < 5000; accesses += 450) {
      const { bench, card } = stirred(accesses);
      const saved = card.save();
      const other = make(bench);
      enable(other.config);
      other.restore(saved);
      assert.deepEqual(other.save(), saved);
    }
  });

  test(`${name}: hostile saved state is refused without a trace, or borne`, () => {
    const random = generator(0x5eed_1234);
    const { bench, card } = stirred(2000);
    const saved = card.save();
    for (let i = 0; i < 100; i++) {
      assert.throws(() => card.restore(saved.subarray(0, random(saved.length))), StateError);
      assert.throws(() => card.restore(Uint8Array.from({ length: 300 }, () => random(256))), StateError);
    }
    assert.deepEqual(card.save(), saved);
    const header = 1 + saved[0] + 2;
    let borne = 0;
    for (let i = 0; i < 500; i++) {
      const damaged = saved.slice();
      for (let flips = 1 + random(8); flips > 0; flips--) {
        damaged[header + random(saved.length - header)] = random(3) ? random(256) : 0xff;
      }
      try {
        card.restore(damaged);
      } catch (error) {
        assert.ok(error instanceof StateError, String(error));
        continue;
      }
      borne++;
      storm(bench, card, [[card, registerBytes]], () => {}, 100);
      bench.clock.advance(10_000_000);
      card.receive(frameTo(MAC));
      card.restore(card.save());
    }
    assert.ok(borne > 50, String(borne));
  });
}
