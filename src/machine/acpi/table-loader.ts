/**
 * The script by which firmware places tables that it got as files, and joins them: commands of 128 bytes in QEMU's
 * "etc/table-loader" (QEMU hw/acpi/bios-linker-loader.c; interpreted by SeaBIOS and OVMF).
 *
 *     allocate      a file, where, how aligned
 *     add pointer   adds the address of one file to a number in another
 *     add checksum  makes the bytes of a table add up to zero
 */

import { StructWriter } from '../struct-writer.ts';

const ALLOCATE = 1;
const ADD_POINTER = 2;
const ADD_CHECKSUM = 3;
const COMMAND_BYTES = 128;
const NAME_BYTES = 56;
const ZONE_HIGH = 1;
/** Below 1 MiB, where root pointers are scanned for. */
const ZONE_FSEG = 2;

export interface File {
  readonly name: string;
  readonly alignment: number;
  readonly isBelow1MiB: boolean;
}

/** In the table at `table`, an address `at` some place leads to what is at `target`: offsets in one file. */
export interface Link {
  readonly at: number;
  readonly bytes: 4 | 8;
  readonly table: number;
  readonly target: number;
}

export interface LoaderOptions {
  readonly files: readonly File[];
  /** Numbers in `file` that count from the start of `to`. */
  readonly links: readonly { readonly file: File; readonly at: number; readonly bytes: 4 | 8; readonly to: File }[];
  /** After all links: `at` is where the sum goes. */
  readonly checksums: readonly {
    readonly file: File;
    readonly at: number;
    readonly start: number;
    readonly length: number;
  }[];
}

export function tableLoader({ files, links, checksums }: LoaderOptions): Uint8Array {
  const script = new StructWriter();
  const command = (kind: number, fill: () => void): void => {
    const start = script.length;
    script.u32(kind);
    fill();
    script.zeros(start + COMMAND_BYTES - script.length);
  };
  for (const { name, alignment, isBelow1MiB } of files) {
    command(ALLOCATE, () =>
      script
        .ascii(name, NAME_BYTES)
        .u32(alignment)
        .u8(isBelow1MiB ? ZONE_FSEG : ZONE_HIGH),
    );
  }
  for (const { file, at, bytes, to } of links) {
    command(ADD_POINTER, () => script.ascii(file.name, NAME_BYTES).ascii(to.name, NAME_BYTES).u32(at).u8(bytes));
  }
  for (const { file, at, start, length } of checksums) {
    command(ADD_CHECKSUM, () => script.ascii(file.name, NAME_BYTES).u32(at, start, length));
  }
  return script.finish();
}
