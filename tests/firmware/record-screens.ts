/**
 * Runs draw.asm in each mode on QEMU, and writes what its VGA held and showed to src/devices/vga/qemu-screens.json:
 *
 *     node --import tsx tests/firmware/record-screens.ts
 */

import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { ScreenImage } from '../../src/base/screen.ts';
import {
  parametrised,
  pictureHash,
  type RecordedMode,
  SCREEN_MODES,
  type ScreenMode,
  textColumns,
} from '../../src/devices/vga/test-screens.ts';

const OUTPUT = fileURLToPath(new URL('../../src/devices/vga/qemu-screens.json', import.meta.url));
const QEMU = 'qemu-system-i386';
const FLOPPY_BYTES = 1440 * 1024;
const POLL_MS = 200;

/** QEMU's monitor, reached through QMP on its standard streams. */
class Monitor {
  readonly #qemu: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;

  constructor(floppy: string) {
    const drive = `file=${floppy},format=raw,if=floppy`;
    this.#qemu = spawn(QEMU, [
      ...['-m', '32', '-accel', 'tcg', '-display', 'none', '-vga', 'std', '-net', 'none'],
      ...['-drive', drive, '-boot', 'a', '-qmp', 'stdio'],
    ]);
    this.#lines = createInterface({ input: this.#qemu.stdout })[Symbol.asyncIterator]();
  }

  async start(): Promise<void> {
    await this.#lines.next();
    await this.#execute('qmp_capabilities');
  }

  async command(line: string): Promise<string> {
    return await this.#execute('human-monitor-command', { 'command-line': line });
  }

  async #execute(execute: string, parameters: object = {}): Promise<string> {
    this.#qemu.stdin.write(`${JSON.stringify({ execute, arguments: parameters })}\n`);
    for (;;) {
      const { value, done } = await this.#lines.next();
      if (done) throw new Error(`${QEMU} has ended`);
      const answer = JSON.parse(value);
      if ('error' in answer) throw new Error(answer.error.desc);
      if ('return' in answer) return answer.return;
    }
  }

  async read(port: number, size: 'b' | 'h' = 'b'): Promise<number> {
    const line = await this.command(`i /${size} 0x${port.toString(16)}`);
    return Number(line.split('=')[1]);
  }

  async write(port: number, value: number, size: 'b' | 'h' = 'b'): Promise<void> {
    await this.command(`o /${size} 0x${port.toString(16)} ${value}`);
  }

  async indexed(port: number, count: number): Promise<string> {
    const values: number[] = [];
    for (let index = 0; index < count; index++) {
      await this.write(port, index);
      values.push(await this.read(port + 1));
    }
    return hexadecimal(values);
  }

  end(): void {
    this.#qemu.kill();
  }
}

function hexadecimal(bytes: readonly number[]): string {
  return Buffer.from(bytes).toString('hex');
}

/** QEMU's screen dumps: "P6", width and height, 255, then RGB. */
function readPpm(path: string): ScreenImage {
  const file = readFileSync(path);
  const header = /^P6\n(\d+) (\d+)\n255\n/.exec(file.toString('latin1', 0, 40));
  if (!header) throw new Error(`${path} is no PPM file`);
  const width = Number(header[1]);
  const height = Number(header[2]);
  const pixels = new Uint8ClampedArray(width * height * 4);
  for (let from = header[0].length, to = 0; to < pixels.length; from += 3, to += 4) {
    pixels.set([file[from] as number, file[from + 1] as number, file[from + 2] as number, 255], to);
  }
  return { width, height, pixels };
}

async function record(mode: ScreenMode, bootSector: Uint8Array, folder: string, palettes: string[]) {
  const floppy = join(folder, 'floppy.img');
  const image = new Uint8Array(FLOPPY_BYTES);
  image.set(parametrised(bootSector, mode));
  writeFileSync(floppy, image);
  const monitor = new Monitor(floppy);
  try {
    await monitor.start();
    for (;;) {
      await sleep(POLL_MS);
      const registers = await monitor.command('info registers');
      if (/EIP=00007[cd].*HLT=1.*CS =0000/s.test(registers)) break;
    }
    const dump = join(folder, 'screen.ppm');
    // The first look at a screen after a change of its size can still be of the screen before.
    await monitor.command(`screendump ${dump}`);
    await monitor.command(`screendump ${dump}`);
    const picture = readPpm(dump);
    return await describe(mode, monitor, picture, palettes);
  } finally {
    monitor.end();
  }
}

async function describe(mode: ScreenMode, monitor: Monitor, picture: ScreenImage, palettes: string[]) {
  const miscOutput = await monitor.read(0x3cc);
  const crtcPort = miscOutput & 1 ? 0x3d4 : 0x3b4;
  const sequencer = await monitor.indexed(0x3c4, 5);
  const graphics = await monitor.indexed(0x3ce, 9);
  const crtc = await monitor.indexed(crtcPort, 0x19);
  const attributes: number[] = [];
  for (let index = 0; index < 0x15; index++) {
    await monitor.read(crtcPort + 6);
    await monitor.write(0x3c0, index | 0x20);
    attributes.push(await monitor.read(0x3c1));
  }
  await monitor.write(0x3c7, 0);
  const colours: number[] = [];
  for (let i = 0; i < 768; i++) colours.push(await monitor.read(0x3c9));
  const colourBytes = hexadecimal(colours);
  if (!palettes.includes(colourBytes)) palettes.push(colourBytes);
  const dispi: number[] = [];
  for (let index = 0; index < 10; index++) {
    await monitor.write(0x1ce, index, 'h');
    dispi.push(await monitor.read(0x1cf, 'h'));
  }
  const recorded: RecordedMode = {
    ...mode,
    ...{ miscOutput, sequencer, graphics, crtc },
    attributes: hexadecimal(attributes),
    dispi: dispi.map((value) => value.toString(16)).join(' '),
    palette: palettes.indexOf(colourBytes),
    width: picture.width,
    height: picture.height,
    hash: pictureHash(picture, textColumns(mode.mode)),
  };
  return recorded;
}

const folder = mkdtempSync(join(tmpdir(), 'vivarium-screens-'));
try {
  const binary = join(folder, 'draw.bin');
  const source = fileURLToPath(new URL('draw.asm', import.meta.url));
  execFileSync('nasm', ['-f', 'bin', '-Werror', '-o', binary, source]);
  const bootSector = readFileSync(binary);
  const palettes: string[] = [];
  const modes: RecordedMode[] = [];
  for (const mode of SCREEN_MODES) modes.push(await record(mode, bootSector, folder, palettes));
  const qemu = execFileSync(QEMU, ['--version']).toString().split('\n')[0] as string;
  writeFileSync(OUTPUT, `${JSON.stringify({ qemu, palettes, modes }, undefined, 2)}\n`);
} finally {
  rmSync(folder, { recursive: true });
}
