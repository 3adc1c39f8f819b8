/** For the core module's own functions: the algebra plus the function builder's machine-level operations. */

import type { Type } from '../algebra.ts';
import type { ModuleBuilder } from '../emit/code-space.ts';
import type { EmitterContext } from '../emit/emitter.ts';
import type { FunctionBuilder } from '../emit/function-builder.ts';
import type { FunctionRef, Node } from '../emit/nodes.ts';
import { RoutineEmitter } from '../emit/routine.ts';

/** Faults leave with zero results; the caller looks at `faultVector`. */
export class CoreEmitter extends RoutineEmitter {
  readonly #results: readonly Type[];
  /** Opens the builder: core code works below the algebra. */
  readonly builder: FunctionBuilder;

  constructor(builder: FunctionBuilder, context: EmitterContext, name: string, results: readonly Type[]) {
    super(builder, context, { name, results, faults: true });
    this.builder = builder;
    this.#results = results;
  }

  get vcpuBlock(): Node {
    return this.cpu;
  }

  get operation(): Node {
    return this.operationNode;
  }

  number(value: number): Node {
    return this.i32(value);
  }

  field8(offset: number): Node {
    return this.operationField8(offset);
  }

  field16(offset: number): Node {
    return this.operationField16(offset);
  }

  override leaveWithFault(): void {
    this.b.return(this.#results.map((type) => this.b.constant(type, type === 64 || type === 128 ? 0n : 0)));
  }

  /** Calls a core function and returns its first result. */
  run(target: FunctionRef, ...args: Node[]): Node {
    return this.b.call(target, [this.cpu, this.operationNode, ...args])[0] as Node;
  }
}

/** Defines a core function; `build` gets its parameters and gives its results, unless it leaves by itself. */
export function defineCore(
  module: ModuleBuilder,
  context: EmitterContext,
  name: string,
  ref: FunctionRef,
  build: (m: CoreEmitter, ...args: Node[]) => Node[] | undefined,
): void {
  module.define(ref, name, (builder) => {
    const m = new CoreEmitter(builder, context, name, ref.results);
    const results = build(m, ...ref.params.slice(2).map((_, i) => builder.param(i + 2)));
    if (results !== undefined) builder.return(results);
  });
}
