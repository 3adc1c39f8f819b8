/**
 * Reads the setup header of an x86 bzImage and checks it against the file
 * (Linux, Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header").
 *
 *   0          0x1f1        0x26c..       (setup_sects + 1) * 512          + syssize * 16
 *   +----------+------------+-------------+--------------------------------+-----------------+
 *   | boot     | setup      | real-mode   | protected-mode code:           | not ours: a     |
 *   | sector   | header     | code        | stub, payload (a compressed    | signature, say  |
 *   |          |            |             | vmlinux)                       |                 |
 *   +----------+------------+-------------+--------------------------------+-----------------+
 *
 * Not supported: zImage (loaded low), and protocols before 2.06, which is Linux 2.6.21 and older.
 */

import { isPowerOfTwo } from '../base/bits.ts';
import { badKernel } from './load-options.ts';

const HDRS = 0x5372_6448;
const LOADED_HIGH = 1 << 0;
const XLF_KERNEL_64 = 1 << 0;
/** The setup header has this much room in boot_params, up to edd_mbr_sig_buffer. */
const HEADER_LIMIT = 0x290;
const HEADER_START = 0x1f1;
const SECTOR_BYTES = 512;

export interface LinuxImage {
  /** The setup header as it goes to offset 0x1F1 of boot_params. */
  readonly header: Uint8Array;
  readonly protectedMode: Uint8Array;
  /** True when the kernel has the 64-bit entry point, 0x200 after its start. */
  readonly entry64: boolean;
  /** Where it wants to run; undefined before protocol 2.10. */
  readonly preferredAddress: number | undefined;
  readonly relocatable: boolean;
  readonly alignment: number;
  /** Memory it needs from its start on before it reads the memory map. */
  readonly initBytes: number;
  /** Address of the last byte an initrd may occupy. */
  readonly initrdMaximum: number;
  readonly commandLineMaximum: number;
  /** The compressed vmlinux; undefined when the header names none, or names bytes that are not there. */
  readonly payload: Uint8Array | undefined;
}

export function isLinuxImage(image: Uint8Array): boolean {
  return image.length >= 0x206 && dataView(image).getUint32(0x202, true) === HDRS;
}

export function readLinuxImage(image: Uint8Array): LinuxImage {
  if (!isLinuxImage(image)) throw badKernel('This file is not a Linux bzImage.');
  const view = dataView(image);
  const headerEnd = 0x202 + view.getUint8(0x201);
  if (image.length < Math.max(headerEnd, 0x23c)) throw truncated();

  const version = view.getUint16(0x206, true);
  if (version < 0x0206) {
    throw badKernel(
      `This kernel speaks Linux boot protocol ${version >> 8}.${String(version & 0xff).padStart(2, '0')}; ` +
        'Vivarium needs 2.06 or newer (Linux 2.6.22).',
    );
  }
  if (!(view.getUint8(0x211) & LOADED_HIGH))
    throw badKernel('This kernel is a zImage; Vivarium boots bzImage kernels.');
  // A field is there when the protocol is new enough to define it and the header is long enough to hold it.
  const field = <T>(since: number, end: number, read: () => T): T | undefined =>
    version >= since && headerEnd >= end ? read() : undefined;
  if (headerEnd > HEADER_LIMIT || headerEnd < 0x23c) throw damaged('the length of its setup header');

  const setupBytes = ((view.getUint8(0x1f1) || 4) + 1) * SECTOR_BYTES;
  const protectedBytes = view.getUint32(0x1f4, true) * 16;
  if (protectedBytes === 0) throw damaged('the size of its code');
  // Old kernels round the size up without padding the file.
  if (image.length + 15 < setupBytes + protectedBytes) throw truncated();
  const protectedMode = image.subarray(setupBytes, setupBytes + protectedBytes);

  const relocatable = view.getUint8(0x234) !== 0;
  const alignment = view.getUint32(0x230, true);
  if (relocatable && !isPowerOfTwo(alignment)) throw damaged('its alignment');
  const preferred = field(0x020a, 0x260, () => Number(view.getBigUint64(0x258, true)));
  return {
    header: image.subarray(HEADER_START, headerEnd),
    protectedMode,
    entry64: ((field(0x020c, 0x238, () => view.getUint16(0x236, true)) ?? 0) & XLF_KERNEL_64) !== 0,
    preferredAddress: preferred,
    relocatable,
    alignment,
    initBytes: Math.max(protectedBytes, field(0x020a, 0x264, () => view.getUint32(0x260, true)) ?? 0),
    initrdMaximum: view.getUint32(0x22c, true),
    commandLineMaximum: view.getUint32(0x238, true),
    payload: field(0x0208, 0x250, () =>
      readPayload(protectedMode, view.getUint32(0x248, true), view.getUint32(0x24c, true)),
    ),
  };
}

function readPayload(protectedMode: Uint8Array, offset: number, length: number): Uint8Array | undefined {
  const inside = offset > 0 && length > 0 && offset + length <= protectedMode.length;
  return inside ? protectedMode.subarray(offset, offset + length) : undefined;
}

function dataView(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function truncated() {
  return badKernel('This kernel is truncated: the file ends before what its header promises.');
}

function damaged(what: string) {
  return badKernel(`This kernel is damaged: its header gives a senseless value for ${what}.`);
}
