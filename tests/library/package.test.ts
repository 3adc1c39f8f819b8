/** The package as others have it: packed, installed in a fresh project, type-checked, run in Node, bundled for browsers. */

import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { chromium } from 'playwright-core';
import { build } from 'vite';
import { serveWeb } from '../../scripts/web-server.ts';
import type { boot as bootInNode } from '../../src/library/node/index.ts';
import { executablePath, STEP_MS, skipWithoutChromium } from '../web/chromium.ts';
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

test('what makes a start quick is in it', async () => {
  const files = await readdir(join(consumer.project, 'node_modules/vivarium/dist'));
  assert.deepEqual(files.filter((name) => /^(builtin\.snapshot|generated-code\.wasm)$/.test(name)).sort(), [
    'builtin.snapshot',
    'generated-code.wasm',
  ]);
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

describe('bundled by Vite', () => {
  let folder: string;
  before(async () => {
    folder = join(consumer.project, 'dist');
    await consumer.write('index.html', '<!doctype html><script type="module" src="./page.js"></script>\n');
    await consumer.write('page.js', "import { boot } from 'vivarium';\nglobalThis.boot = boot;\n");
    await build({
      root: consumer.project,
      configFile: false,
      logLevel: 'error',
      worker: { format: 'es' },
      build: { emptyOutDir: true, target: 'es2022' },
    });
  });

  test('worker, kernel, snapshot, code and firmware come along', async () => {
    const assets = await readdir(join(folder, 'assets'));
    for (const part of ['worker', 'vmlinuz', 'initramfs', 'builtin', 'generated-code', 'bios-256k', 'vgabios']) {
      assert.ok(
        assets.some((name) => name.startsWith(part)),
        `${part} among ${assets}`,
      );
    }
  });

  test('a page runs commands', { skip: skipWithoutChromium }, async () => {
    const server = await serveWeb({ folder, port: 0, isIsolated: false });
    const fetched: string[] = [];
    server.on('request', (request) => fetched.push(request.url ?? ''));
    const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
    const browser = await chromium.launch({ executablePath: executablePath as string, args });
    try {
      const page = await browser.newPage();
      page.setDefaultTimeout(STEP_MS);
      await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
      await page.waitForFunction(() => 'boot' in globalThis);
      const result = await page.evaluate(async () => {
        const { boot } = globalThis as unknown as { boot: typeof bootInNode };
        const vm = await boot();
        await vm.files.write('/tmp/x', new Blob(['from a page']));
        const { stdout } = await vm.exec('cat', ['/tmp/x']);
        const snapshot = await vm.snapshot();
        await vm.close();
        const other = await boot({ snapshot });
        const text = await other.files.readText('/tmp/x');
        await other.close();
        return { stdout, text, end: (await vm.ended).kind };
      });
      assert.ok(
        fetched.some((url) => url.includes('generated-code')),
        String(fetched),
      );
      assert.deepEqual(result, { stdout: 'from a page', text: 'from a page', end: 'closed' });
    } finally {
      await browser.close();
      server.close();
      server.closeAllConnections();
    }
  });
});
