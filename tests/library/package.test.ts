/** The package as others have it: packed, installed in a fresh project, type-checked, run in Node, bundled for browsers. */

import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { build } from 'vite';
import { Consumer, type Example, examplesOf } from './consumer.ts';

const examples: readonly Example[] = [...(await examplesOf('README.md')), ...(await examplesOf('docs/library.md'))];
const programs = examples.filter(({ language, name }) => language === 'ts' && name === undefined);

let consumer: Consumer;
before(async () => {
  consumer = await Consumer.create();
  for (const { name, code } of examples) if (name !== undefined) await consumer.write(name, code);
  for (const [i, { code }] of programs.entries()) await consumer.write(`example${i}.ts`, `${code}\nexport {};\n`);
});
after(() => consumer.remove());

test('the package needs no other, and is small', async () => {
  const installed = await readdir(join(consumer.project, 'node_modules'));
  assert.deepEqual(
    installed.filter((name) => !name.startsWith('.')),
    ['vivarium'],
  );
  const [tarball = ''] = (await readdir(consumer.folder)).filter((name) => name.endsWith('.tgz'));
  assert.ok((await readFile(join(consumer.folder, tarball))).length < 16 * 2 ** 20);
});

test('the examples are well typed for pages', async () => {
  const options = {
    module: 'esnext',
    moduleResolution: 'bundler',
    lib: ['es2023', 'esnext.disposable', 'dom'],
    types: [],
  };
  const files = programs.map((_, i) => `example${i}.ts`).filter((_, i) => !/\bBuffer\b/.test(programs[i]?.code ?? ''));
  assert.equal(await consumer.check({ ...options, lib: [...options.lib, 'dom.asynciterable'] }, files), '');
});

test('the examples are well typed for Node', async () => {
  await consumer.lend('@types/node');
  await consumer.lend('undici-types');
  const options = { module: 'nodenext', lib: ['es2023', 'esnext.disposable'], types: ['node'] };
  const files = programs.map((_, i) => `example${i}.ts`);
  assert.equal(await consumer.check(options, files), '');
});

test('what is no option is a mistake to the compiler', async () => {
  await consumer.write('wrong.ts', `import { boot } from 'vivarium';\nawait boot({ memroy: '1G' });\n`);
  const options = {
    module: 'esnext',
    moduleResolution: 'bundler',
    lib: ['es2023', 'esnext.disposable', 'dom'],
    types: [],
  };
  assert.match(await consumer.check(options, ['wrong.ts']), /'memroy' does not exist in type 'BootOptions'/);
});

describe('the examples run in Node', () => {
  for (const { document, heading, code } of programs) {
    test(`${document}: ${heading}`, async () => {
      const printed = await consumer.run(code);
      // Some say in a comment what they print.
      const promised = [...code.matchAll(/console\.log\(.*\); \/\/ (.*)$/gm)].map(([, text]) => text);
      const lines = printed.split('\n').filter((line) => promised.includes(line));
      assert.deepEqual(lines, promised);
      assert.doesNotMatch(printed, /\bfalse\b/);
    });
  }
});

test('Vite bundles it for browsers, with worker, kernel and firmware', async () => {
  await consumer.write('index.html', '<!doctype html><script type="module" src="./page.js"></script>\n');
  await consumer.write('page.js', `import { boot } from 'vivarium';\nglobalThis.boot = boot;\n`);
  await build({
    root: consumer.project,
    configFile: false,
    logLevel: 'error',
    worker: { format: 'es' },
    build: { emptyOutDir: true, target: 'es2022' },
  });
  const assets = await readdir(join(consumer.project, 'dist/assets'));
  for (const part of ['worker', 'vmlinuz', 'initramfs', 'bios-256k', 'vgabios']) {
    assert.ok(
      assets.some((name) => name.startsWith(part)),
      `${part} among ${assets}`,
    );
  }
});
