/** Features that instructions can depend on, and where CPUID announces each. */

export type Register = 'eax' | 'ebx' | 'ecx' | 'edx';

/** A bit of what CPUID answers. */
export interface FeatureBit {
  readonly leaf: number;
  /** Undefined where ECX does not matter. */
  readonly subleaf: number | undefined;
  readonly register: Register;
  readonly bit: number;
}

function at(leaf: number, register: Register, bit: number, subleaf?: number): FeatureBit {
  return { leaf, subleaf, register, bit };
}

/** SDM Vol. 2A "CPUID - CPU Identification". */
const bits = {
  x87: at(1, 'edx', 0),
  sysenter: at(1, 'edx', 11),
  clflush: at(1, 'edx', 19),
  mmx: at(1, 'edx', 23),
  fxsr: at(1, 'edx', 24),
  sse: at(1, 'edx', 25),
  sse2: at(1, 'edx', 26),
  sse3: at(1, 'ecx', 0),
  pclmulqdq: at(1, 'ecx', 1),
  ssse3: at(1, 'ecx', 9),
  cx16: at(1, 'ecx', 13),
  'sse4.1': at(1, 'ecx', 19),
  'sse4.2': at(1, 'ecx', 20),
  movbe: at(1, 'ecx', 22),
  popcnt: at(1, 'ecx', 23),
  aes: at(1, 'ecx', 25),
  xsave: at(1, 'ecx', 26),
  rdrand: at(1, 'ecx', 30),
  hypervisor: at(1, 'ecx', 31),
  fsgsbase: at(7, 'ebx', 0, 0),
  bmi1: at(7, 'ebx', 3, 0),
  bmi2: at(7, 'ebx', 8, 0),
  invpcid: at(7, 'ebx', 10, 0),
  rdseed: at(7, 'ebx', 18, 0),
  adx: at(7, 'ebx', 19, 0),
  smap: at(7, 'ebx', 20, 0),
  clflushopt: at(7, 'ebx', 23, 0),
  clwb: at(7, 'ebx', 24, 0),
  sha: at(7, 'ebx', 29, 0),
  rdpid: at(7, 'ecx', 22, 0),
  movdiri: at(7, 'ecx', 27, 0),
  xsaveopt: at(0xd, 'eax', 0, 1),
  xsavec: at(0xd, 'eax', 1, 1),
  lzcnt: at(0x80000001, 'ecx', 5),
  '3dnowprefetch': at(0x80000001, 'ecx', 8),
  syscall: at(0x80000001, 'edx', 11),
  rdtscp: at(0x80000001, 'edx', 27),
} as const satisfies { readonly [feature: string]: FeatureBit };

/** 'base' is what every processor has; without any other one its instructions are #UD. */
export type Feature = 'base' | keyof typeof bits;

export const featureBits: ReadonlyMap<Feature, FeatureBit> = new Map(Object.entries(bits) as [Feature, FeatureBit][]);
