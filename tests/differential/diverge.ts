/**
 * `npm run diverge`: boots a guest twice, each time on another engine, and says after which instruction the two part.
 *
 *     npm run diverge -- --engines interpreter,auto
 *     npm run diverge -- --kernel vmlinuz --initrd initrd.gz --append quiet --script 'poweroff' --from 1e6 --to 9e7
 *
 * The built-in guest and its initramfs are used where none is named. The script is run by the built-in initramfs.
 */

import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { ENGINE_CHOICES, type EngineChoice } from '../../src/cpu/translator/statistics.ts';
import { builtInInitrd, builtInKernel, countingClock, runScript } from '../boot/booted.ts';
import { type Boot, findDivergence } from './divergence.ts';
import { differingFields, showRegisters } from './registers.ts';

const { values } = parseArgs({
  options: {
    engines: { type: 'string', default: 'interpreter,translator' },
    kernel: { type: 'string' },
    initrd: { type: 'string' },
    append: { type: 'string', default: '' },
    script: { type: 'string', default: 'poweroff' },
    memory: { type: 'string', default: '256' },
    seed: { type: 'string', default: '0' },
    from: { type: 'string', default: '0' },
    to: { type: 'string', default: 'Infinity' },
  },
});

const engines = values.engines.split(',');
if (engines.length !== 2 || !engines.every((name) => (ENGINE_CHOICES as readonly string[]).includes(name))) {
  throw new Error(`--engines takes two of ${ENGINE_CHOICES.join(', ')}`);
}
const kernel = {
  image: values.kernel === undefined ? builtInKernel() : readFileSync(values.kernel),
  initrd: values.initrd === undefined ? builtInInitrd() : readFileSync(values.initrd),
  words: values.append,
};

// Other threads have their own pace: regions must start at the same instruction in every run.
WebAssembly.compile = async (bytes) => new WebAssembly.Module(bytes);

const boots = engines.map((engine): Boot => {
  const options = {
    time: 'deterministic',
    engine: engine as EngineChoice,
    memoryBytes: Number(values.memory) << 20,
    seed: Number(values.seed),
  } as const;
  return (prepare) => runScript(kernel, values.script, { ...options, host: countingClock() }, prepare);
}) as [Boot, Boot];

const found = await findDivergence(boots, {
  from: Number(values.from),
  to: Number(values.to),
  report: (line) => console.log(line),
});
if (found === undefined) {
  console.log('the runs end alike');
} else {
  const { where, alike, apart, before, after, memory } = found;
  console.log(`${where === 'memory' ? 'memory' : 'the vCPUs'} alike after ${alike} instructions, apart after ${apart}`);
  if (before[0] !== undefined) console.log(`\nafter ${alike}, on both:\n${showRegisters(before[0].state)}`);
  after.forEach(({ state, instructions }, i) => {
    console.log(`\nafter ${instructions}, on ${engines[i]}:\n${showRegisters(state)}`);
  });
  const [a, b] = after.map(({ state }) => state) as [Uint8Array, Uint8Array];
  console.log(`\n${differingFields(a, b).join('\n')}`);
  for (const address of memory) console.log(`memory differs at guest-physical 0x${address.toString(16)}`);
  process.exitCode = 1;
}
