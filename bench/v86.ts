/**
 * Runs v86 with a Linux kernel: v86.ts KERNEL INITRD COMMAND-LINE MEMORY-MIB. The guest's serial port is this process's
 * standard input and output. A process of its own, so that nothing else runs where v86 runs.
 */

import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { V86 } from 'v86';
import { V86_BIOS, V86_VGA_BIOS } from './machines.ts';

const [kernel, initrd, commandLine, memoryMiB] = process.argv.slice(2);
const LINE_FEED = 0x0a;

const machine = new V86({
  wasm_path: join(dirname(fileURLToPath(import.meta.resolve('v86'))), 'v86.wasm'),
  bios: { url: V86_BIOS },
  vga_bios: { url: V86_VGA_BIOS },
  bzimage: { url: kernel },
  initrd: { url: initrd },
  cmdline: commandLine,
  memory_size: Number(memoryMiB) * 2 ** 20,
  disable_speaker: true,
  autostart: true,
});

let line: number[] = [];
machine.add_listener('serial0-output-byte', (byte: number) => {
  line.push(byte);
  if (byte !== LINE_FEED) return;
  process.stdout.write(Uint8Array.from(line));
  line = [];
});
process.stdin.setEncoding('latin1').on('data', (text: string) => machine.serial0_send(text));
