/*
 * Runs instructions on the processor and writes down what they did.
 *
 * Cases outside 64-bit mode have segments of a local descriptor table; the kernel returns from the handler to whatever
 * CS and SS are in its frame.
 *
 * Usage: recorder CASES ANSWERS. CASES is made by record.ts; both formats are described there.
 *
 * Each case is one instruction. Its complete register state is put into the signal frame of a handler, and returning
 * from the handler starts it. The code pages are filled with INT3, so that whatever completes traps at once; whatever
 * faults raises its own signal. Either way the handler runs again, finds the state in its frame, and goes on with the
 * next case. A branch to a page that cannot be executed also counts as completed: the fetch fault of its target says
 * where it went.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <asm/ldt.h>
#include <immintrin.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/ucontext.h>
#include <unistd.h>

#define PAGE 0x1000
#define CODE 0x400000ul
#define CODE_BYTES (2 * PAGE)
#define DATA 0x600000ul
#define WRITABLE_BYTES (2 * PAGE)
#define READ_ONLY (DATA + WRITABLE_BYTES)
#define WINDOW_BYTES (5 * PAGE)
#define INT3 0xcc
#define VECTOR_BP 3
#define VECTOR_PF 14
#define FETCH 0x10
#define TIMEOUT_SECONDS 20

/* state.ts describes this image; sigcontext keeps its registers in another order. */
#pragma pack(push, 1)
struct state {
  uint64_t gpr[16];
  uint64_t rip, rflags, fs_base, gs_base;
  uint16_t selectors[6]; /* ES CS SS DS FS GS */
  uint16_t control, status;
  uint32_t mxcsr;
  uint8_t tag, reserved[3];
  uint8_t st[8][10]; /* R0 to R7 */
  uint8_t xmm[16][16];
};

struct fx_image {
  uint16_t control, status;
  uint8_t tag, reserved;
  uint16_t opcode;
  uint64_t fip, fdp;
  uint32_t mxcsr, mxcsr_mask;
  uint8_t st[8][16];
  uint8_t xmm[16][16];
  uint8_t unused[96];
  uint64_t xstate_bv, xcomp_bv;
};

/* Then `patches` times: window offset, length, bytes. */
struct case_header {
  uint32_t bytes; /* of the whole record */
  uint16_t patches, length; /* of the instruction */
  struct state state;
};

/* Then `runs` times: window offset, length, bytes that differ from before. */
struct answer_header {
  uint32_t bytes;
  uint16_t runs;
  uint8_t faulted, vector;
  uint64_t error, address;
  struct state state;
};

struct run {
  uint16_t offset, length;
};
#pragma pack(pop)

_Static_assert(sizeof(struct state) == 520, "state.ts and this file must agree");

static const int gpr_of_context[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                       REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

static uint8_t *window;       /* writable alias of all pages of the cases */
static uint8_t *before;       /* what the window held when the case began */
static uint8_t *background;   /* what the window holds unless a case says otherwise */
static const uint8_t *next_case, *cases_end;
static const struct case_header *current;
static uint8_t *answers, *answer_limit;
static uint64_t host_fs, host_gs;
static ucontext_t home;
static struct { uint8_t bytes[sizeof(struct fx_image)]; } home_fx;

static void fail(const char *message) {
  static const char newline = '\n';
  if (write(2, message, strlen(message)) < 0 || write(2, &newline, 1) < 0) _exit(3);
  _exit(2);
}

/* Bytes are compared in runs; a single equal byte between two differences joins them. */
static uint8_t *write_runs(uint8_t *out, uint16_t *count) {
  *count = 0;
  for (uint32_t i = 0; i < WINDOW_BYTES;) {
    if (!(i & 7) && *(uint64_t *)(window + i) == *(uint64_t *)(before + i)) {
      i += 8;
      continue;
    }
    if (window[i] == before[i]) {
      i++;
      continue;
    }
    uint32_t end = i + 1;
    while (end < WINDOW_BYTES &&
           (window[end] != before[end] || (end + 1 < WINDOW_BYTES && window[end + 1] != before[end + 1])))
      end++;
    struct run run = {i, end - i};
    memcpy(out, &run, sizeof run);
    memcpy(out + sizeof run, window + i, run.length);
    out += sizeof run + run.length;
    ++*count;
    i = end;
  }
  return out;
}

static void record(const ucontext_t *context) {
  const greg_t *gregs = context->uc_mcontext.gregs;
  const struct fx_image *fx = (const struct fx_image *)context->uc_mcontext.fpregs;
  struct answer_header *answer = (struct answer_header *)answers;
  if (answers + sizeof *answer + 2 * WINDOW_BYTES > answer_limit) fail("recorder: too many answers");
  struct state *state = &answer->state;
  memset(answer, 0, sizeof *answer);
  for (int i = 0; i < 16; i++) state->gpr[i] = gregs[gpr_of_context[i]];
  state->rflags = gregs[REG_EFL];
  state->rip = gregs[REG_RIP];
  state->fs_base = _readfsbase_u64();
  state->gs_base = _readgsbase_u64();
  __asm__ volatile("mov %%es, %0" : "=r"(state->selectors[0]));
  state->selectors[1] = gregs[REG_CSGSFS];
  state->selectors[2] = (uint64_t)gregs[REG_CSGSFS] >> 48;
  __asm__ volatile("mov %%ds, %0" : "=r"(state->selectors[3]));
  __asm__ volatile("mov %%fs, %0" : "=r"(state->selectors[4]));
  __asm__ volatile("mov %%gs, %0" : "=r"(state->selectors[5]));
  state->control = fx->control;
  state->status = fx->status;
  state->mxcsr = fx->mxcsr;
  state->tag = fx->tag;
  /* FXSAVE has ST(0) first; the state has R0 first. */
  for (int i = 0; i < 8; i++) memcpy(state->st[((fx->status >> 11) + i) & 7], fx->st[i], 10);
  memcpy(state->xmm, fx->xmm, sizeof state->xmm);

  uint64_t start = current->state.rip, trap = gregs[REG_RIP];
  uint64_t error = gregs[REG_ERR], address = gregs[REG_CR2];
  int vector = gregs[REG_TRAPNO];
  if (vector == VECTOR_BP && !(trap - 1 >= start && trap - 1 < start + current->length)) {
    state->rip = trap - 1;
  } else if (vector == VECTOR_PF && (error & FETCH) && trap != start) {
    state->rip = trap;
  } else {
    answer->faulted = 1;
    answer->vector = vector;
    answer->error = error;
    answer->address = vector == VECTOR_PF ? address : 0;
  }
  answers = write_runs((uint8_t *)(answer + 1), &answer->runs);
  answer->bytes = answers - (uint8_t *)answer;
}

/* Put the next case into the frame of the handler. */
static void prepare(ucontext_t *context) {
  greg_t *gregs = context->uc_mcontext.gregs;
  struct fx_image *fx = (struct fx_image *)context->uc_mcontext.fpregs;
  current = (const struct case_header *)next_case;
  const struct state *state = &current->state;
  memcpy(window, background, WINDOW_BYTES);
  const uint8_t *patch = next_case + sizeof *current;
  for (int i = 0; i < current->patches; i++) {
    struct run run;
    memcpy(&run, patch, sizeof run);
    memcpy(window + run.offset, patch + sizeof run, run.length);
    patch += sizeof run + run.length;
  }
  memcpy(before, window, WINDOW_BYTES);
  next_case += current->bytes;

  for (int i = 0; i < 16; i++) gregs[gpr_of_context[i]] = state->gpr[i];
  gregs[REG_RIP] = state->rip;
  gregs[REG_EFL] = state->rflags;
  gregs[REG_CSGSFS] = (uint64_t)state->selectors[2] << 48 | state->selectors[1];
  memset(fx, 0, 24);
  fx->control = state->control;
  fx->status = state->status;
  fx->tag = state->tag;
  fx->mxcsr = state->mxcsr;
  for (int i = 0; i < 8; i++) {
    memset(fx->st[i], 0, 16);
    memcpy(fx->st[i], state->st[((state->status >> 11) + i) & 7], 10);
  }
  memcpy(fx->xmm, state->xmm, sizeof fx->xmm);
  fx->xstate_bv = 3; /* x87 and SSE from this image, the rest in its initial state */
  __asm__ volatile("mov %0, %%es\n mov %1, %%ds" : : "r"(state->selectors[0]), "r"(state->selectors[3]));
  __asm__ volatile("mov %0, %%fs\n mov %1, %%gs" : : "r"(state->selectors[4]), "r"(state->selectors[5]));
  /* Loading other selectors has set the base. */
  if (state->selectors[4] < 4) _writefsbase_u64(state->fs_base);
  if (state->selectors[5] < 4) _writegsbase_u64(state->gs_base);
}

/* NT, AC and ID survive into the handler, and the kernel keeps the handler's when it returns. */
static inline void sane_flags(void) {
  __asm__ volatile("pushfq\n andq $~0x244000, (%%rsp)\n popfq" ::: "memory", "cc");
}

static void on_trap(int signal, siginfo_t *info, void *pointer) {
  sane_flags();
  (void)signal;
  (void)info;
  ucontext_t *context = pointer;
  struct fx_image *fx = (struct fx_image *)context->uc_mcontext.fpregs;
  if (current == NULL) {
    home = *context;
    memcpy(&home_fx, fx, sizeof home_fx);
  } else {
    record(context);
  }
  if (next_case < cases_end) {
    prepare(context);
    return;
  }
  memcpy(context->uc_mcontext.gregs, home.uc_mcontext.gregs, sizeof home.uc_mcontext.gregs);
  memcpy(fx, &home_fx, sizeof home_fx);
  __asm__ volatile("mov %0, %%es\n mov %0, %%ds\n mov %0, %%fs\n mov %0, %%gs" : : "r"(0));
  _writefsbase_u64(host_fs);
  _writegsbase_u64(host_gs);
}

static void on_timeout(int signal) {
  sane_flags();
  _writefsbase_u64(host_fs);
  (void)signal;
  uint64_t rip = current ? current->state.rip : 0;
  if (rip < CODE_BYTES) rip += CODE; /* in a segment that begins with the code */
  const uint8_t *code = rip >= CODE && rip < CODE + CODE_BYTES ? window + (rip - CODE) : window;
  char text[64] = "recorder: endless case: ";
  for (int i = 0, at = strlen(text); i < 16; i++, at += 2) {
    text[at] = "0123456789abcdef"[code[i] >> 4];
    text[at + 1] = "0123456789abcdef"[code[i] & 15];
  }
  fail(text);
}

static void map(int memory, uint64_t address, uint32_t offset, uint32_t bytes, int protection) {
  void *at = mmap((void *)address, bytes, protection, MAP_SHARED | MAP_FIXED_NOREPLACE | MAP_POPULATE, memory, offset);
  if (at != (void *)address) {
    perror("recorder: mmap");
    exit(2);
  }
}

static void map_window(void) {
  int memory = memfd_create("window", 0);
  if (memory < 0 || ftruncate(memory, WINDOW_BYTES) != 0) {
    perror("recorder: memfd");
    exit(2);
  }
  window = mmap(NULL, WINDOW_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, memory, 0);
  if (window == MAP_FAILED) fail("recorder: no window");
  memset(window, INT3, WINDOW_BYTES);
  map(memory, CODE, 0, CODE_BYTES, PROT_READ | PROT_EXEC);
  map(memory, DATA, CODE_BYTES, WRITABLE_BYTES, PROT_READ | PROT_WRITE);
  map(memory, READ_ONLY, CODE_BYTES + WRITABLE_BYTES, PAGE, PROT_READ);
  before = malloc(WINDOW_BYTES);
  if (mlockall(MCL_CURRENT) != 0) perror("recorder: mlockall");
  /* Touch every page in every mapping, so that no case meets a page that is merely not there yet. */
  for (uint64_t at = CODE; at < CODE + CODE_BYTES; at += PAGE) (void)*(volatile uint8_t *)at;
  for (uint64_t at = DATA; at < READ_ONLY + PAGE; at += PAGE) (void)*(volatile uint8_t *)at;
  for (uint64_t at = DATA; at < READ_ONLY; at += PAGE) *(volatile uint8_t *)at = 0;
}

struct descriptor {
  uint32_t entry, base, limit, bits;
};

static void set_descriptor(const struct descriptor *descriptor) {
  uint32_t bits = descriptor->bits;
  struct user_desc wanted = {.entry_number = descriptor->entry,
                             .base_addr = descriptor->base,
                             .limit = descriptor->limit,
                             .seg_32bit = bits & 1,
                             .contents = bits >> 1 & 3,
                             .read_exec_only = bits >> 3 & 1,
                             .limit_in_pages = bits >> 4 & 1,
                             .seg_not_present = bits >> 5 & 1};
  if (syscall(SYS_modify_ldt, 1, &wanted, sizeof wanted) != 0) fail("recorder: modify_ldt refuses a descriptor");
}

static const uint8_t *read_cases(const char *path) {
  int file = open(path, O_RDONLY);
  struct stat stat;
  if (file < 0 || fstat(file, &stat) != 0) {
    perror(path);
    exit(2);
  }
  uint8_t *bytes = mmap(NULL, stat.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0);
  if (bytes == MAP_FAILED) fail("recorder: cannot map the cases");
  uint32_t descriptors = *(uint32_t *)bytes;
  const struct descriptor *descriptor = (const struct descriptor *)(bytes + sizeof descriptors);
  for (uint32_t i = 0; i < descriptors; i++) set_descriptor(descriptor + i);
  background = (uint8_t *)(descriptor + descriptors);
  next_case = background + WINDOW_BYTES;
  cases_end = bytes + stat.st_size;
  return bytes;
}

static void write_answers(const char *path, const uint8_t *from) {
  FILE *file = fopen(path, "wb");
  if (file == NULL || fwrite(from, 1, answers - from, file) != (size_t)(answers - from) || fclose(file) != 0) {
    perror(path);
    exit(2);
  }
}

int main(int argc, char **argv) {
  if (argc != 3) fail("usage: recorder CASES ANSWERS");
  if (!(getauxval(AT_HWCAP2) & 2)) fail("recorder: needs FSGSBASE");
  read_cases(argv[1]);
  map_window();
  size_t reserve = (size_t)4 << 30;
  answers = mmap(NULL, reserve, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (answers == MAP_FAILED) fail("recorder: no room for answers");
  answer_limit = answers + reserve;
  const uint8_t *first = answers;
  host_fs = _readfsbase_u64();
  host_gs = _readgsbase_u64();

  size_t stack_bytes = 1 << 20;
  stack_t stack = {.ss_sp = malloc(stack_bytes), .ss_size = stack_bytes};
  sigaltstack(&stack, NULL);
  struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  sigfillset(&action.sa_mask);
  sigdelset(&action.sa_mask, SIGALRM);
  static const int signals[] = {SIGTRAP, SIGSEGV, SIGILL, SIGFPE, SIGBUS};
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) sigaction(signals[i], &action, NULL);
  struct sigaction timeout = {.sa_handler = on_timeout, .sa_flags = SA_ONSTACK};
  sigaction(SIGALRM, &timeout, NULL);
  alarm(TIMEOUT_SECONDS);

  __asm__ volatile("int3" ::: "memory");
  alarm(0);
  write_answers(argv[2], first);
  return 0;
}
