/**
 * Handlers that stand for no instruction: what ends a block that does not end with a branch, what cannot decode, and the
 * check that a block lies within its code segment.
 */

import { CS, GP, UD } from '../algebra.ts';
import type { CodeSpace, ModuleBuilder } from '../emit/code-space.ts';
import type { EmitterContext } from '../emit/emitter.ts';
import type { FunctionRef, Node } from '../emit/nodes.ts';
import { type CoreEmitter, defineCore } from '../mmu/core-emitter.ts';
import { vcpu } from '../state.ts';
import { EXIT_BUDGET, EXIT_LIMIT } from './exits.ts';
import {
  OPERATION_BYTES,
  OPERATION_HANDLER,
  OPERATION_IMMEDIATE,
  OPERATION_IP,
  OPERATION_REMAINING,
} from './operation.ts';

export interface PseudoOperations {
  /** Continues at its own ip, through dispatch. */
  readonly proceed: FunctionRef;
  /** Leaves to the run loop at its own ip. */
  readonly halt: FunctionRef;
  /**
   * Goes on to the next operation if the block, which ends at the page offset in its immediate, lies within the code
   * segment (SDM Vol. 3A §5.3 "Limit Checking"); leaves to the run loop if not.
   */
  readonly limit: FunctionRef;
  /**
   * Goes on to the next operation, and says so to the translator when it has counted its immediate down to 0. A block
   * that the translator may get begins with it; where it has been translated, its region stands here instead.
   */
  readonly count: FunctionRef;
  /** Raises #UD, #GP(0). */
  readonly undefined: FunctionRef;
  readonly tooLong: FunctionRef;
}

export function reservePseudoOperations(space: CodeSpace): PseudoOperations {
  const handler = (): FunctionRef => space.reserve([], []);
  return {
    proceed: handler(),
    halt: handler(),
    limit: handler(),
    count: handler(),
    undefined: handler(),
    tooLong: handler(),
  };
}

function run(m: CoreEmitter, operation: Node): void {
  const { builder: b } = m;
  const handler = b.load(32, operation, OPERATION_HANDLER);
  b.tailCallAt(handler, { params: [32, 32], results: [] }, [m.vcpuBlock, operation]);
}

function runNext(m: CoreEmitter): void {
  run(m, m.add(m.operation, m.number(OPERATION_BYTES)));
}

export function definePseudoOperations(module: ModuleBuilder, context: EmitterContext, pseudo: PseudoOperations): void {
  const { core } = context;
  const continueHere = (m: CoreEmitter): void => {
    m.set(vcpu.rip, m.add(m.get(vcpu.ipBase), m.zext(m.field16(OPERATION_IP), 64)));
  };
  defineCore(module, context, 'proceed', pseudo.proceed, (m) => {
    continueHere(m);
    m.builder.tailCall(core.dispatch, [m.vcpuBlock, m.operation]);
    return undefined;
  });
  defineCore(module, context, 'halt', pseudo.halt, (m) => {
    continueHere(m);
    m.set(vcpu.exitReason, m.number(EXIT_BUDGET));
    return [];
  });
  defineCore(module, context, 'limit', pseudo.limit, (m) => {
    const { builder: b } = m;
    const end = m.zext(b.load(32, m.operation, OPERATION_IMMEDIATE), 64);
    const last = m.sub(m.add(m.get(vcpu.ipBase), end), m.const(64, 1));
    m.if(m.ltU(m.zext(m.getAt(vcpu.segmentLimit, CS), 64), last), () => {
      m.set(vcpu.budget, m.add(m.get(vcpu.budget), m.field8(OPERATION_REMAINING)));
      continueHere(m);
      m.set(vcpu.exitReason, m.number(EXIT_LIMIT));
      b.return([]);
    });
    runNext(m);
    return undefined;
  });
  defineCore(module, context, 'resume', core.resume, (m) => {
    run(m, m.operation);
    return undefined;
  });
  defineCore(module, context, 'count', pseudo.count, (m) => {
    const { builder: b } = m;
    const left = m.sub(b.load(32, m.operation, OPERATION_IMMEDIATE), m.number(1));
    b.store(32, m.operation, OPERATION_IMMEDIATE, left);
    m.if(m.isZero(left), () => {
      b.call(core.hot, [m.vcpuBlock, m.operation, m.operation]);
      const replaced = m.ne(b.load(32, m.operation, OPERATION_HANDLER), m.number(pseudo.count.slot));
      m.if(replaced, () => run(m, m.operation));
    });
    runNext(m);
    return undefined;
  });
  const raising = (name: string, ref: FunctionRef, vector: number, code?: number): void =>
    defineCore(module, context, name, ref, (m) => {
      m.set(vcpu.faultVector, m.number(vector));
      m.set(vcpu.faultHasCode, m.number(code === undefined ? 0 : 1));
      m.set(vcpu.faultCode, m.number(0));
      m.builder.tailCall(core.fault, [m.vcpuBlock, m.operation]);
      return undefined;
    });
  raising('undefined', pseudo.undefined, UD);
  raising('tooLong', pseudo.tooLong, GP, 0);
}
