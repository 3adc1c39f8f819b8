import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findOffences } from './check-layers.ts';

function reasons(path: string, source: string): string[] {
  return findOffences(path, source).map((offence) => offence.reason);
}

test('imports from the layers before are allowed', () => {
  assert.deepEqual(reasons('src/devices/rtc.ts', `import type { Clock } from '../base/clock.ts';\n`), []);
  assert.deepEqual(reasons('src/cpu/isa/add.ts', `import { u8 } from '../../wasm/types.ts';\n`), []);
  assert.deepEqual(reasons('src/apps/cli.ts', `import { Terminal } from '../host/node/terminal.ts';\n`), []);
});

test('imports from later layers are offences, types too', () => {
  const source = `import {\n  type Guest,\n} from '../vmm/guest.ts';\n`;
  assert.deepEqual(reasons('src/machine/pc.ts', source), ['machine must not import vmm']);
  assert.deepEqual(reasons('src/base/bus.ts', `export * from '../wasm/module.ts';\n`), ['base must not import wasm']);
  const asType = `let x: import('../vmm/guest.ts').Guest;\n`;
  assert.deepEqual(reasons('src/machine/pc.ts', asType), ['machine must not import vmm']);
});

test('the processor and the devices do not import each other', () => {
  assert.deepEqual(reasons('src/cpu/mmu.ts', `import '../devices/rtc.ts';\n`), ['cpu must not import devices']);
  assert.deepEqual(reasons('src/devices/rtc.ts', `import '../cpu/mmu.ts';\n`), ['devices must not import cpu']);
});

test('only applications import a platform, and platforms do not import each other', () => {
  assert.deepEqual(reasons('src/vmm/guest.ts', `import { f } from '../host/node/f.ts';\n`), [
    'vmm must not import host/node',
  ]);
  assert.deepEqual(reasons('src/host/browser/opfs.ts', `import { f } from '../node/f.ts';\n`), [
    'host/browser must not import host/node',
  ]);
});

test('modules of Node are for the platform layers and for tests', () => {
  const source = `import { readFile } from 'node:fs/promises';\n`;
  assert.deepEqual(reasons('src/host/node/files.ts', source), []);
  assert.deepEqual(reasons('src/devices/rtc.test.ts', source), []);
  assert.equal(reasons('src/devices/rtc.ts', source).length, 1);
  assert.equal(reasons('src/host/escape-keys.ts', source).length, 1);
});

test('packages that come with the program may be used anywhere, those for development in tests', () => {
  assert.deepEqual(reasons('src/vmm/hash.ts', `import { sha256 } from '@noble/hashes/sha2';\n`), []);
  const source = `const x = await import('iced-x86');\n`;
  assert.deepEqual(reasons('src/cpu/decode.ts', source), ['iced-x86 is for development only']);
  assert.deepEqual(reasons('src/cpu/decode.test.ts', source), []);
});

test('a source file outside the known layers is an offence', () => {
  assert.deepEqual(reasons('src/misc/a.ts', ''), ['there is no layer called misc']);
});

test('an offence names its line', () => {
  const [offence] = findOffences('src/base/a.ts', `// why\n\nimport '../vmm/guest.ts';\n`);
  assert.equal(offence.line, 3);
  assert.equal(offence.specifier, '../vmm/guest.ts');
});

test('strings and comments that speak of imports are not imports', () => {
  const source = ` * import { x } from '../vmm/x.ts'\nexport const from = '../vmm/x.ts';\n`;
  assert.deepEqual(reasons('src/base/a.ts', source), []);
});
