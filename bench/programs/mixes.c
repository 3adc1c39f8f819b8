/*
 * Mixes in the manner of two well-known benchmarks; what they compute is our own. CoreMark's kinds of work are a list,
 * a matrix, a state machine and a CRC; nbench's are integer kernels (string sort, bit fields, software floating point,
 * assignment, a cipher) and floating-point ones (Fourier series, a neural net, LU decomposition).
 */

#include "bench.h"
#include <math.h>
#include <string.h>

static uint32_t crc16(uint32_t crc, uint32_t value, int bits) {
  for (int i = 0; i < bits; i++, value >>= 1) {
    uint32_t carry = (crc ^ value) & 1;
    crc >>= 1;
    if (carry) crc ^= 0xa001;
  }
  return crc;
}

struct item {
  struct item *next;
  int16_t value, order;
};

/* Merges two sorted lists. */
static struct item *merge(struct item *a, struct item *b, int by_value) {
  struct item first, *last = &first;
  while (a != NULL && b != NULL) {
    int take_a = by_value ? a->value <= b->value : a->order <= b->order;
    struct item **from = take_a ? &a : &b;
    last = last->next = *from;
    *from = (*from)->next;
  }
  last->next = a != NULL ? a : b;
  return first.next;
}

static struct item *sort_list(struct item *list, int by_value) {
  if (list == NULL || list->next == NULL) return list;
  struct item *slow = list;
  for (struct item *fast = list->next; fast != NULL && fast->next != NULL; fast = fast->next->next) slow = slow->next;
  struct item *half = slow->next;
  slow->next = NULL;
  return merge(sort_list(list, by_value), sort_list(half, by_value), by_value);
}

enum state { START, SIGN, DIGITS, POINT, FRACTION, EXPONENT, INVALID, STATES };

/* Which kind of number each word of a text is. */
static uint32_t scan(const char *text, uint32_t counts[STATES]) {
  enum state state = START;
  uint32_t changes = 0;
  for (; *text != '\0'; text++) {
    char c = *text;
    int digit = c >= '0' && c <= '9';
    enum state before = state;
    if (c == ',') {
      counts[state]++;
      state = START;
    } else {
      switch (state) {
        case START: state = digit ? DIGITS : c == '-' || c == '+' ? SIGN : c == '.' ? POINT : INVALID; break;
        case SIGN: state = digit ? DIGITS : c == '.' ? POINT : INVALID; break;
        case DIGITS: state = digit ? DIGITS : c == '.' ? POINT : c == 'e' ? EXPONENT : INVALID; break;
        case POINT:
        case FRACTION: state = digit ? FRACTION : c == 'e' ? EXPONENT : INVALID; break;
        case EXPONENT: state = digit || c == '-' ? EXPONENT : INVALID; break;
        default: break;
      }
    }
    changes += state != before;
  }
  return changes;
}

uint32_t coremark_like(uint32_t amount) {
  enum { ITEMS = 100, SIZE = 10 };
  static struct item items[ITEMS];
  static int16_t a[SIZE][SIZE], b[SIZE][SIZE];
  static char text[] = "5012,1234,-874,+122,35.54400,.1234500,-110.700,+0.64400,5.500e+3,-.123e-2,T0.3e-1F,-T.T++Tq,";
  uint32_t random = 66, crc = 0, counts[STATES] = {0};
  struct item *list = NULL;
  for (int i = 0; i < ITEMS; i++) {
    items[i] = (struct item){list, (int16_t)next_random(&random), (int16_t)(random >> 16)};
    list = &items[i];
    a[i / SIZE][i % SIZE] = (int16_t)(random & 63), b[i / SIZE][i % SIZE] = (int16_t)(random >> 8 & 63);
  }
  for (uint32_t round = 0; round < amount * 10; round++) {
    list = sort_list(list, round & 1);
    uint32_t found = 0;
    for (struct item *at = list; at != NULL; at = at->next) found += (at->value & 0xff) == (int)(round & 0xff);
    list->value ^= (int16_t)(round * 77);

    int32_t total = 0;
    for (int i = 0; i < SIZE; i++)
      for (int j = 0; j < SIZE; j++) {
        int32_t cell = 0;
        for (int k = 0; k < SIZE; k++) cell += a[i][k] * b[k][j];
        total += (cell >> 2 & 15) * (cell >> 5 & 127);
      }
    a[round % SIZE][round / 3 % SIZE] = (int16_t)(total & 63);

    text[round % (sizeof text - 1)] ^= round & 7 ? 0 : 1;
    crc = crc16(crc, scan(text, counts), 16);
    crc = crc16(crc, (uint32_t)total ^ found, 32);
    crc = crc16(crc, (uint16_t)list->value, 16);
  }
  for (int i = 0; i < STATES; i++) crc = mix(crc, counts[i]);
  return crc;
}

/* Floating point by hand: a sign, an exponent and 32 bits of mantissa with the top one set, or 0. */
struct number {
  uint32_t mantissa;
  int32_t exponent;
};

static struct number multiply(struct number a, struct number b) {
  uint64_t product = (uint64_t)a.mantissa * b.mantissa;
  if (product == 0) return (struct number){0, 0};
  int shift = product >> 63 ? 32 : 31;
  return (struct number){(uint32_t)(product >> shift), a.exponent + b.exponent + shift};
}

static struct number add(struct number a, struct number b) {
  if (a.exponent < b.exponent || a.mantissa == 0) {
    struct number other = a;
    a = b, b = other;
  }
  int32_t apart = a.exponent - b.exponent;
  uint64_t sum = (uint64_t)a.mantissa + (apart > 31 ? 0 : b.mantissa >> apart);
  return sum >> 32 ? (struct number){(uint32_t)(sum >> 1), a.exponent + 1} : (struct number){(uint32_t)sum, a.exponent};
}

/* The cheapest way to give each row a column of its own, by improving swaps. */
static uint32_t assignment(uint32_t *random) {
  enum { SIZE = 40 };
  static uint16_t cost[SIZE][SIZE];
  uint8_t column[SIZE];
  for (int i = 0; i < SIZE; i++) {
    column[i] = (uint8_t)i;
    for (int j = 0; j < SIZE; j++) cost[i][j] = (uint16_t)(next_random(random) >> 16);
  }
  for (int improved = 1; improved;) {
    improved = 0;
    for (int i = 0; i < SIZE; i++)
      for (int j = 0; j < i; j++) {
        int now = cost[i][column[i]] + cost[j][column[j]], swapped = cost[i][column[j]] + cost[j][column[i]];
        if (swapped >= now) continue;
        uint8_t other = column[i];
        column[i] = column[j], column[j] = other;
        improved = 1;
      }
  }
  uint32_t total = 0;
  for (int i = 0; i < SIZE; i++) total += cost[i][column[i]];
  return total;
}

/* A cipher of 16-bit additions, xors and multiplications modulo 65537. */
static uint32_t cipher(uint32_t block, const uint16_t key[16]) {
  uint32_t left = block >> 16, right = block & 0xffff;
  for (int i = 0; i < 16; i += 2) {
    left = (left == 0 ? 65536 : left) * (key[i] | 1) % 65537 & 0xffff;
    right = (right + key[i + 1]) & 0xffff;
    uint32_t other = left ^ right;
    left = right, right = other;
  }
  return left << 16 | right;
}

uint32_t nbench_integer(uint32_t amount) {
  enum { STRINGS = 200 };
  static char texts[STRINGS][24];
  static uint32_t map[512];
  const char *sorted[STRINGS];
  uint16_t key[16];
  uint32_t random = 1995, sum = 1;
  for (int i = 0; i < 16; i++) key[i] = (uint16_t)next_random(&random);
  for (uint32_t round = 0; round < amount; round++) {
    for (int i = 0; i < STRINGS; i++) { /* insertion sort of strings */
      uint32_t letters = 4 + next_random(&random) % 18;
      for (uint32_t j = 0; j < letters; j++) texts[i][j] = (char)('A' + (random >> j & 15));
      texts[i][letters] = '\0';
      int hole = i;
      for (; hole > 0 && strcmp(sorted[hole - 1], texts[i]) > 0; hole--) sorted[hole] = sorted[hole - 1];
      sorted[hole] = texts[i];
    }
    sum = mix(sum, (uint32_t)sorted[STRINGS / 2][1]);

    for (int i = 0; i < 400; i++) { /* bit fields */
      uint32_t bit = next_random(&random) & 0x3fff, length = random >> 20 & 63;
      for (; length > 0; length--, bit = (bit + 1) & 0x3fff) map[bit >> 5] ^= 1u << (bit & 31);
    }
    sum = mix(sum, map[round & 511]);

    struct number x = {0x80000001u, -31}, total = {0x80000000u, -40};
    for (int i = 0; i < 2000; i++) {
      x = multiply(x, (struct number){0x80000000u | random >> (i & 7), -31 - (i & 1)});
      total = add(total, x);
    }
    sum = mix(sum, total.mantissa);

    sum = mix(sum, assignment(&random));
    for (uint32_t i = 0, block = sum; i < 1000; i++) sum = mix(sum, block = cipher(block + i, key));
  }
  return sum;
}

/* One coefficient of a Fourier series, by the trapezium rule. */
static double coefficient(int n) {
  double sum = 0;
  for (int i = 0; i < 50; i++) {
    double x = i * 0.04;
    sum += pow(x + 1, x) * (n & 1 ? sin(n * x * 1.5) : cos(n * x * 1.5));
  }
  return sum * 0.04;
}

static double solve(uint32_t *random) {
  enum { SIZE = 30 };
  static double a[SIZE][SIZE], b[SIZE];
  for (int i = 0; i < SIZE; i++) {
    b[i] = next_random(random) / 4294967296.0;
    for (int j = 0; j < SIZE; j++) a[i][j] = next_random(random) / 4294967296.0 + (i == j ? SIZE : 0);
  }
  for (int k = 0; k < SIZE; k++)
    for (int i = k + 1; i < SIZE; i++) {
      double factor = a[i][k] / a[k][k];
      for (int j = k; j < SIZE; j++) a[i][j] -= factor * a[k][j];
      b[i] -= factor * b[k];
    }
  for (int i = SIZE; i-- > 0;) {
    for (int j = i + 1; j < SIZE; j++) b[i] -= a[i][j] * b[j];
    b[i] /= a[i][i];
  }
  return b[0] + b[SIZE / 2];
}

/* A step of learning by a net of 35 inputs, 8 hidden cells and 8 outputs; its error. */
static double learn(double hidden[8][35], double output[8][8], uint32_t pattern) {
  double in[35], middle[8], out[8], error = 0, back[8] = {0};
  for (int i = 0; i < 35; i++) in[i] = pattern >> (i & 31) & 1 ? 0.9 : 0.1;
  for (int i = 0; i < 8; i++) {
    double sum = 0;
    for (int j = 0; j < 35; j++) sum += hidden[i][j] * in[j];
    middle[i] = 1 / (1 + exp(-sum));
  }
  for (int i = 0; i < 8; i++) {
    double sum = 0;
    for (int j = 0; j < 8; j++) sum += output[i][j] * middle[j];
    out[i] = 1 / (1 + exp(-sum));
    double wrong = ((pattern >> (2 * i) & 1) ? 0.9 : 0.1) - out[i], slope = wrong * out[i] * (1 - out[i]);
    error += wrong * wrong;
    for (int j = 0; j < 8; j++) {
      back[j] += slope * output[i][j];
      output[i][j] += 0.5 * slope * middle[j];
    }
  }
  for (int i = 0; i < 8; i++)
    for (int j = 0; j < 35; j++) hidden[i][j] += 0.5 * back[i] * middle[i] * (1 - middle[i]) * in[j];
  return error;
}

/* Rounded, as in `libm`. */
static uint32_t rounded(double value) { return (uint32_t)(int32_t)floor(value * 1e5 + 0.5); }

uint32_t nbench_float(uint32_t amount) {
  static double hidden[8][35], output[8][8];
  uint32_t random = 1996, sum = 1;
  for (int i = 0; i < 8; i++) {
    for (int j = 0; j < 35; j++) hidden[i][j] = next_random(&random) / 4294967296.0 - 0.5;
    for (int j = 0; j < 8; j++) output[i][j] = next_random(&random) / 4294967296.0 - 0.5;
  }
  for (uint32_t round = 0; round < amount; round++) {
    for (int n = 1; n <= 4; n++) sum = mix(sum, rounded(coefficient((int)(round & 31) + n)));
    sum = mix(sum, rounded(solve(&random)));
    double error = 0;
    for (uint32_t i = 0; i < 8; i++) error += learn(hidden, output, 0x9e3779b1u * (i + 1));
    sum = mix(sum, rounded(error));
  }
  return sum;
}
