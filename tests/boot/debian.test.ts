/**
 * Debian's stock kernels, byte for byte, with the built-in initramfs: to userspace, through commands, to power-off.
 * They come from Debian by `guests/debian/fetch.sh`, into a cache that the benchmark shares.
 */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { EngineChoice } from '../../src/cpu/translator/statistics.ts';
import { nightly } from '../nightly.ts';
import { boot, builtInInitrd, runScript } from './booted.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const CACHE = 'node_modules/.cache/vivarium';

type Fetched = { readonly image: Uint8Array; readonly release: string } | { readonly missing: string };

function fetch(name: string): Fetched {
  const words = ['guests/debian/fetch.sh', CACHE, name];
  const { error, status, stdout, stderr } = spawnSync('bash', words, { cwd: root, encoding: 'utf8' });
  const path = stdout?.trim().split('\t')[1];
  if (status === 0 && path) return { image: readFileSync(path), release: path.replace(/^.*\/vmlinuz-/, '') };
  return { missing: error?.message ?? stderr.trim().split('\n').at(-1) ?? `fetch.sh ended with status ${status}` };
}

const SCRIPT = `
uname -r; id -un
mkdir /tmp/d; seq 1 2000 > /tmp/d/list; sort -n /tmp/d/list | tail -n 1; wc -c < /bin/busybox
(exit 7); echo "status $?"; ls / | wc -l
dmesg -r | grep -cE '(BUG|WARNING|Oops|Call Trace)'
poweroff`;

/** With entries after which a block is hot: at the first one there would be more modules than a process can map. */
const ENGINES: readonly { engine: EngineChoice; hot?: number }[] = [
  { engine: 'interpreter' },
  { engine: 'auto' },
  { engine: 'auto', hot: 2 },
  { engine: 'translator', hot: 50 },
];

for (const name of ['linux-image-cloud-amd64', 'linux-image-amd64']) {
  const fetched = fetch(name);
  const skip = 'missing' in fetched && `cannot be had: ${fetched.missing}`;

  test(`${name} boots to userspace, runs commands and powers off`, { skip }, async () => {
    assert('image' in fetched);
    const { console, end } = await runScript({ image: fetched.image, initrd: builtInInitrd() }, SCRIPT, {
      memoryBytes: 512 << 20,
    });
    assert.deepEqual(end, { kind: 'powered-off' }, console);
    const lines = console.trimEnd().split('\n');
    assert.deepEqual(lines.slice(0, 3), [fetched.release, 'root', '2000'], console);
    assert(Number(lines[3]) > 1_000_000);
    assert.deepEqual([lines[4], lines.length], ['status 7', 7]);
    assert.equal(lines[6], '0', 'the kernel found nothing amiss');
  });

  const skipIdentity = skip || (!nightly && 'a minute or more: npm run nightly');
  test(`${name} boots to the same state on every engine`, { skip: skipIdentity }, async () => {
    assert('image' in fetched);
    const kernel = { image: fetched.image, initrd: builtInInitrd() };
    const states = new Map<string, string>();
    for (const { engine, hot } of ENGINES) {
      const options = { memoryBytes: 512 << 20, time: 'deterministic', engine } as const;
      const { console, end, guest } = await runScript(kernel, SCRIPT, options, ({ debug }) => {
        if (hot !== undefined) debug.engine.blocks.countdown = hot;
      });
      assert.deepEqual(end, { kind: 'powered-off' }, console);
      states.set(`${engine} ${hot ?? ''}`, `${guest.stats().instructions} ${guest.stateHash()}`);
    }
    assert.equal(new Set(states.values()).size, 1, [...states].join('\n'));
  });

  test(`${name} gives a shell with a prompt`, { skip }, async () => {
    assert('image' in fetched);
    const kernel = { image: fetched.image, initrd: builtInInitrd(), commandLine: 'console=ttyS0 quiet' };
    const { console, end, shows, type } = await boot({ kernel, memoryBytes: 512 << 20 });
    await shows('vivarium:~# ');
    type('echo $((6 * 7)) $(uname -r)\r');
    await shows(`\n42 ${fetched.release}\n`);
    type('poweroff\r');
    assert.deepEqual(await end, { kind: 'powered-off' }, console());
  });
}
