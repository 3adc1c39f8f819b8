/* An interpreter of a small stack machine: one switch, as most interpreters have. */

#include "bench.h"

enum { PUSH, LOAD, STORE, ADD, MULTIPLY, XOR, LESS, PEEK, POKE, JUMP, JUMP_IF_ZERO, CALL, RETURN, HALT };
enum { I, LIMIT, TOTAL, ARGUMENT, VARIABLES };

struct operation {
  int code, operand;
};

/* for (i = 0; i < limit; i++) { total = f(total * 31 + i); cells[i] = total; }  f(x) = (cells[x] ^ x) + 7 */
static const struct operation listing[] = {
    {PUSH, 0},          {STORE, I},                       /*  0 */
    {LOAD, I},          {LOAD, LIMIT},    {LESS, 0},      /*  2 */
    {JUMP_IF_ZERO, 21},                                   /*  5 */
    {LOAD, TOTAL},      {PUSH, 31},       {MULTIPLY, 0},  /*  6 */
    {LOAD, I},          {ADD, 0},         {CALL, 22},     /*  9 */
    {STORE, TOTAL},                                       /* 12 */
    {LOAD, TOTAL},      {LOAD, I},        {POKE, 0},      /* 13 */
    {LOAD, I},          {PUSH, 1},        {ADD, 0},       /* 16 */
    {STORE, I},         {JUMP, 2},        {HALT, 0},      /* 19 */
    {STORE, ARGUMENT},  {LOAD, ARGUMENT}, {PEEK, 0},      /* 22 */
    {LOAD, ARGUMENT},   {XOR, 0},         {PUSH, 7},      /* 25 */
    {ADD, 0},           {RETURN, 0},                      /* 28 */
};

uint32_t interpreter(uint32_t amount) {
  enum { CELLS = 256 };
  static uint32_t stack[64], cells[CELLS];
  uint32_t variables[VARIABLES] = {0}, *top = stack;
  const struct operation *at = listing, *returns[8], **caller = returns;
  variables[LIMIT] = amount * 1000;
  for (;;) {
    const int operand = at->operand;
    switch (at++->code) {
      case PUSH: *top++ = (uint32_t)operand; break;
      case LOAD: *top++ = variables[operand]; break;
      case STORE: variables[operand] = *--top; break;
      case ADD: top--, top[-1] += *top; break;
      case MULTIPLY: top--, top[-1] *= *top; break;
      case XOR: top--, top[-1] ^= *top; break;
      case LESS: top--, top[-1] = top[-1] < *top; break;
      case PEEK: top[-1] = cells[top[-1] % CELLS]; break;
      case POKE: top -= 2, cells[top[1] % CELLS] = top[0]; break;
      case JUMP: at = listing + operand; break;
      case JUMP_IF_ZERO:
        if (*--top == 0) at = listing + operand;
        break;
      case CALL: *caller++ = at, at = listing + operand; break;
      case RETURN: at = *--caller; break;
      default: return variables[TOTAL];
    }
  }
}
