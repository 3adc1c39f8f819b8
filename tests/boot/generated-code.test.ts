/** The engine's generated code, made beforehand: a guest with it runs as one that generates its own. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Engine } from '../../src/cpu/interpreter/engine.ts';
import { factsOf } from '../../src/cpu/interpreter/generated-code.ts';
import { MachineMemory } from '../../src/cpu/machine-memory.ts';
import { nodePlatform } from '../../src/host/node/platform.ts';
import { builtIn, runScript } from './booted.ts';

const SCRIPT = 'seq 1 2000 | sort | md5sum; awk "BEGIN{print 2.5*3}"; poweroff';

function makeCode(): WebAssembly.Module {
  let made: Uint8Array<ArrayBuffer> | undefined;
  new Engine(new MachineMemory(1 << 20), {
    codeMade: (code) => {
      made = code;
    },
  });
  assert.ok(made !== undefined);
  return new WebAssembly.Module(made);
}

test('a guest ends the same with code that was made beforehand, and generates less', async () => {
  const code = makeCode();
  let wasAsked = false;
  const generatedCode = (): WebAssembly.Module => {
    wasAsked = true;
    return code;
  };
  const own = await runScript(builtIn(), SCRIPT, { time: 'deterministic' });
  const given = await runScript(builtIn(), SCRIPT, { time: 'deterministic', host: { ...nodePlatform, generatedCode } });
  assert.deepEqual(given.end, own.end);
  assert.equal(given.console, own.console);
  assert.equal(given.guest.stateHash(), own.guest.stateHash());
  assert.ok(wasAsked);
  const bytes = ({ guest }: typeof own): number => guest.debug.engine.space.moduleBytes;
  assert.ok(bytes(given) < bytes(own), `${bytes(given)} ${bytes(own)}`);
});

test('code for an engine of another kind is not used', () => {
  const code = makeCode();
  const taken = (options: object, memory = new MachineMemory(1 << 20)): boolean =>
    new Engine(memory, { code, ...options }).handlerCount > 0;
  assert.ok(taken({}));
  assert.ok(!taken({ countHits: true }));
  assert.ok(!taken({ traceEvents: true }));
  assert.ok(!taken({ names: true }));
  const used = new MachineMemory(1 << 20);
  used.region(4096);
  assert.ok(!taken({}, used));
  assert.equal(factsOf(new WebAssembly.Module(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0))), undefined);
});
