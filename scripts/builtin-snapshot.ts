/**
 * Makes dist/builtin.snapshot: the built-in guest at its prompt, with its agent listening, from which `vivarium run`,
 * `boot()` and the page start at once; and dist/decoded-code.bin, what the first commands of such a guest run, decoded
 * (cpu/interpreter/decoded-code.ts), which is added to dist/generated-code.wasm. Runs at the end of `npm run build`, and
 * only boots where what it depends on has changed: the guest's files, this script, and the machine.
 *
 * What the guest has written to its console is in the notes of the snapshot, one character for each byte.
 */

import { createHash } from 'node:crypto';
import { access, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { deflate, gunzipSync } from 'node:zlib';
import { AgentClient } from '../src/agent/client.ts';
import { SnapshotFile } from '../src/vmm/snapshot/format.ts';

import { DECODED_CODE, writeGeneratedCode } from './generated-code.ts';
import { doUsualWork } from './usual-work.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const OUT = join(root, 'dist/builtin.snapshot');
const GENERATED_CODE = join(root, 'dist/generated-code.wasm');
const KERNEL = join(root, 'guests/builtin/vmlinuz');
const INITRD = join(root, 'guests/builtin/initramfs.cpio.gz');
const SPARES = join(root, 'src/library/built-in-spares.ts');
const USUAL_WORK = join(root, 'scripts/usual-work.ts');
/** What can change what the guest is, or how it is saved. */
const MACHINE = ['base', 'cpu', 'devices', 'files', 'machine', 'vmm'];

const MEMORY_BYTES = 256 * 2 ** 20;
/** What src/apps/built-in-guest.ts says to a guest with a terminal, but for the terminal's kind and size. */
const COMMAND_LINE = 'console=ttyS0 loglevel=3 vivarium.resize=ttyS1';
const PROMPT = '~# ';
const PATIENCE_MS = 300_000;
/** The guest has nothing to do for this long before it is saved. */
const QUIET_MS = 500;
/**
 * Memory that was used and is free again is overwritten with zeros, which take no room: the allocator gives what was
 * freed last, and in small pieces, before what was never used. More would only wear out page tables.
 */
const TIDY =
  'sync; echo 3 >/proc/sys/vm/drop_caches; dd if=/dev/zero of=/dev/shm/zeros bs=64k count=256 2>/dev/null; rm /dev/shm/zeros';

/** At the prompt, where it shows nothing: Ctrl-U. */
const KEY = Uint8Array.of(0x15);

async function digestOfInputs(): Promise<string> {
  const hash = createHash('sha256');
  const files = [KERNEL, INITRD, SPARES, USUAL_WORK, fileURLToPath(import.meta.url)];
  for (const layer of MACHINE) {
    const names = await readdir(join(root, 'src', layer), { recursive: true });
    files.push(...names.filter((name) => /(?<!\.test)\.ts$/.test(name)).map((name) => join(root, 'src', layer, name)));
  }
  for (const file of files.sort()) hash.update(`${file.slice(root.length)}\n`).update(await readFile(file));
  return hash.digest('hex');
}

async function isCurrent(inputs: string): Promise<boolean> {
  try {
    await access(DECODED_CODE);
    const { manifest } = new SnapshotFile(await readFile(OUT));
    return (manifest as { notes?: Record<string, string> }).notes?.inputs === inputs;
  } catch {
    return false;
  }
}

interface Made {
  readonly snapshot: Uint8Array;
  readonly decoded: Uint8Array;
}

async function make(inputs: string): Promise<Made> {
  const { Server9p } = await import('../src/files/9p/server.ts');
  const { joinedTree } = await import('../src/files/joined-tree.ts');
  const { spareDevices } = await import('../src/library/built-in-spares.ts');
  const { Guest } = await import('../src/vmm/guest.ts');
  const { nodePacking, nodePlatform } = await import('../src/host/node/platform.ts');
  const deflateAside = promisify<Uint8Array, { level: number }, Buffer>(deflate);
  const agent = new AgentClient();
  let console = '';
  const code = new WebAssembly.Module(await readFile(GENERATED_CODE));
  const [kernel, initrd] = await Promise.all([readFile(KERNEL), readFile(INITRD)]);
  const guest = await Guest.create({
    memoryBytes: MEMORY_BYTES,
    kernel: { image: kernel, initrd: gunzipSync(initrd), commandLine: COMMAND_LINE },
    time: 'real',
    seed: 1,
    optionalDevices: [],
    virtio: [
      { kind: 'console', ports: [agent] },
      { kind: 'rng' },
      ...spareDevices(new Server9p(joinedTree(new Map()))),
    ],
    onConsole: (bytes) => {
      console += Buffer.from(bytes).toString('latin1');
    },
    gunzip: (bytes) => gunzipSync(bytes),
    packing: { ...nodePacking, deflate: (bytes) => deflateAside(bytes, { level: 9 }) },
    host: { ...nodePlatform, generatedCode: () => code },
  });
  const ended = guest.run().then((end): never => {
    throw new Error(`The built-in guest ended before it could be saved (${end.kind}); it wrote:\n${console}`);
  });
  const give = <T>(work: Promise<T>): Promise<T> => Promise.race([work, ended]);
  await give(agent.ready({ timeoutMs: PATIENCE_MS }));
  while (!console.includes(PROMPT)) await give(new Promise((resolve) => setTimeout(resolve, 20)));
  const { engine, frames } = guest.debug;
  engine.blocks.forget();
  guest.sendConsole(KEY);
  await give(doUsualWork(agent));
  const decoded = engine.packDecoded((frame) => frames.pageOf(frame));
  if (decoded === undefined) throw new Error('The engine does not use the generated code of this build.');
  await give(agent.exec({ argv: ['sh', '-c', TIDY], timeoutMs: PATIENCE_MS }).exit);
  await give(new Promise((resolve) => setTimeout(resolve, QUIET_MS)));
  const notes = { input: 'console', takesInput: 'yes', size: 'second serial', console, inputs };
  const snapshot = await give(guest.snapshot({ notes }));
  ended.catch(() => {});
  guest.stop();
  agent.close();
  return { snapshot, decoded };
}

/** In one step, lest somebody reads half of it. */
async function replace(path: string, bytes: Uint8Array): Promise<void> {
  await writeFile(`${path}.new`, bytes);
  await rename(`${path}.new`, path);
}

const inputs = await digestOfInputs();
if (!(await isCurrent(inputs))) {
  const { snapshot, decoded } = await make(inputs);
  await replace(DECODED_CODE, decoded);
  await replace(OUT, snapshot);
  await writeGeneratedCode(GENERATED_CODE);
}
