/* Sorting: numbers by a quicksort and a heapsort of our own, records by the C library's qsort. */

#include "bench.h"
#include <stdlib.h>

static void quick_sort(uint32_t *from, uint32_t *to) {
  while (to - from > 12) {
    uint32_t pivot = from[(to - from) / 2], *left = from, *right = to - 1;
    for (;;) {
      while (*left < pivot) left++;
      while (*right > pivot) right--;
      if (left >= right) break;
      uint32_t other = *left;
      *left++ = *right;
      *right-- = other;
    }
    quick_sort(from, left);
    from = left;
  }
  for (uint32_t *at = from + 1; at < to; at++) {
    uint32_t value = *at, *hole = at;
    for (; hole > from && hole[-1] > value; hole--) *hole = hole[-1];
    *hole = value;
  }
}

static void sift(uint32_t *heap, size_t at, size_t count) {
  uint32_t value = heap[at];
  for (size_t child; (child = 2 * at + 1) < count; at = child) {
    if (child + 1 < count && heap[child + 1] > heap[child]) child++;
    if (heap[child] <= value) break;
    heap[at] = heap[child];
  }
  heap[at] = value;
}

static void heap_sort(uint32_t *heap, size_t count) {
  for (size_t i = count / 2; i-- > 0;) sift(heap, i, count);
  for (size_t end = count; --end > 0;) {
    uint32_t largest = heap[0];
    heap[0] = heap[end];
    heap[end] = largest;
    sift(heap, 0, end);
  }
}

enum { NUMBERS = 20000 };

uint32_t sort(uint32_t amount) {
  static uint32_t numbers[NUMBERS];
  uint32_t random = 8080, sum = 1;
  for (uint32_t round = 0; round < amount; round++) {
    for (size_t i = 0; i < NUMBERS; i++) numbers[i] = next_random(&random);
    if (round & 1) heap_sort(numbers, NUMBERS);
    else quick_sort(numbers, numbers + NUMBERS);
    for (size_t i = 1; i < NUMBERS; i++) sum += numbers[i] < numbers[i - 1];
    sum = mix(sum, numbers[NUMBERS / 2]);
  }
  return sum;
}

struct record {
  uint32_t key;
  char name[12];
};

static int by_name_and_key(const void *left, const void *right) {
  const struct record *a = left, *b = right;
  for (int i = 0; i < 12; i++)
    if (a->name[i] != b->name[i]) return a->name[i] - b->name[i];
  return a->key < b->key ? -1 : a->key > b->key;
}

uint32_t qsort_libc(uint32_t amount) {
  enum { RECORDS = 4000 };
  static struct record records[RECORDS];
  uint32_t random = 555, sum = 1;
  for (uint32_t round = 0; round < amount; round++) {
    for (int i = 0; i < RECORDS; i++) {
      records[i].key = next_random(&random);
      for (int j = 0; j < 12; j++) records[i].name[j] = (char)('a' + (random >> (j + j) & 3));
    }
    qsort(records, RECORDS, sizeof *records, by_name_and_key);
    sum = mix(sum, records[RECORDS / 3].key);
  }
  return sum;
}
