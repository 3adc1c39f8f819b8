/** The guest programs of bench/programs: what each is, and how much of its work takes QEMU about half a second. */

export interface Program {
  readonly name: string;
  readonly title: string;
  /** Mostly the kernel's work, or the program's own. */
  readonly kind: 'compute' | 'system';
  /** In the units of the program. */
  readonly amount: number;
}

const compute = (name: string, amount: number, title: string): Program => ({ name, title, kind: 'compute', amount });
const system = (name: string, amount: number, title: string): Program => ({ name, title, kind: 'system', amount });

export const PROGRAMS: readonly Program[] = [
  compute('integer', 900, 'Collatz steps: dependent arithmetic, branches'),
  compute('wide', 120_000, '64-bit multiply, rotate, add'),
  compute('division', 30_000, '32 and 64-bit divisions'),
  compute('bits', 6000, 'shifts, masks, a bitmap'),
  compute('calls', 1800, 'direct calls and returns'),
  compute('indirect', 15_000, 'calls through pointers'),
  compute('sieve', 60, 'sieve of a million bytes'),
  compute('stream', 140, 'scale, add, copy 1 MiB arrays'),
  compute('chase', 6000, 'random links through 8 MiB'),
  compute('matrix', 60, 'integer matrix product'),
  compute('string', 360, "the C library's string functions"),
  compute('sha256', 3200, 'SHA-256'),
  compute('hashtable', 25_000, 'open addressing, FNV-1a'),
  compute('sort', 160, 'quicksort and heapsort of numbers'),
  compute('qsort', 160, "the C library's qsort of records"),
  compute('nbody', 2600, 'scalar double: five bodies'),
  compute('mandelbrot', 1500, 'scalar double: compare and branch'),
  compute('vector-float', 3200, 'SSE: four floats at a time'),
  compute('vector-integer', 8000, 'SSE2: sixteen bytes at a time'),
  compute('x87', 6000, 'x87 extended precision'),
  compute('libm', 2000, 'sin, cos, exp, log, pow, atan2, tan'),
  compute('compress', 120, 'LZ77 with hash chains'),
  compute('decompress', 1800, 'LZ77, back'),
  compute('interpreter', 1700, 'a stack machine, one switch'),
  compute('coremark-like', 3000, 'list, matrix, state machine, CRC'),
  compute('nbench-integer', 800, 'strings, bits, soft float, assignment, cipher'),
  compute('nbench-float', 1200, 'Fourier, LU, neural net'),
  system('syscall', 2500, 'getppid, fstat'),
  system('signal', 450, 'raise and handle'),
  system('files', 200, 'create, write, read, unlink'),
  system('fault', 160, 'map, touch, protect, unmap'),
  system('fork', 300, 'fork, copy on write, wait'),
  system('exec', 160, 'vfork and exec'),
  system('pipe', 220, '4 KiB at a time to another process'),
  system('switch', 500, 'a byte to and fro'),
];
