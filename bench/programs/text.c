/* Text, hashing and a hash table. */

#include "bench.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The C library's string functions over lines of words, and numbers to text and back. */
uint32_t string(uint32_t amount) {
  static char text[16384], copy[16384];
  uint32_t random = 2024, sum = 1;
  for (uint32_t round = 0; round < amount; round++) {
    size_t length = 0;
    while (length < sizeof text - 40) {
      uint32_t letters = 1 + next_random(&random) % 11;
      for (uint32_t i = 0; i < letters; i++) text[length++] = (char)('a' + (next_random(&random) >> 9) % 26);
      text[length++] = random & 0x1000 ? ' ' : '\n';
    }
    length += (size_t)sprintf(text + length, "%u:%x:%08d", round, random, (int)(random >> 8));

    for (int i = 0; i < 8; i++) {
      memmove(copy, text + i, length + 1 - (size_t)i);
      sum = mix(sum, (uint32_t)strlen(copy));
      sum = mix(sum, (uint32_t)(strcmp(copy, text) > 0));
      sum = mix(sum, (uint32_t)(strrchr(copy, ' ') - copy));
      char *found = strstr(copy, "the");
      sum = mix(sum, found == NULL ? 0 : (uint32_t)(found - copy));
    }
    uint32_t words = 0;
    char *rest = copy;
    for (char *word; (word = strtok(rest, " \n")) != NULL; rest = NULL)
      words += 1 + (memchr(word, 'e', strlen(word)) != NULL);
    sum = mix(sum, words);
    sum = mix(sum, (uint32_t)strtoul(strchr(text, ':') + 1, NULL, 16));
  }
  return sum;
}

/* FIPS 180-4, "Secure Hash Standard", §4.2.2: the fractions of the cube roots of the first 64 primes. */
static void sha256_constants(uint32_t k[64]) {
  for (uint32_t count = 0, n = 2; count < 64; n++) {
    uint32_t prime = 1;
    for (uint32_t d = 2; d * d <= n; d++) prime &= n % d != 0;
    if (!prime) continue;
    double root = cbrt(n);
    k[count++] = (uint32_t)((root - floor(root)) * 4294967296.0);
  }
}

static uint32_t rotate(uint32_t x, int n) { return x >> n | x << (32 - n); }

/* §6.2.2, each block made of the hash before it. */
uint32_t sha256(uint32_t amount) {
  static uint32_t k[64];
  sha256_constants(k);
  uint32_t state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  for (uint32_t block = 0; block < amount * 100; block++) {
    uint32_t w[64];
    for (int t = 0; t < 16; t++) w[t] = state[t & 7] + block * (uint32_t)t;
    for (int t = 16; t < 64; t++) {
      uint32_t s0 = rotate(w[t - 15], 7) ^ rotate(w[t - 15], 18) ^ w[t - 15] >> 3;
      uint32_t s1 = rotate(w[t - 2], 17) ^ rotate(w[t - 2], 19) ^ w[t - 2] >> 10;
      w[t] = w[t - 16] + s0 + w[t - 7] + s1;
    }
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    for (int t = 0; t < 64; t++) {
      uint32_t t1 = h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & f) ^ (~e & g)) + k[t] + w[t];
      uint32_t t2 = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
      h = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d;
    state[4] += e, state[5] += f, state[6] += g, state[7] += h;
  }
  uint32_t sum = 1;
  for (int i = 0; i < 8; i++) sum = mix(sum, state[i]);
  return sum;
}

/* Open addressing: inserts, finds and deletes of random keys, FNV-1a over their bytes. */
uint32_t hashtable(uint32_t amount) {
  enum { SLOTS = 1 << 16, KEYS = 1 << 15 };
  struct slot {
    uint32_t key, count;
  } *slots = room(SLOTS * sizeof *slots);
  uint32_t random = 606, sum = 1;
  for (uint32_t i = 0; i < amount * 1000; i++) {
    uint32_t key = (next_random(&random) & (KEYS - 1)) + 1, hash = 2166136261u;
    for (int shift = 0; shift < 32; shift += 8) hash = (hash ^ (key >> shift & 255)) * 16777619u;
    uint32_t at = hash & (SLOTS - 1);
    while (slots[at].key != 0 && slots[at].key != key) at = (at + 1) & (SLOTS - 1);
    slots[at].key = key;
    slots[at].count = random & 0x70000 ? slots[at].count + 1 : 0;
    sum += slots[at].count * at;
  }
  return mix(sum, random);
}
