/**
 * Multiboot kernels that run one piece of code in 64-bit mode between two marks on the serial port, then end through
 * the isa-debug-exit port. Flat images that state their addresses (Multiboot Specification 0.6.96 §3.1.3), which QEMU
 * and Vivarium both take.
 *
 *     100000  header, start, code between the marks
 *     100800  handler: target of SYSCALL, and of page faults
 *     101000  PML4, PDPT, page directory: the first gigabyte, one to one, open to user mode, in 2 MiB pages
 *     104000  page table of 200000-3FFFFF, empty
 *     105000  IDT, GDT and their pointers
 *     106000  stack
 *     400000  room for the code's data
 */

import { listing } from './listing.ts';

const BASE = 0x10_0000;
const HANDLER = BASE + 0x800;
const PML4 = BASE + 0x1000;
const PDPT = BASE + 0x2000;
const DIRECTORY = BASE + 0x3000;
const PAGE_TABLE = BASE + 0x4000;
const IDT = BASE + 0x5000;
const GDT = BASE + 0x5e00;
const GDT_POINTER = BASE + 0x5f00;
const IDT_POINTER = BASE + 0x5f10;
const IMAGE_END = BASE + 0x6000;
const STACK_END = BASE + 0x7000;
const ENTRY = BASE + 0x20;

const PAGE_FAULT = 14;
const PRESENT_WRITABLE_USER = 0x7;
const LARGE_PAGE = 0x80;

export const BEGIN_MARK = '{';
export const END_MARK = '}';

const ENTER_LONG_MODE = `
  0f 20 e0              ; mov eax, cr4
  0d 20 06 00 00        ; or eax, 0x620          PAE, OSFXSR, OSXMMEXCPT
  0f 22 e0              ; mov cr4, eax
  b8 00 10 10 00        ; mov eax, 0x101000      PML4
  0f 22 d8              ; mov cr3, eax
  b9 80 00 00 c0        ; mov ecx, 0xc0000080    IA32_EFER
  0f 32                 ; rdmsr
  0d 01 01 00 00        ; or eax, 0x101          LME, SCE
  0f 30                 ; wrmsr
  b8 33 00 01 80        ; mov eax, 0x80010033    PG, WP, NE, ET, MP, PE
  0f 22 c0              ; mov cr0, eax
  0f 01 15 00 5f 10 00  ; lgdt [0x105f00]
  ea 57 00 10 00 08 00  ; jmp 0x08:0x100057      the next instruction
  0f 01 1c 25 10 5f 10 00 ; lidt [0x105f10]
  bc 00 70 10 00        ; mov esp, 0x107000
  b8 10 00 00 00        ; mov eax, 0x10
  8e d8                 ; mov ds, eax
  8e c0                 ; mov es, eax
  8e d0                 ; mov ss, eax
  b9 81 00 00 c0        ; mov ecx, 0xc0000081    IA32_STAR
  31 c0                 ; xor eax, eax
  ba 08 00 10 00        ; mov edx, 0x100008
  0f 30                 ; wrmsr
  ff c1                 ; inc ecx                IA32_LSTAR
  b8 00 08 10 00        ; mov eax, 0x100800
  31 d2                 ; xor edx, edx
  0f 30                 ; wrmsr
  b9 84 00 00 c0        ; mov ecx, 0xc0000084    IA32_FMASK
  31 c0                 ; xor eax, eax
  0f 30                 ; wrmsr
`;

function mark(character: string): string {
  return `
  66 ba f8 03           ; mov dx, 0x3f8
  b0 ${character.charCodeAt(0).toString(16)} ; mov al, mark
  ee                    ; out dx, al
`;
}

/** Vivarium hands output on at the end of a slice, of 250,000 instructions at most: the mark must be out before the code. */
const PASS_A_SLICE = `
  b9 00 00 02 00        ; mov ecx, 131072
  ff c9                 ; dec ecx
  75 fc                 ; jnz -4
`;

const EXIT = `
  31 c0                 ; xor eax, eax
  e6 f4                 ; out 0xf4, al
  f4                    ; hlt
`;

/** Marks the end of the code between the marks, and ends the guest. For handlers; elsewhere it comes by itself. */
export const FINISH = mark(END_MARK) + EXIT;

/** An image that runs `code` between the marks. Both are listings. */
export function kernelImage(code: string, handler = ''): Uint8Array {
  return flatImage(listing(ENTER_LONG_MODE + mark(BEGIN_MARK) + PASS_A_SLICE + code + FINISH), listing(handler));
}

/** An image whose first instructions set the end mark and end the guest. */
export function shortestImage(): Uint8Array {
  return flatImage(listing(FINISH), new Uint8Array());
}

function flatImage(code: Uint8Array, handler: Uint8Array): Uint8Array {
  if (ENTRY + code.length > HANDLER || HANDLER + handler.length > PML4) throw new Error('the code does not fit');
  const image = new Uint8Array(IMAGE_END - BASE);
  const view = new DataView(image.buffer);
  const u32 = (address: number, ...values: number[]): void =>
    values.forEach((value, i) => void view.setUint32(address - BASE + 4 * i, value, true));

  const magic = 0x1bad_b002;
  const hasAddresses = 0x1_0000;
  u32(BASE, magic, hasAddresses, -(magic + hasAddresses), BASE, BASE, IMAGE_END, STACK_END, ENTRY);
  image.set(code, ENTRY - BASE);
  image.set(handler, HANDLER - BASE);

  u32(PML4, PDPT | PRESENT_WRITABLE_USER);
  u32(PDPT, DIRECTORY | PRESENT_WRITABLE_USER);
  for (let i = 0; i < 512; i++) u32(DIRECTORY + 8 * i, (i << 21) | LARGE_PAGE | PRESENT_WRITABLE_USER);
  u32(DIRECTORY + 8, PAGE_TABLE | PRESENT_WRITABLE_USER);

  u32(GDT + 8, 0x0000_ffff, 0x00af_9b00, 0x0000_ffff, 0x00cf_9300); // 64-bit code, data
  u32(GDT_POINTER, (GDT << 16) | 0x17, GDT >>> 16);
  u32(IDT + 16 * PAGE_FAULT, (0x08 << 16) | (HANDLER & 0xffff), (HANDLER & 0xffff_0000) | 0x8e00);
  u32(IDT_POINTER, (IDT << 16) | (16 * (PAGE_FAULT + 1) - 1), IDT >>> 16);
  return image;
}
