/* Floating point: scalar SSE2 double, the x87 in extended precision, and the C library's functions. */

#include "bench.h"
#include <math.h>

/* Five bodies that attract each other: multiplications, additions, a square root and a division a pair. */
uint32_t nbody(uint32_t amount) {
  enum { BODIES = 5 };
  double x[BODIES][3], v[BODIES][3], mass[BODIES];
  uint32_t random = 1687;
  for (int i = 0; i < BODIES; i++) {
    mass[i] = 1.0 / (1 + i * i);
    for (int d = 0; d < 3; d++) {
      x[i][d] = next_random(&random) / 4294967296.0 * 20 - 10;
      v[i][d] = next_random(&random) / 4294967296.0 - 0.5;
    }
  }
  const double step = 0.001;
  for (uint32_t round = 0; round < amount * 100; round++) {
    for (int i = 0; i < BODIES; i++)
      for (int j = i + 1; j < BODIES; j++) {
        double dx = x[i][0] - x[j][0], dy = x[i][1] - x[j][1], dz = x[i][2] - x[j][2];
        double square = dx * dx + dy * dy + dz * dz + 0.01;
        double pull = step / (square * sqrt(square));
        v[i][0] -= dx * mass[j] * pull, v[j][0] += dx * mass[i] * pull;
        v[i][1] -= dy * mass[j] * pull, v[j][1] += dy * mass[i] * pull;
        v[i][2] -= dz * mass[j] * pull, v[j][2] += dz * mass[i] * pull;
      }
    for (int i = 0; i < BODIES; i++)
      for (int d = 0; d < 3; d++) x[i][d] += step * v[i][d];
  }
  uint32_t sum = 1;
  for (int i = 0; i < BODIES; i++)
    for (int d = 0; d < 3; d++) sum = mix_double(sum, x[i][d]);
  return sum;
}

/* Steps until a point leaves the circle: comparisons of doubles, and a loop that ends anywhere. */
uint32_t mandelbrot(uint32_t amount) {
  uint32_t sum = 1;
  for (uint32_t row = 0; row < amount; row++)
    for (uint32_t column = 0; column < 200; column++) {
      double re = column * 0.015 - 2.1, im = (row % 150) * 0.016 - 1.2, a = 0, b = 0;
      uint32_t steps = 0;
      while (steps < 100 && a * a + b * b < 4.0) {
        double next = a * a - b * b + re;
        b = 2 * a * b + im;
        a = next;
        steps++;
      }
      sum = mix(sum, steps);
    }
  return sum;
}

/* Extended precision, which only the x87 has: sums, products, quotients and roots. */
uint32_t x87(uint32_t amount) {
  long double sum = 0, product = 1, continued = 2, polynomial = 0.25L, root = 1;
  for (uint32_t i = 1; i <= amount * 100; i++) {
    long double n = (long double)(int32_t)i;
    sum += 1 / (n * n);
    product = product * (1 + 1 / (n + 3)) - product / (n + 5);
    continued = 2 + 1 / continued + n * 1e-9L;
    polynomial = ((polynomial * 0.75L - 0.5L) * polynomial + 0.125L) * polynomial + 0.25L;
    root = sqrtl(root + n);
  }
  union {
    long double real;
    uint32_t bits[3];
  } as[5] = {{sum}, {product}, {continued}, {polynomial}, {root}};
  uint32_t check = 1;
  for (int i = 0; i < 5; i++) check = mix(mix(mix(check, as[i].bits[0]), as[i].bits[1]), as[i].bits[2] & 0xffff);
  return check;
}

/* Rounded to a millionth: the libraries of 32 and 64 bits need not agree in the last place. */
static uint32_t rounded(double value) { return (uint32_t)(int32_t)floor(value * 1e6 + 0.5); }

uint32_t libm(uint32_t amount) {
  uint32_t sum = 1;
  for (uint32_t i = 0; i < amount * 100; i++) {
    double x = i % 10007 * 0.0009973 + 0.01;
    sum = mix(sum, rounded(sin(x) + cos(3 * x)));
    sum = mix(sum, rounded(exp(-x) + log(x + 1)));
    sum = mix(sum, rounded(pow(x, 0.7)));
    sum = mix(sum, rounded(atan2(x, 2 - x) + tan(x * 0.1)));
  }
  return sum;
}
