/* SSE2 intrinsics: four floats or sixteen bytes at a time. */

#include "bench.h"
#include <emmintrin.h>

/* Four points of the Mandelbrot set at once, then a*x+y over arrays. */
uint32_t vector_float(uint32_t amount) {
  enum { LENGTH = 4096 };
  static float x[LENGTH] __attribute__((aligned(16))), y[LENGTH] __attribute__((aligned(16)));
  for (int i = 0; i < LENGTH; i++) x[i] = (float)(i % 97) * 0.01f;

  uint32_t sum = 1;
  const __m128 four = _mm_set1_ps(4), one = _mm_set1_ps(1);
  for (uint32_t row = 0; row < amount; row++) {
    __m128 im = _mm_set1_ps((float)(row % 128) * 0.018f - 1.15f);
    for (int column = 0; column < 128; column += 4) {
      __m128 re = _mm_add_ps(_mm_set1_ps((float)column * 0.02f - 2), _mm_set_ps(0.06f, 0.04f, 0.02f, 0));
      __m128 a = re, b = im, steps = _mm_setzero_ps();
      for (int i = 0; i < 64; i++) {
        __m128 aa = _mm_mul_ps(a, a), bb = _mm_mul_ps(b, b);
        __m128 inside = _mm_cmplt_ps(_mm_add_ps(aa, bb), four);
        if (_mm_movemask_ps(inside) == 0) break;
        steps = _mm_add_ps(steps, _mm_and_ps(inside, one));
        b = _mm_add_ps(_mm_mul_ps(_mm_add_ps(a, a), b), im);
        a = _mm_add_ps(_mm_sub_ps(aa, bb), re);
      }
      float counts[4];
      _mm_storeu_ps(counts, steps);
      sum = mix(sum, (uint32_t)(counts[0] + counts[1] * 3 + counts[2] * 5 + counts[3] * 7));
    }
    __m128 scale = _mm_set1_ps(0.5f + (float)(row & 7) * 0.05f);
    for (int i = 0; i < LENGTH; i += 4) {
      __m128 value = _mm_add_ps(_mm_mul_ps(scale, _mm_load_ps(y + i)), _mm_load_ps(x + i));
      _mm_store_ps(y + i, _mm_max_ps(_mm_min_ps(value, four), _mm_setzero_ps()));
    }
  }
  for (int i = 0; i < LENGTH; i++) sum = mix(sum, (uint32_t)(y[i] * 65536));
  return sum;
}

/* What image and text code does with bytes: differences, averages, saturation, multiply-add, compare and mask. */
uint32_t vector_integer(uint32_t amount) {
  enum { LENGTH = 16384 };
  static uint8_t a[LENGTH] __attribute__((aligned(16))), b[LENGTH] __attribute__((aligned(16)));
  uint32_t random = 64, sum = 1;
  for (int i = 0; i < LENGTH; i++) {
    a[i] = (uint8_t)(next_random(&random) >> 8);
    b[i] = (uint8_t)(random >> 16);
  }
  for (uint32_t round = 0; round < amount; round++) {
    __m128i distance = _mm_setzero_si128(), dots = distance, letters = distance;
    const __m128i letter = _mm_set1_epi8((char)(round & 127)), zero = _mm_setzero_si128();
    for (int i = 0; i < LENGTH; i += 16) {
      __m128i va = _mm_load_si128((const __m128i *)(a + i)), vb = _mm_load_si128((const __m128i *)(b + i));
      distance = _mm_add_epi64(distance, _mm_sad_epu8(va, vb));
      __m128i low = _mm_unpacklo_epi8(va, zero), high = _mm_unpackhi_epi8(vb, zero);
      dots = _mm_add_epi32(dots, _mm_madd_epi16(low, _mm_srli_epi16(high, 1)));
      letters = _mm_sub_epi8(letters, _mm_cmpeq_epi8(va, letter));
      __m128i next = _mm_avg_epu8(_mm_adds_epu8(va, letter), _mm_subs_epu8(vb, _mm_slli_epi16(letter, 1)));
      _mm_store_si128((__m128i *)(a + i), _mm_xor_si128(next, _mm_shuffle_epi32(vb, 0x1b)));
    }
    uint32_t parts[4];
    _mm_storeu_si128((__m128i *)parts, _mm_add_epi32(_mm_add_epi32(distance, dots), letters));
    for (int i = 0; i < 4; i++) sum = mix(sum, parts[i]);
  }
  return sum;
}
