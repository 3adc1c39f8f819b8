/* An LZ77 compressor with hash chains, a byte format of its own, and its decompressor. */

#include "bench.h"
#include <string.h>

enum { SIZE = 1 << 16, HASHES = 1 << 12, WINDOW = 1 << 15, LONGEST = 130, SHORTEST = 4, TRIES = 16 };

/* Something between text and noise: words from a small list, numbers, and lines copied from before. */
static void make_text(uint8_t *text, uint32_t seed) {
  static const char *const words[] = {"page",  "table",     "entry", "of",  "the",
                                      "guest", "processor", "is",    "and", "memory"};
  uint32_t random = seed, length = 0;
  while (length < SIZE - 64) {
    next_random(&random);
    if (length > 1000 && (random & 7) == 0) {
      uint32_t from = random % (length - 64), count = 8 + (random >> 20 & 31);
      memcpy(text + length, text + from, count);
      length += count;
    } else if ((random & 7) < 3) {
      for (int i = 0; i < 4; i++) text[length++] = (uint8_t)(random >> (8 * i) & 0x3f) + ' ';
    } else {
      const char *word = words[(random >> 8) % 10];
      size_t letters = strlen(word);
      memcpy(text + length, word, letters);
      length += letters;
      text[length++] = ' ';
    }
  }
  while (length < SIZE) text[length++] = '\n';
}

static uint32_t hash_of(const uint8_t *at) {
  return ((uint32_t)at[0] << 16 ^ (uint32_t)at[1] << 8 ^ at[2] ^ (uint32_t)at[3] << 20) * 2654435761u >> 20;
}

/* Tokens: 0nnnnnnn and n+1 bytes as they are; 1nnnnnnn and a 16-bit distance for n + SHORTEST bytes from before. */
static size_t squeeze(const uint8_t *in, uint8_t *out) {
  static int32_t head[HASHES], before[SIZE];
  memset(head, -1, sizeof head);
  size_t length = 0;
  int32_t at = 0, literal = 0;
  while (at < SIZE) {
    int32_t best = 0, distance = 0;
    if (at + SHORTEST <= SIZE) {
      uint32_t hash = hash_of(in + at);
      int32_t other = head[hash];
      for (int tries = 0; tries < TRIES && other >= 0 && at - other < WINDOW; tries++, other = before[other]) {
        int32_t same = 0;
        while (same < LONGEST && at + same < SIZE && in[other + same] == in[at + same]) same++;
        if (same > best) best = same, distance = at - other;
      }
      before[at] = head[hash];
      head[hash] = at;
    }
    int32_t taken = best >= SHORTEST ? best : 1;
    if (best >= SHORTEST || at - literal == 127 || at + 1 == SIZE) {
      int32_t end = best >= SHORTEST ? at : at + 1;
      if (end > literal) {
        out[length++] = (uint8_t)(end - literal - 1);
        memcpy(out + length, in + literal, (size_t)(end - literal));
        length += (size_t)(end - literal);
      }
      if (best >= SHORTEST) {
        out[length++] = (uint8_t)(0x80 | (best - SHORTEST));
        out[length++] = (uint8_t)distance;
        out[length++] = (uint8_t)(distance >> 8);
      }
      literal = at + taken;
    }
    at += taken;
  }
  return length;
}

static size_t expand(const uint8_t *in, size_t length, uint8_t *out) {
  const uint8_t *end = in + length;
  uint8_t *start = out;
  while (in < end) {
    uint32_t token = *in++;
    if (token < 0x80) {
      for (uint32_t i = 0; i <= token; i++) *out++ = *in++;
    } else {
      const uint8_t *from = out - (in[0] | in[1] << 8);
      in += 2;
      for (uint32_t i = 0; i < (token & 0x7f) + SHORTEST; i++) *out++ = *from++;
    }
  }
  return (size_t)(out - start);
}

static uint8_t text[SIZE], squeezed[2 * SIZE], again[2 * SIZE];

uint32_t compress(uint32_t amount) {
  uint32_t sum = 1;
  for (uint32_t round = 0; round < amount; round++) {
    make_text(text, round + 1);
    size_t length = squeeze(text, squeezed);
    sum = mix(mix(sum, (uint32_t)length), squeezed[length / 2]);
  }
  return sum;
}

uint32_t decompress(uint32_t amount) {
  make_text(text, 1);
  size_t length = squeeze(text, squeezed);
  uint32_t sum = (uint32_t)length;
  for (uint32_t round = 0; round < amount; round++) {
    sum = mix(sum, (uint32_t)expand(squeezed, length, again));
    sum = mix(sum, again[round & (SIZE - 1)]);
  }
  return mix(sum, (uint32_t)memcmp(text, again, SIZE));
}
