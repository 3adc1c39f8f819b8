/*
 * What the benchmark's programs share. Each is a function that does `amount` units of work, always the same for the
 * same amount, and returns a checksum of what it computed, the same on every machine and for 32 and 64 bits.
 */

#ifndef BENCH_H
#define BENCH_H

#include <stddef.h>
#include <stdint.h>

typedef uint32_t program(uint32_t amount);

program integer, wide, division, bits, calls, indirect;
program sieve, stream, chase, matrix;
program string, sha256, hashtable;
program sort, qsort_libc;
program nbody, mandelbrot, libm, x87;
program vector_float, vector_integer;
program compress, decompress;
program interpreter;
program syscalls, signals, files, faults, forks, execs, pipes, switches;
program coremark_like, nbench_integer, nbench_float;

/* Marsaglia, "Xorshift RNGs" (2003), the 32-bit generator; never zero. */
static inline uint32_t next_random(uint32_t *state) {
  uint32_t x = *state;
  x ^= x << 13;
  x ^= x >> 17;
  x ^= x << 5;
  return *state = x;
}

/* One more value into a checksum; the order counts. */
static inline uint32_t mix(uint32_t sum, uint32_t value) {
  return ((sum << 5 | sum >> 27) ^ value) * 0x9e3779b1u;
}

static inline uint32_t mix_double(uint32_t sum, double value) {
  union {
    double real;
    uint64_t bits;
  } as = {value};
  return mix(mix(sum, (uint32_t)as.bits), (uint32_t)(as.bits >> 32));
}

/* Memory of a program's own, zeroed; the process ends with the program, so nothing is freed. */
void *room(size_t bytes);

#endif
