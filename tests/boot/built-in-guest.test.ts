/** The guest that comes with Vivarium, from power-on to power-off. */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { boot, builtIn } from './booted.ts';

const PROMPT = 'vivarium:~# ';

test('it boots to a prompt, runs commands and powers off', async () => {
  const { console, end, guest, shows, type } = await boot({ kernel: builtIn() });
  await shows(PROMPT);
  type('echo $((6 * 7)) $(id -un) $(uname -sm)\r');
  await shows('\n42 root Linux x86_64\n');
  await shows(PROMPT);
  type('mkdir /tmp/d && seq 1 1000 >/tmp/d/list && sort -rn /tmp/d/list | head -n 1 | tr 0-9 a-j\r');
  await shows('\nbaaa\n');
  await shows(PROMPT);
  type('awk "BEGIN { printf \\"%.6f\\", 355 / 113 }"\r');
  await shows('3.141593');
  await shows(PROMPT);
  type('poweroff\r');
  assert.deepEqual(await end, { kind: 'powered-off' }, console());
  const { instructions, exits, memoryTouchedBytes } = guest.stats();
  assert(instructions > 10_000_000);
  assert(exits.HLT > 0);
  assert(memoryTouchedBytes < 128 << 20);
});

test('it finds the processor, the memory and the clocks that it is given', async () => {
  const { console, end, type, shows } = await boot({ kernel: builtIn(), memoryBytes: 96 << 20 });
  await shows(PROMPT);
  type('grep -c ^processor /proc/cpuinfo; cat /sys/devices/system/clocksource/clocksource0/available_clocksource\r');
  await shows('\n1\ntsc kvm-clock acpi_pm');
  type('cat /proc/sys/kernel/tainted; dmesg | grep "tsc: Detected"; grep MemTotal /proc/meminfo; poweroff\r');
  await end;
  assert.match(console(), /^0$/m);
  assert.match(console(), /tsc: Detected 1000\.000 MHz processor/);
  const kibibytes = Number(/^MemTotal: +(\d+) kB$/m.exec(console())?.[1]);
  assert(kibibytes > 60 * 1024 && kibibytes < 96 * 1024, `${kibibytes} KiB`);
});

test('its kernel complains of nothing', async () => {
  const { console, end, type, shows } = await boot({ kernel: builtIn() });
  await shows(PROMPT);
  // PCI has no host bridge yet, and the kernel says so.
  type('dmesg -r | grep -E "^<[0-3]>" | grep -v "PCI: Fatal: No config space access"; echo "end"of list; poweroff\r');
  await end;
  assert.match(console(), /of list; poweroff\nendof list\n/);
});

test('the committed files are those of SHA256SUMS, and 6 MB at most', () => {
  const folder = fileURLToPath(new URL('../../guests/builtin/', import.meta.url));
  const lines = readFileSync(`${folder}SHA256SUMS`, 'utf8').trimEnd().split('\n');
  const names: string[] = [];
  let total = 0;
  for (const line of lines) {
    const [, sum, name] = /^([0-9a-f]{64}) {2}(\S+)$/.exec(line) ?? assert.fail(line);
    names.push(name);
    total += statSync(folder + name).size;
    assert.equal(
      createHash('sha256')
        .update(readFileSync(folder + name))
        .digest('hex'),
      sum,
      name,
    );
  }
  assert.deepEqual(names, ['vmlinuz', 'initramfs.cpio.gz']);
  assert(total <= 6_000_000, `${total} bytes`);
});
