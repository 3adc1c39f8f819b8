/*
 * The guest's only program, and its first process. Reads lines "NAME AMOUNT" from the console, runs each program in a
 * process of its own, and prints
 *
 *     begin NAME
 *     end NAME CHECKSUM SECONDS        or: failed NAME STATUS
 *
 * SECONDS is by the guest's clock. The host takes its own time between the two lines. Called with a NAME and an AMOUNT
 * it runs that program and prints the last line, on any Linux.
 */

#include "bench.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static const struct {
  const char *name;
  program *run;
} programs[] = {
    {"integer", integer},
    {"wide", wide},
    {"division", division},
    {"bits", bits},
    {"calls", calls},
    {"indirect", indirect},
    {"sieve", sieve},
    {"stream", stream},
    {"chase", chase},
    {"matrix", matrix},
    {"string", string},
    {"sha256", sha256},
    {"hashtable", hashtable},
    {"sort", sort},
    {"qsort", qsort_libc},
    {"nbody", nbody},
    {"mandelbrot", mandelbrot},
    {"vector-float", vector_float},
    {"vector-integer", vector_integer},
    {"x87", x87},
    {"libm", libm},
    {"compress", compress},
    {"decompress", decompress},
    {"interpreter", interpreter},
    {"coremark-like", coremark_like},
    {"nbench-integer", nbench_integer},
    {"nbench-float", nbench_float},
    {"syscall", syscalls},
    {"signal", signals},
    {"files", files},
    {"fault", faults},
    {"fork", forks},
    {"exec", execs},
    {"pipe", pipes},
    {"switch", switches},
};

void *room(size_t bytes) {
  void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    perror("mmap");
    exit(1);
  }
  return memory;
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int run(const char *name, uint32_t amount) {
  for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
    if (strcmp(programs[i].name, name) != 0) continue;
    printf("begin %s\n", name);
    tcdrain(STDOUT_FILENO); /* or it would be sent while the program runs */
    double start = now();
    uint32_t checksum = programs[i].run(amount);
    printf("end %s %08x %.6f\n", name, (unsigned)checksum, now() - start);
    return 0;
  }
  return 2;
}

/*
 * A hundred times a second this process runs for a moment, as there are others in any system. Without a switch now and
 * then QEMU, which chooses the size of its TLB when that is flushed, would be slow or fast by what ran before.
 */
static void run_apart(const char *name, uint32_t amount) {
  const struct timespec moment = {.tv_nsec = 10000000};
  pid_t child = fork(), ended;
  if (child == 0) exit(run(name, amount));
  int status = -1;
  while ((ended = waitpid(child, &status, WNOHANG)) == 0) nanosleep(&moment, NULL);
  if (ended != child || status != 0) printf("failed %s %d\n", name, status);
}

int main(int count, char **words) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (getpid() != 1) {
    if (count == 1) return 0; /* started by the program `exec` */
    return count == 3 ? run(words[1], (uint32_t)strtoul(words[2], NULL, 10)) : 2;
  }

  struct termios console;
  tcgetattr(STDIN_FILENO, &console);
  console.c_lflag &= ~(tcflag_t)ECHO;
  tcsetattr(STDIN_FILENO, TCSANOW, &console);

  printf("ready\n");
  char line[80], name[40];
  unsigned amount;
  while (fgets(line, sizeof line, stdin) != NULL)
    if (sscanf(line, "%39s %u", name, &amount) == 2) run_apart(name, amount);
  for (;;) pause(); /* the first process must not end */
}
