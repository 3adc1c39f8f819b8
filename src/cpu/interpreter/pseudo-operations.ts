/** Handlers that stand for no instruction: what ends a block that does not end with a branch, and what cannot decode. */

import { GP, UD } from '../algebra.ts';
import type { CodeSpace, ModuleBuilder } from '../emit/code-space.ts';
import type { EmitterContext } from '../emit/emitter.ts';
import type { FunctionRef } from '../emit/nodes.ts';
import { type CoreEmitter, defineCore } from '../mmu/core-emitter.ts';
import { vcpu } from '../state.ts';
import { EXIT_BUDGET } from './exits.ts';
import { OPERATION_IP } from './operation.ts';

export interface PseudoOperations {
  /** Continues at its own ip, through dispatch. */
  readonly proceed: FunctionRef;
  /** Leaves to the run loop at its own ip. */
  readonly halt: FunctionRef;
  /** Raises #UD, #GP(0). */
  readonly undefined: FunctionRef;
  readonly tooLong: FunctionRef;
}

export function reservePseudoOperations(space: CodeSpace): PseudoOperations {
  const handler = (): FunctionRef => space.reserve([], []);
  return { proceed: handler(), halt: handler(), undefined: handler(), tooLong: handler() };
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
