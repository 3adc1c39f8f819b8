/* Loads and stores: in order, all over, and through pointers. */

#include "bench.h"
#include <string.h>

/* The primes below a million, in a byte each. */
uint32_t sieve(uint32_t amount) {
  enum { LIMIT = 1000000 };
  uint8_t *composite = room(LIMIT);
  uint32_t sum = 1;
  for (uint32_t i = 0; i < amount; i++) {
    uint32_t count = 0;
    memset(composite, 0, LIMIT);
    for (uint32_t n = 2; n < LIMIT; n++) {
      if (composite[n]) continue;
      count++;
      for (uint32_t multiple = 2 * n; multiple < LIMIT; multiple += n) composite[multiple] = 1;
    }
    sum = mix(sum, count);
  }
  return sum;
}

/* Scale, add and copy whole arrays of 1 MiB. */
uint32_t stream(uint32_t amount) {
  enum { WORDS = 1 << 18 };
  uint32_t *a = room(3 * WORDS * sizeof *a), *b = a + WORDS, *c = b + WORDS;
  for (uint32_t i = 0; i < WORDS; i++) a[i] = i * 2654435761u;
  for (uint32_t round = 0; round < amount; round++) {
    for (uint32_t i = 0; i < WORDS; i++) b[i] = a[i] * 5 + round;
    for (uint32_t i = 0; i < WORDS; i++) c[i] = a[i] + b[WORDS - 1 - i];
    memcpy(a, c, WORDS * sizeof *a);
  }
  uint32_t sum = 1;
  for (uint32_t i = 0; i < WORDS; i++) sum = mix(sum, a[i]);
  return sum;
}

struct link {
  uint32_t next, value, padding[14];
};

/* Follows links in random order through 8 MiB, one to a cache line. */
uint32_t chase(uint32_t amount) {
  enum { LINKS = 1 << 17 };
  struct link *links = room(LINKS * sizeof *links);
  uint32_t random = 4242, sum = 1;
  for (uint32_t i = 0; i < LINKS; i++) links[i].next = i;
  for (uint32_t i = LINKS - 1; i > 0; i--) { /* Sattolo's shuffle: one cycle through all */
    uint32_t other = next_random(&random) % i, next = links[i].next;
    links[i].next = links[other].next;
    links[other].next = next;
  }
  uint32_t at = 0;
  for (uint32_t i = 0; i < amount * 1000; i++) {
    links[at].value += i;
    sum += links[at].value ^ at;
    at = links[at].next;
  }
  return mix(sum, at);
}

/* Products of integer matrices, 120 by 120. */
uint32_t matrix(uint32_t amount) {
  enum { SIZE = 120 };
  static int32_t a[SIZE][SIZE], b[SIZE][SIZE], c[SIZE][SIZE];
  uint32_t random = 31, sum = 1;
  for (int i = 0; i < SIZE; i++)
    for (int j = 0; j < SIZE; j++) {
      a[i][j] = (int32_t)(next_random(&random) & 255) - 128;
      b[i][j] = (int32_t)(next_random(&random) & 255) - 128;
    }
  for (uint32_t round = 0; round < amount; round++) {
    for (int i = 0; i < SIZE; i++)
      for (int j = 0; j < SIZE; j++) {
        int32_t total = 0;
        for (int k = 0; k < SIZE; k++) total += a[i][k] * b[k][j];
        c[i][j] = total;
      }
    for (int i = 0; i < SIZE; i++)
      for (int j = 0; j < SIZE; j++) a[i][j] = (c[i][j] & 255) - 128;
    sum = mix(sum, (uint32_t)c[round % SIZE][SIZE / 2]);
  }
  return sum;
}
