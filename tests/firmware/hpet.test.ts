/** Linux keeps time by the HPET alone: counter, timer interrupts in the PIT's place, and the clock's alarms in its own. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryDisk } from '../../src/block/memory-disk.ts';
import { nightly } from '../nightly.ts';
import { bootDrives } from './boot-drives.ts';
import { debianKernel, linuxDisc } from './linux-disc.ts';

const SCRIPT = `
cat /sys/devices/system/clocksource/clocksource0/current_clocksource
cat /sys/devices/system/clockevents/clockevent0/current_device
ticks() { grep ' timer$' /proc/interrupts | tr -s ' ' | cut -d ' ' -f 3; }
before=$(ticks); start=$(date +%s); sleep 3; after=$(ticks); end=$(date +%s)
[ $((after - before)) -ge 3 ] && [ $((end - start)) -ge 3 ] && echo "time goes on"
dmesg | grep -ciE 'unstable|lost ticks|soft lockup|mp-bios bug'
`;

const skip = !nightly && 'half a minute or more: npm run nightly';

for (const time of ['real', 'deterministic'] as const) {
  test(`Linux runs on the HPET in ${time} time`, { skip }, async (t) => {
    const kernel = debianKernel([]);
    if ('missing' in kernel) return t.skip(`cannot be had: ${kernel.missing}`);
    const disc = linuxDisc(kernel, SCRIPT, 'clocksource=hpet no-kvmclock nolapic');
    const drives = [{ bus: 'ide', unit: 2, kind: 'cdrom', backend: new MemoryDisk(disc) }] as const;
    const { console, end } = await bootDrives(drives, time, 'd', 256 << 20);
    assert.deepEqual(end, { kind: 'powered-off' }, console);
    assert.ok(console.endsWith(['hpet', 'hpet', 'time goes on', '0', ''].join('\r\n')), console);
  });
}
