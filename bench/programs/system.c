/* Work that is mostly the kernel's: system calls, signals, files, page faults, processes, pipes. */

#define _GNU_SOURCE /* program_invocation_name, vfork */
#include "bench.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void must(int right, const char *what) {
  if (right) return;
  perror(what);
  exit(1);
}

/* The cheapest call, and one that copies a structure. */
uint32_t syscalls(uint32_t amount) {
  uint32_t sum = 1;
  struct stat status;
  for (uint32_t i = 0; i < amount * 100; i++) {
    sum += syscall(SYS_getppid) > 0;
    if ((i & 3) == 0) sum += fstat(STDOUT_FILENO, &status) == 0;
  }
  return sum;
}

static volatile uint32_t taken;
static void take(int number) { taken += (uint32_t)number; }

uint32_t signals(uint32_t amount) {
  struct sigaction action = {.sa_handler = take};
  sigaction(SIGUSR1, &action, NULL);
  for (uint32_t i = 0; i < amount * 100; i++) raise(SIGUSR1);
  return taken;
}

/* Makes, writes, reads and removes small files in memory. */
uint32_t files(uint32_t amount) {
  static uint8_t page[4096];
  uint32_t sum = 1;
  for (uint32_t i = 0; i < amount * 10; i++) {
    char name[32];
    sprintf(name, "/file-%u", i % 50);
    int file = open(name, O_RDWR | O_CREAT, 0600);
    must(file >= 0, "open");
    for (int j = 0; j < 4; j++) must(write(file, page, sizeof page) == sizeof page, "write");
    lseek(file, 4096, SEEK_SET);
    must(read(file, page, sizeof page) == sizeof page, "read");
    page[i & 4095]++;
    struct stat status;
    must(fstat(file, &status) == 0, "fstat");
    sum = mix(sum, (uint32_t)status.st_size + page[(i * 7) & 4095]);
    close(file);
    must(unlink(name) == 0, "unlink");
  }
  return sum;
}

/* Maps memory, touches every page, write-protects and touches again, unmaps. */
uint32_t faults(uint32_t amount) {
  enum { PAGES = 256 };
  uint32_t sum = 1;
  for (uint32_t i = 0; i < amount; i++) {
    uint8_t *memory = room(PAGES * 4096);
    for (uint32_t page = 0; page < PAGES; page++) memory[page * 4096 + (i & 4095)] = (uint8_t)page;
    must(mprotect(memory, PAGES * 4096, PROT_READ) == 0, "mprotect");
    must(mprotect(memory, PAGES * 4096, PROT_READ | PROT_WRITE) == 0, "mprotect");
    for (uint32_t page = 0; page < PAGES; page++) sum += memory[page * 4096 + (i & 4095)]++;
    must(munmap(memory, PAGES * 4096) == 0, "munmap");
  }
  return sum;
}

/* Processes that write to a few pages that they share with their parent, and end. */
uint32_t forks(uint32_t amount) {
  enum { PAGES = 64 };
  uint8_t *memory = room(PAGES * 4096);
  for (uint32_t page = 0; page < PAGES; page++) memory[page * 4096] = (uint8_t)page;
  uint32_t sum = 1;
  for (uint32_t i = 0; i < amount; i++) {
    pid_t child = fork();
    must(child >= 0, "fork");
    if (child == 0) {
      for (uint32_t page = 0; page < PAGES; page += 4) memory[page * 4096] += (uint8_t)i;
      _exit(memory[(i * 4 % PAGES) * 4096] & 127);
    }
    int status;
    must(waitpid(child, &status, 0) == child, "waitpid");
    sum = mix(sum, (uint32_t)status);
  }
  return sum;
}

static __attribute__((noinline)) pid_t start_anew(void) {
  pid_t child = vfork();
  if (child != 0) return child;
  execl(program_invocation_name, "bench", (char *)NULL);
  _exit(127);
}

/* This very program, anew: it ends at once. */
uint32_t execs(uint32_t amount) {
  uint32_t sum = 1;
  for (uint32_t i = 0; i < amount; i++) {
    pid_t child = start_anew();
    must(child >= 0, "vfork");
    int status;
    must(waitpid(child, &status, 0) == child, "waitpid");
    sum = mix(sum, (uint32_t)status);
  }
  return sum;
}

/* A process writes 4 KiB at a time, another reads. */
uint32_t pipes(uint32_t amount) {
  static uint32_t words[1024];
  int ends[2];
  must(pipe(ends) == 0, "pipe");
  pid_t child = fork();
  must(child >= 0, "fork");
  if (child == 0) {
    for (uint32_t i = 0; i < amount * 100; i++) {
      words[i & 1023] = i;
      must(write(ends[1], words, sizeof words) == sizeof words, "write");
    }
    _exit(0);
  }
  close(ends[1]);
  uint32_t sum = 1, total = 0;
  for (ssize_t count; (count = read(ends[0], words, sizeof words)) > 0; total += (uint32_t)count)
    sum += words[0] ^ words[1023];
  waitpid(child, NULL, 0);
  return mix(sum, total);
}

/* Two processes that pass a byte to and fro: two switches a round. */
uint32_t switches(uint32_t amount) {
  int to[2], fro[2];
  must(pipe(to) == 0 && pipe(fro) == 0, "pipe");
  pid_t child = fork();
  must(child >= 0, "fork");
  uint8_t byte = 1;
  if (child == 0) {
    close(to[1]);
    while (read(to[0], &byte, 1) == 1) {
      byte = (uint8_t)(byte * 5 + 1);
      must(write(fro[1], &byte, 1) == 1, "write");
    }
    _exit(0);
  }
  uint32_t sum = 1;
  for (uint32_t i = 0; i < amount * 10; i++) {
    must(write(to[1], &byte, 1) == 1 && read(fro[0], &byte, 1) == 1, "pipe");
    sum = mix(sum, byte);
  }
  close(to[1]);
  waitpid(child, NULL, 0);
  return sum;
}
