/**
 * Records `src/cpu/interpreter/common-code.ts`: boots kernels (the built-in guest, which its agent has do the usual, too,
 * and those given as `KERNEL INITRD` pairs) with an empty list and notes every variant in order of its first appearance.
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { AgentClient } from '../src/agent/client.ts';
import type { Decoded } from '../src/cpu/decode/decoded.ts';
import type { HandlerMode } from '../src/cpu/interpreter/handler.ts';
import { gunzip, nodePlatform } from '../src/host/node/platform.ts';
import { Guest } from '../src/vmm/guest.ts';
import { doUsualWork } from './usual-work.ts';

const LINE = 100;
const builtIn = ['guests/builtin/vmlinuz', 'guests/builtin/initramfs.cpio.gz'];
const SCRIPT = 'ls -la /; cat /proc/cpuinfo; awk "BEGIN{print 2.5*3}"; ps; mount; dmesg | sort | md5sum; poweroff\n';

const files = [...builtIn, ...process.argv.slice(2)];
const seen = new Set<string>();
for (let i = 0; i < files.length; i += 2) {
  const agent = i === 0 ? new AgentClient() : undefined;
  const guest = await Guest.create({
    memoryBytes: 512 << 20,
    kernel: {
      image: readFileSync(files[i]),
      initrd: readFileSync(files[i + 1]),
      commandLine: 'console=ttyS0 quiet vivarium.filter',
    },
    time: 'deterministic',
    seed: 0,
    optionalDevices: [],
    ...(agent && { virtio: [{ kind: 'console', ports: [agent] }, { kind: 'rng' }] }),
    onConsole: () => {},
    gunzip,
    host: nodePlatform,
  });
  const { engine } = guest.debug;
  engine.variants.forgetSeeds();
  engine.blocks.onNewVariant = (decoded: Decoded, { linked }: HandlerMode, code: Uint8Array) => {
    if (decoded.mode !== 64) return;
    seen.add(Buffer.from(code).toString('hex') + (linked ? '*' : ''));
  };
  const send = (): void => guest.sendConsole(new TextEncoder().encode(SCRIPT));
  if (agent === undefined) send();
  else void agent.ready().then(() => doUsualWork(agent).then(send));
  console.error(files[i], await guest.run(), seen.size);
}

const path = 'src/cpu/interpreter/common-code.ts';
const header = readFileSync(path, 'utf8').split('export const')[0];
let list = '';
let line = ' ';
for (const entry of seen) {
  if (line.length + entry.length + 4 > LINE) {
    list += `${line}\n`;
    line = ' ';
  }
  line += ` '${entry}',`;
}
writeFileSync(
  path,
  `${header}// biome-ignore format: a table\nexport const commonCode: readonly string[] = [\n${list}${line}\n];\n`,
);
