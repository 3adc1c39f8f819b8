/** Blocks that were decoded beforehand: a guest restored with them goes on as one that decodes its own. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deflateSync } from 'node:zlib';
import { withDecoded } from '../../src/cpu/interpreter/decoded-code.ts';
import { Engine } from '../../src/cpu/interpreter/engine.ts';
import { MachineMemory } from '../../src/cpu/machine-memory.ts';
import { nodePacking, nodePlatform } from '../../src/host/node/platform.ts';
import { Guest } from '../../src/vmm/guest.ts';
import { builtIn, runScript } from './booted.ts';

const SCRIPT = 'seq 1 300 | sort | md5sum; eval "f() { echo \\$((6 * 7)); }"; f; poweroff';
/** The script's commands run. */
const SNAPSHOT_AT = 46_000_000;

function makeCode(): Uint8Array<ArrayBuffer> {
  let made: Uint8Array<ArrayBuffer> | undefined;
  new Engine(new MachineMemory(1 << 20), {
    codeMade: (code) => {
      made = code;
    },
  });
  return made ?? assert.fail('no code was made');
}

const hostWith = (bytes: Uint8Array) => {
  const code = new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>);
  return { ...nodePlatform, generatedCode: () => code };
};

test('a guest restored with what was decoded before ends the same, and decodes little', async () => {
  const bytes = makeCode();
  let snapshot: Promise<Uint8Array> | undefined;
  const options = { time: 'deterministic', packing: nodePacking, host: hostWith(bytes) } as const;
  const whole = await runScript(builtIn(), SCRIPT, options, (guest) => {
    const { cpu } = guest.debug;
    const run = cpu.run.bind(cpu);
    cpu.run = (budget) => {
      const reason = run(budget);
      if (cpu.instructions >= SNAPSHOT_AT) snapshot ??= guest.snapshot();
      return reason;
    };
  });
  const { engine, frames } = whole.guest.debug;
  const decoded = engine.packDecoded((frame) => frames.pageOf(frame));
  assert.ok(decoded !== undefined && snapshot !== undefined);
  const saved = await snapshot;

  const goOn = async (code: Uint8Array) => {
    const guest = await Guest.restore(saved, { packing: nodePacking, host: hostWith(code), onConsole() {} });
    assert.deepEqual(await guest.run(), { kind: 'powered-off' });
    return { hash: guest.stateHash(), count: guest.debug.engine.blocks.decodedInstructions };
  };
  const own = await goOn(bytes);
  const given = await goOn(withDecoded(bytes, decoded, deflateSync(decoded)));
  assert.equal(own.hash, whole.guest.stateHash());
  assert.equal(given.hash, own.hash);
  assert.ok(own.count > 10_000 && given.count < own.count / 5, `${given.count} ${own.count}`);

  const ofAnother = decoded.slice();
  ofAnother[0] = (ofAnother[0] as number) ^ 1;
  for (const packed of [deflateSync(ofAnother), deflateSync(decoded).subarray(0, 1000)]) {
    const { hash, count } = await goOn(withDecoded(bytes, decoded, packed));
    assert.equal(hash, own.hash);
    assert.ok(count > own.count / 2, `${count} ${own.count}`);
  }
});
