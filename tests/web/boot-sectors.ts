/** Boot sectors in machine code, written by hand so that nothing needs to be installed for them. */

const END = [0xfa, 0xf4, 0xeb, 0xfd]; // cli; hlt; jmp hlt

function image(sizeBytes: number, code: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(sizeBytes);
  bytes.set([...code, ...END]);
  bytes.set([0x55, 0xaa], 510);
  return bytes;
}

/** Mode 13h, and a picture of all 256 colours in stripes. */
export const pictureFloppy = image(1440 * 1024, [
  ...[0xb8, 0x13, 0x00, 0xcd, 0x10], // mov ax, 13h; int 10h
  ...[0xb8, 0x00, 0xa0, 0x8e, 0xc0], // mov ax, 0a000h; mov es, ax
  ...[0x31, 0xff, 0xb9, 0x00, 0xfa], // xor di, di; mov cx, 64000
  ...[0x89, 0xf8, 0xaa, 0xe2, 0xfb], // mov ax, di; stosb; loop
]);

/** Copies itself to the second sector of the disk, then says K on COM1. */
export const copyingDisk = image(1 << 20, [
  ...[0x31, 0xc0, 0x8e, 0xc0], // xor ax, ax; mov es, ax
  ...[0xb8, 0x01, 0x03, 0xbb, 0x00, 0x7c], // mov ax, 0301h; mov bx, 7c00h
  ...[0xb9, 0x02, 0x00, 0xba, 0x80, 0x00, 0xcd, 0x13], // mov cx, 2; mov dx, 80h; int 13h
  ...[0xba, 0xf8, 0x03, 0xb0, 0x4b, 0xee], // mov dx, 3f8h; mov al, 'K'; out dx, al
]);

/** Says > on COM1, then the keys that the BIOS has. */
export const echoingFloppy = image(1440 * 1024, [
  ...[0xba, 0xf8, 0x03, 0xb0, 0x3e, 0xee], // mov dx, 3f8h; mov al, '>'; out dx, al
  ...[0x31, 0xc0, 0xcd, 0x16], // xor ax, ax; int 16h
  ...[0xba, 0xf8, 0x03, 0xee], // mov dx, 3f8h; out dx, al
  ...[0xeb, 0xf6], // jmp to the xor
]);
