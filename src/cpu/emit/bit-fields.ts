/** Where bits of a node come from: through operations that only move them, or leave them alone. */

import { fieldOf, type Integer, ones } from './integers.ts';
import { integerOf, isClear, shiftCount, significantBits, strip } from './known-bits.ts';
import type { Node } from './nodes.ts';
import {
  AND,
  EXTEND_S,
  EXTEND_U,
  EXTEND8_S,
  EXTEND16_S,
  LT_S,
  OR,
  SHL,
  SHR_S,
  SHR_U,
  WIDE_ARITHMETIC,
  WIDE_COMPARISON,
  WRAP,
  XOR,
} from './opcodes.ts';

/** Bits of a node: `low` is the place of the lowest. */
export interface Field {
  readonly node: Node;
  readonly low: number;
}

/**
 * Bits `low` to `low + count - 1` (at most 32) of the node as bits of a node that it is computed from, or of itself;
 * undefined where they are certainly clear.
 */
export function fieldSource(node: Node, low: number, count: number): Field | undefined {
  let field: Field = { node: strip(node), low };
  for (;;) {
    const next = earlier(field, count);
    // An i64's low half taken apart is no gain if nothing is found in it.
    if (next === undefined || (field.node.code === WRAP && earlier(next, count) === undefined)) {
      const { node: found, low: from } = next ?? field;
      return isClear(found, from, count) ? undefined : field;
    }
    field = next;
  }
}

/** The same bits in one of the arguments, if they are just those. */
function earlier({ node, low }: Field, count: number): Field | undefined {
  const x = node.args[0];
  if (x === undefined) return undefined;
  const width = node.type === 64 ? 64 : 32;
  const end = low + count;
  switch (node.code) {
    case WRAP:
      return { node: strip(x), low };
    case EXTEND_U:
      return end <= 32 ? { node: strip(x), low } : undefined;
    case EXTEND_S:
      return extended(x, 32, low, count);
    case EXTEND8_S:
      return extended(x, 8, low, count);
    case EXTEND16_S:
      return extended(x, 16, low, count);
    case SHL:
    case SHL + WIDE_ARITHMETIC: {
      const by = shiftCount(node);
      return by !== undefined && low >= by ? { node: strip(x), low: low - by } : undefined;
    }
    case SHR_U:
    case SHR_U + WIDE_ARITHMETIC: {
      const by = shiftCount(node);
      return by !== undefined && end + by <= width ? { node: strip(x), low: low + by } : undefined;
    }
    case SHR_S:
    case SHR_S + WIDE_ARITHMETIC: {
      const by = shiftCount(node);
      return by === undefined ? undefined : extended(x, width, low + by, count);
    }
    case AND:
    case AND + WIDE_ARITHMETIC: {
      const mask = integerOf(node.args[1] as Node);
      return mask !== undefined && isAllOnes(mask, low, count) ? { node: strip(x), low } : undefined;
    }
    case OR:
    case OR + WIDE_ARITHMETIC:
    case XOR:
    case XOR + WIDE_ARITHMETIC: {
      const y = node.args[1] as Node;
      if (isClear(y, low, count)) return { node: strip(x), low };
      return isClear(x, low, count) ? { node: strip(y), low } : undefined;
    }
    default:
      return undefined;
  }
}

/**
 * The bit that a value of 0 or 1 is, where it was taken out of a word: LT_S against 0 is the sign, and the others shift
 * and mask.
 */
export function bitSource(condition: Node): Field | undefined {
  const node = strip(condition);
  switch (node.code) {
    case LT_S:
    case LT_S + WIDE_COMPARISON: {
      const word = node.args[0] as Node;
      return integerOf(node.args[1] as Node) === 0 ? fieldSource(word, word.type === 64 ? 63 : 31, 1) : undefined;
    }
    case AND:
      return integerOf(node.args[1] as Node) === 1 ? fieldSource(node.args[0] as Node, 0, 1) : undefined;
    case WRAP:
    case SHR_U:
      return significantBits(node) === 1 ? fieldSource(node, 0, 1) : undefined;
    default:
      return undefined;
  }
}

/** Of a sign extension from `width` bits; each bit above is the sign. */
function extended(x: Node, width: number, low: number, count: number): Field | undefined {
  if (low + count <= width) return { node: strip(x), low };
  return count === 1 ? { node: strip(x), low: width - 1 } : undefined;
}

function isAllOnes(value: Integer, low: number, count: number): boolean {
  return fieldOf(value, low, count) === ones(count);
}
