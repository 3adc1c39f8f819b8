/* Integer arithmetic, bit operations, division, and the ways to call a function. */

#include "bench.h"

/* Steps of the Collatz problem: dependent arithmetic and unforeseeable branches. */
uint32_t integer(uint32_t amount) {
  uint32_t sum = 1;
  for (uint32_t start = 1; start <= amount * 1000; start++) {
    uint32_t n = start, steps = 0;
    while (n != 1 && n < 0x40000000u) {
      n = n & 1 ? 3 * n + 1 : n >> 1;
      steps++;
    }
    sum = mix(sum, steps);
  }
  return sum;
}

/* 64-bit arithmetic: multiply, rotate, add, xor. */
uint32_t wide(uint32_t amount) {
  uint64_t a = 0x9e3779b97f4a7c15u, b = 0xbf58476d1ce4e5b9u, c = 1;
  for (uint32_t i = 0; i < amount * 1000; i++) {
    a += b << 21 | b >> 43;
    b ^= a * 0x94d049bb133111ebu;
    c = (c << 7 | c >> 57) + (a ^ i);
    b -= c >> 3;
  }
  uint64_t all = a ^ b ^ c;
  return (uint32_t)(all ^ all >> 32);
}

/* Divisions of 32 and 64 bits, signed and unsigned, with divisors that no compiler knows. */
uint32_t division(uint32_t amount) {
  uint32_t random = 12345, sum = 1;
  for (uint32_t i = 0; i < amount * 1000; i++) {
    uint32_t divisor = (next_random(&random) >> (i & 15)) | 1;
    uint32_t value = random * 2654435761u;
    uint64_t wide_value = (uint64_t)value << 32 | random;
    sum += value / divisor;
    sum ^= value % (divisor >> 3 | 1);
    sum += (uint32_t)((int32_t)value / (int32_t)(divisor | 2));
    sum ^= (uint32_t)(wide_value / divisor);
  }
  return sum;
}

/* Shifts, masks, counts and a bitmap that is set and cleared by runs. */
uint32_t bits(uint32_t amount) {
  static uint32_t bitmap[2048];
  uint32_t random = 777, sum = 1;
  for (uint32_t i = 0; i < amount * 100; i++) {
    uint32_t from = next_random(&random) & 0xffff, length = next_random(&random) & 255;
    for (uint32_t bit = from; bit < from + length; bit++) {
      uint32_t word = bit >> 5 & 2047, mask = 1u << (bit & 31);
      switch (i & 3) {
        case 0: bitmap[word] &= ~mask; break;
        case 1: bitmap[word] ^= mask; break;
        default: bitmap[word] |= mask;
      }
    }
    uint32_t v = bitmap[from >> 5];
    v -= v >> 1 & 0x55555555;
    v = (v & 0x33333333) + (v >> 2 & 0x33333333);
    sum = mix(sum, ((v + (v >> 4)) & 0x0f0f0f0f) * 0x01010101u >> 24);
  }
  return sum;
}

static __attribute__((noinline)) uint32_t fibonacci(uint32_t n) {
  if (n < 2) return n;
  uint32_t before = fibonacci(n - 1);
  __asm__ volatile("" : "+r"(before)); /* or the compiler makes a loop of one of the calls */
  return before + fibonacci(n - 2);
}

static __attribute__((noinline)) uint32_t ackermann(uint32_t m, uint32_t n) {
  if (m == 0) return n + 1;
  uint32_t inner = n == 0 ? 1 : ackermann(m, n - 1);
  __asm__ volatile("" : "+r"(inner));
  uint32_t result = ackermann(m - 1, inner);
  __asm__ volatile("" : "+r"(result));
  return result;
}

/* Direct calls and returns, shallow and deep. */
uint32_t calls(uint32_t amount) {
  uint32_t sum = 1;
  for (uint32_t i = 0; i < amount; i++) {
    sum = mix(sum, fibonacci(20 + (i & 1)));
    sum = mix(sum, ackermann(2, 60 + (i & 7)));
  }
  return sum;
}

#define STEP(name, expression)                                             \
  static __attribute__((noinline)) uint32_t name(uint32_t a, uint32_t b) { \
    return expression;                                                     \
  }
STEP(step_add, a + b)
STEP(step_sub, a - b * 3)
STEP(step_xor, a ^ (b << 3))
STEP(step_rotate, (a << 9 | a >> 23) + b)
STEP(step_multiply, a * (b | 1))
STEP(step_shift, (a >> 3) ^ b)
STEP(step_not, ~a + b)
STEP(step_swap, (a << 16 | a >> 16) ^ b)

/* Calls through pointers, in an order that is at first regular and then random. */
uint32_t indirect(uint32_t amount) {
  static uint32_t (*const steps[])(uint32_t, uint32_t) = {step_add,      step_sub,   step_xor, step_rotate,
                                                          step_multiply, step_shift, step_not, step_swap};
  uint32_t random = 99, value = 1;
  for (uint32_t i = 0; i < amount * 500; i++) value = steps[i & 7](value, i);
  for (uint32_t i = 0; i < amount * 500; i++) value = steps[next_random(&random) >> 7 & 7](value, random);
  return value;
}
