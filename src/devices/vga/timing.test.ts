import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { ScreenRecord } from './test-screens.ts';
import { TestVga } from './test-vga.ts';
import { STATUS_NOT_DISPLAYING, STATUS_RETRACE, statusAt, type Timing, timing } from './timing.ts';

const { modes, palettes }: ScreenRecord = JSON.parse(
  readFileSync(new URL('qemu-screens.json', import.meta.url), 'utf8'),
);

function beamOf(mode: number): Timing {
  const rig = new TestVga();
  const recorded = modes.find((one) => one.mode === mode);
  assert.ok(recorded);
  rig.setMode(recorded, palettes[recorded.palette] as string);
  return timing(rig.vga.state, undefined);
}

/** Frames a second and lines a second. */
function frequencies({ lineNs, lines }: Timing): [number, number] {
  return [Math.round(1e10 / (lineNs * lines)) / 10, Math.round(1e9 / lineNs)];
}

test('frequencies are those of the standard modes', () => {
  assert.deepEqual(frequencies(beamOf(0x12)), [59.9, 31469]);
  assert.deepEqual(frequencies(beamOf(0x13)), [70.1, 31469]);
  assert.deepEqual(frequencies(beamOf(0x03)), [70.1, 31469]);
});

test('a frame shows its lines, then retraces', () => {
  const beam = beamOf(0x12);
  const at = (line: number, part: number): number => statusAt(beam, (1000 * beam.lines + line + part) * beam.lineNs);
  assert.equal(at(0, 0.1), 0);
  assert.equal(at(479, 0.1), 0);
  assert.equal(at(479, 0.95), STATUS_NOT_DISPLAYING);
  assert.equal(at(480, 0.1), STATUS_NOT_DISPLAYING);
  assert.equal(at(490, 0.1), STATUS_NOT_DISPLAYING | STATUS_RETRACE);
  assert.equal(at(492, 0.1), STATUS_NOT_DISPLAYING);
});

test('whatever the registers say, there are times of both states of both bits', () => {
  const rig = new TestVga();
  let x = 1;
  const random = (): number => {
    x = (x * 1103515245 + 12345) % 2 ** 31;
    return x >> 16;
  };
  for (let i = 0; i < 3000; i++) {
    const { crtc, sequencer } = rig.vga.state;
    for (let index = 0; index < 0x19; index++) crtc[index] = random() % 3 === 0 ? random() % 4 : random();
    sequencer[1] = random();
    rig.vga.state.miscOutput = random() & 0xff;
    const beam = timing(rig.vga.state, i % 5 === 0 ? (random() % 1600) + 1 : undefined);
    assert.ok(beam.lineNs > 0 && beam.shownNs > 0 && beam.shownNs < beam.lineNs);
    assert.ok(beam.shownLines >= 1 && beam.shownLines < beam.lines);
    assert.ok(beam.retraceStart >= 1 && beam.retraceStart < beam.retraceEnd && beam.retraceEnd <= beam.lines);
  }
});

test('Status 1 follows the clock', () => {
  const rig = new TestVga();
  const recorded = modes.find((one) => one.mode === 0x13);
  assert.ok(recorded);
  rig.setMode(recorded, palettes[recorded.palette] as string);
  let retraces = 0;
  let before = 0;
  for (let i = 0; i < 10_000; i++) {
    rig.clock.advance(10_000);
    const retrace = rig.in(0x3da) & STATUS_RETRACE;
    if (retrace > before) retraces++;
    before = retrace;
  }
  assert.equal(retraces, 7); // in a tenth of a second
});
