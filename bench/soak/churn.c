/*
 * Makes functions of random instructions, calls each until a translator takes it for hot, writes another over it, and
 * unmaps it. Prints what they computed: the same on every x86-64 machine for the same seed.
 *
 *     churn SEED
 */

typedef unsigned char u8;
typedef unsigned long u64;

enum { PAGES = 16, VERSIONS = 2, LENGTH = 30, CALLS = 25000 };
enum { SYS_WRITE = 1, SYS_MMAP = 9, SYS_MUNMAP = 11, SYS_EXIT = 60 };
enum { PROT_ALL = 7, MAP_PRIVATE_ANONYMOUS = 0x22 };

static u64 state;

static u64 random(u64 below) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (state >> 11) % below;
}

static long call(long number, u64 a, u64 b, u64 c, u64 d) {
  long result;
  register u64 r10 __asm__("r10") = d;
  register u64 r8 __asm__("r8") = -1ul;
  register u64 r9 __asm__("r9") = 0;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}

/* RAX, RCX, RDX, RSI, RDI: what a function may change. */
static const u8 registers[] = {0, 1, 2, 6, 7};
static u8 modrm(u64 reg) { return 0xc0 | reg << 3 | registers[random(5)]; }

/* Nothing reads a flag but CF, which all of these leave defined. */
static u8 *instruction(u8 *at) {
  static const u8 arithmetic[] = {0x01, 0x09, 0x11, 0x19, 0x21, 0x29, 0x31};
  static const u8 shifts[] = {0, 1, 4, 5, 7};
  if (random(2)) *at++ = 0x48; /* REX.W */
  switch (random(4)) {
  case 0: /* IMUL */
    *at++ = 0x0f;
    *at++ = 0xaf;
    *at++ = modrm(registers[random(5)]);
    return at;
  case 1: /* ROL, ROR, SHL, SHR, SAR by a constant */
    *at++ = 0xc1;
    *at++ = modrm(shifts[random(5)]);
    *at++ = 1 + random(31);
    return at;
  case 2: /* ADD with a constant */
    *at++ = 0x81;
    *at++ = modrm(0);
    for (int i = 0; i < 4; i++) *at++ = random(256);
    return at;
  default:
    *at++ = arithmetic[random(sizeof arithmetic)];
    *at++ = modrm(registers[random(5)]);
    return at;
  }
}

static void function(u8 *at) {
  static const u8 prologue[] = {0x48, 0x89, 0xf8, 0x48, 0x89, 0xf1, 0x48, 0x89, 0xfa, 0x48, 0x85, 0xc0};
  static const u8 epilogue[] = {0x48, 0x31, 0xc8, 0x48, 0x31, 0xd0, 0x48, 0x31, 0xf0, 0x48, 0x31, 0xf8, 0xc3};
  for (u64 i = 0; i < sizeof prologue; i++) *at++ = prologue[i];
  for (int i = 0; i < LENGTH; i++) {
    u8 *jump = at;
    int skips = random(4) == 0;
    if (skips) at += 2;
    at = instruction(at);
    if (skips) { /* JC or JNC past the instruction */
      jump[0] = 0x72 + random(2);
      jump[1] = at - jump - 2;
    }
  }
  for (u64 i = 0; i < sizeof epilogue; i++) *at++ = epilogue[i];
}

__attribute__((used)) static void start(u64 *stack) {
  u64 seed = 0;
  if (stack[0] > 1)
    for (char *digit = (char *)stack[2]; *digit; digit++) seed = seed * 10 + *digit - '0';
  state = seed * 0x9e3779b97f4a7c15 + 1;
  u64 sum = seed;
  for (u64 page = 0; page < PAGES; page++) {
    u64 hint = 0x100000000 + ((seed & 0xfffff) * PAGES + page) * 0x1000;
    u8 *code = (u8 *)call(SYS_MMAP, hint, 4096, PROT_ALL, MAP_PRIVATE_ANONYMOUS);
    if ((u64)code > -4096ul) call(SYS_EXIT, 1, 0, 0, 0);
    for (int version = 0; version < VERSIONS; version++) {
      function(code);
      for (u64 i = 0; i < CALLS; i++) sum = (sum << 1 | sum >> 63) ^ ((u64(*)(u64, u64))code)(sum, i);
    }
    call(SYS_MUNMAP, (u64)code, 4096, 0, 0);
  }
  char line[17];
  for (int i = 0; i < 16; i++) line[i] = "0123456789abcdef"[sum >> (60 - 4 * i) & 15];
  line[16] = '\n';
  call(SYS_WRITE, 1, (u64)line, 17, 0);
  call(SYS_EXIT, 0, 0, 0, 0);
}

__asm__(".globl _start\n_start: mov %rsp, %rdi\n and $-16, %rsp\n call start\n");
