/**
 * Sequential reading and writing of a disk by Linux, in Vivarium and in QEMU's TCG: `node --import tsx bench/disk.ts`.
 *
 * Both boot the same disc, GRUB with Debian's kernel and its drivers, and run `dd` on an image that the host has in its
 * page cache. In each round and for each kind of access every machine boots anew, by turns, and passes over the disk
 * twice: the first pass is that of a guest whose code has just been met. What counts is the host's time between two
 * lines on the serial console. Beside it is the processor time of the machine's process, which other work of the host
 * changes less: in seconds for the whole disk.
 */

import {
  closeSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { debianKernel, linuxDisc } from '../tests/firmware/linux-disc.ts';
import { Conversation } from './process.ts';
import { median, spread } from './statistics.ts';

const MODULES = [
  ...['crct10dif_common', 'crc-t10dif', 'crc64', 'crc64-rocksoft', 't10-pi', 'scsi_common', 'scsi_mod', 'libata'],
  ...['libahci', 'ahci', 'ata_piix', 'sd_mod'],
  ...['virtio_ring', 'virtio', 'virtio_pci_legacy_dev', 'virtio_pci_modern_dev', 'virtio_pci', 'virtio_blk'],
];
const MEMORY_MIB = 512;
const MIB = 2 ** 20;
const BOOT_TIMEOUT_MS = 180_000;
const PASS_TIMEOUT_MS = 180_000;

const SCRIPT = `
for i in $(seq 100); do [ -b /dev/sda ] || [ -b /dev/vda ] && break; usleep 100000; done
[ -b /dev/sda ] && disk=/dev/sda || disk=/dev/vda
[ -b $disk ] && echo ready
while read -r line; do sync; echo 3 >/proc/sys/vm/drop_caches; echo begin; eval "$line" 2>/dev/null && echo end || echo failed; done
`;

const COMMANDS: Readonly<Record<string, string>> = {
  buffered: 'dd if=$disk of=/dev/null bs=1M',
  direct: 'dd if=$disk of=/dev/null bs=1M iflag=direct',
  write: 'dd if=/dev/zero of=$disk bs=1M count=SIZE conv=fsync',
};

type Bus = 'ide' | 'ahci' | 'virtio';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    mib: { type: 'string', default: '256' },
    bus: { type: 'string', default: 'ide,ahci,virtio' },
    only: { type: 'string', default: Object.keys(COMMANDS).join() },
    machines: { type: 'string', default: 'vivarium,qemu' },
    vivarium: { type: 'string', default: 'dist/vivarium.js' },
    profile: { type: 'string' },
  },
});
const [rounds, mib] = [Number(values.rounds), Number(values.mib)];
const folder = mkdtempSync(join(tmpdir(), 'vivarium-disk-bench-'));
process.on('exit', () => rmSync(folder, { recursive: true }));
const [disc, image] = [join(folder, 'boot.iso'), join(folder, 'disk.img')];

function commandOf(machine: string, bus: Bus): string[] {
  if (machine !== 'qemu') {
    const profile = values.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${values.profile}`];
    return [
      ...[process.execPath, ...profile, machine === 'vivarium' ? values.vivarium : machine],
      ...['run', '--memory', `${MEMORY_MIB}M`, '--cdrom', disc, '--boot', 'd'],
      ...['--disk', bus === 'ide' ? image : `${image},bus=${bus}`],
    ];
  }
  return [
    ...['qemu-system-x86_64', '-machine', 'pc', '-accel', 'tcg', '-cpu', 'qemu64', '-m', `${MEMORY_MIB}M`],
    ...['-nodefaults', '-display', 'none', '-serial', 'stdio', '-no-reboot', '-boot', 'd'],
    ...['-drive', `file=${disc},if=ide,index=2,media=cdrom,format=raw`],
    ...(bus === 'ide'
      ? ['-drive', `file=${image},if=ide,index=0,cache=writeback,format=raw`]
      : bus === 'ahci'
        ? ['-device', 'ahci,id=ahci', '-device', 'ide-hd,drive=disk,bus=ahci.0']
        : ['-device', 'virtio-blk-pci,drive=disk']),
    ...(bus !== 'ide' ? ['-drive', `file=${image},if=none,id=disk,cache=writeback,format=raw`] : []),
  ];
}

interface Pass {
  readonly seconds: number;
  readonly processorSeconds: number;
}

async function passes(machine: string, bus: Bus, kind: string): Promise<Pass[]> {
  const guest = new Conversation(commandOf(machine, bus));
  try {
    await guest.waitFor(/^ready\r?\n/m, BOOT_TIMEOUT_MS);
    const result: Pass[] = [];
    for (let pass = 0; pass < 2; pass++) {
      guest.send(`${COMMANDS[kind].replace('SIZE', String(mib))}\n`);
      const begin = await guest.waitFor(/^begin\r?\n/m, PASS_TIMEOUT_MS);
      const before = guest.processorSeconds ?? Number.NaN;
      const end = await guest.waitFor(/^(end|failed)\r?\n/m, PASS_TIMEOUT_MS);
      if (end.match[1] !== 'end') throw new Error(`${COMMANDS[kind]} failed`);
      const after = guest.processorSeconds ?? Number.NaN;
      result.push({ seconds: (end.atMs - begin.atMs) / 1000, processorSeconds: after - before });
    }
    if (values.profile !== undefined && machine !== 'qemu') {
      guest.send('poweroff -f\n');
      await guest.end(PASS_TIMEOUT_MS);
    }
    return result;
  } finally {
    await guest.kill();
  }
}

/** Sectors that differ, all of them allocated. */
function makeImage(): void {
  const file = openSync(image, 'w');
  ftruncateSync(file, mib * MIB);
  const block = Uint32Array.from({ length: MIB / 4 }, (_, i) => Math.imul(i, 0x9e37_79b1));
  for (let i = 0; i < mib; i++) writeSync(file, block.fill(i, 0, 1), 0, MIB, i * MIB);
  closeSync(file);
}

const kernel = debianKernel(MODULES);
if ('missing' in kernel) throw new Error(`Debian's kernel cannot be had: ${kernel.missing}`);
writeFileSync(disc, linuxDisc(kernel, SCRIPT));
makeImage();
const machines = values.machines.split(',');
for (const bus of values.bus.split(',') as Bus[]) {
  for (const kind of values.only.split(',')) {
    const taken = new Map(machines.map((machine) => [machine, [[], []] as Pass[][]]));
    for (let round = 0; round < rounds; round++) {
      for (const machine of machines) {
        readFileSync(image);
        for (const [i, pass] of (await passes(machine, bus, kind)).entries()) taken.get(machine)?.[i].push(pass);
      }
    }
    for (const pass of [0, 1]) {
      const cells = machines.map((machine) => {
        const results = taken.get(machine)?.[pass] ?? [];
        const speeds = results.map(({ seconds }) => mib / seconds);
        const processor = median(results.map(({ processorSeconds }) => processorSeconds));
        const { min, max } = spread(speeds) ?? { min: 0, max: 0 };
        const range = `${min.toFixed(0)}-${max.toFixed(0)}`;
        const text = `${machine} ${median(speeds).toFixed(0)} (${range}; ${processor.toFixed(2)} s)`;
        return { speed: median(speeds), processor, text };
      });
      const percent = (a: number, b: number): string => `${((100 * a) / b).toFixed(0)} %`;
      const [a, b] = cells;
      const share = b ? `: ${percent(a.speed, b.speed)}, by processor time ${percent(b.processor, a.processor)}` : '';
      console.log(`${bus} ${kind} pass ${pass + 1}: MiB/s ${cells.map(({ text }) => text).join(', ')}${share}`);
    }
  }
}
