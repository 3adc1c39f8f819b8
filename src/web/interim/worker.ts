/** Runs a guest in a worker for the page. */

import { Overlay } from '../../block/overlay.ts';
import { BlobDisk } from '../../host/browser/blob-disk.ts';
import { openOpfsDisk } from '../../host/browser/opfs-disk.ts';
import { browserPacking, browserPlatform, gunzip } from '../../host/browser/platform.ts';
import { SparseMemory } from '../../host/browser/sparse-memory.ts';
import { Guest } from '../../vmm/guest.ts';

type Any = any;
const fetched = async (source: Any): Promise<Uint8Array> => {
  if (source instanceof Blob) return new Uint8Array(await source.arrayBuffer());
  const response = await fetch(source);
  if (!response.ok) throw new Error(`${source} cannot be had.`);
  return new Uint8Array(await response.arrayBuffer());
};
let guest: Guest;
let options: Any;
async function make(): Promise<void> {
  const common = {
    onConsole: (bytes: Uint8Array) => postMessage({ console: bytes }),
    host: browserPlatform,
    packing: browserPacking,
  };
  const { assets } = options;
  if (options.snapshot) {
    guest = await Guest.restore(await fetched(options.snapshot), common);
    return;
  }
  const memoryBytes =
    { '128M': 128, '256M': 256, '512M': 512, '1G': 1024, '2G': 2048 }[options.memory as string] ?? 256;
  const rest = {
    ...common,
    memoryBytes: memoryBytes << 20,
    time: 'real' as const,
    seed: 1,
    optionalDevices: [],
    gunzip,
  };
  if (options.cdrom || options.disk || options.floppy) {
    const drives: Any[] = [];
    if (options.cdrom) drives.push({ bus: 'ide', unit: 2, kind: 'cdrom', backend: new BlobDisk(options.cdrom) });
    if (options.floppy)
      drives.push({
        bus: 'floppy',
        unit: 0,
        kind: 'floppy',
        backend: new Overlay(new BlobDisk(options.floppy), new SparseMemory()),
      });
    const source = options.disk?.source;
    if (source)
      drives.push({
        bus: 'ide',
        unit: 0,
        kind: 'disk',
        backend: source.kept
          ? await openOpfsDisk(source.kept, source.createBytes)
          : new Overlay(new BlobDisk(source), new SparseMemory()),
      });
    const [bios, vgaBios] = await Promise.all([fetched(assets.bios), fetched(assets.vgaBios)]);
    guest = await Guest.create({ ...rest, firmware: { bios, vgaBios, drives, nics: [], bootOrder: 'cda' } });
    return;
  }
  const image = await fetched(options.kernel ?? assets.kernel);
  const initrd = options.kernel
    ? options.initrd && (await fetched(options.initrd))
    : await gunzip(await fetched(assets.initrd));
  const commandLine = options.kernel ? options.commandLine : 'console=ttyS0 loglevel=3 vivarium.resize=ttyS1';
  guest = await Guest.create({ ...rest, kernel: { image, commandLine, ...(initrd && { initrd }) } });
}
let generation = -1;
function frame(): Any {
  const { screen } = guest;
  if (!screen || screen.generation === generation) return undefined;
  generation = screen.generation;
  const { width, height, pixels } = screen.image();
  return { width, height, pixels: pixels.slice(), mode: screen.mode, generation };
}
const run = (): void => {
  const mine = guest;
  void guest.run().then(
    (end) => mine === guest && postMessage({ end }),
    (error) => postMessage({ end: { kind: 'failed', error: error.message } }),
  );
};
const calls: Any = {
  async start(given: Any) {
    options = given;
    await make();
    run();
    return { hasScreen: guest.screen !== undefined };
  },
  async reset() {
    const old = guest;
    await make();
    generation = -1;
    old.stop();
    run();
  },
  pause: () => guest.pause(),
  resume: () => guest.resume(),
  stats: () => ({
    ...guest.stats(),
    drives: [],
    network: { sentBytes: 0, receivedBytes: 0 },
    memoryBytes: guest.debug.frames.sizeBytes,
  }),
  snapshot: () => guest.snapshot(),
  frame,
  write: (bytes: Uint8Array) => guest.sendConsole(bytes),
  resize: (columns: number, rows: number) => guest.sendSecondSerial(new TextEncoder().encode(`${rows} ${columns}\n`)),
  key: (code: string, down: boolean) => guest.keyboard.key(code, down),
  move: (x: number, y: number, z: number) => guest.pointer.move(x, y, z),
  buttons: (mask: number) => guest.pointer.buttons(mask),
};
onmessage = async ({ data: { id, name, args } }: MessageEvent) => {
  try {
    postMessage({ id, result: await calls[name](...args) });
  } catch (error) {
    postMessage({ id, error: (error as Error).message });
  }
};
