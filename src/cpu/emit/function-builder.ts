/**
 * The body of one WebAssembly function under construction: expressions as a graph of nodes, effects in order, both in
 * nested lists that follow the structured control flow (`nodes.ts`). `lowering.ts` makes code of it.
 *
 * Order is kept by epochs. Every effect (store, assignment, call, branch) begins a new epoch; a node that reads
 * memory or a variable may only move to its single use within its own epoch and list.
 */

import type { ValueType } from '../../wasm/encoder.ts';
import type { Operation } from '../../wasm/operations.ts';
import type { Type, Variable } from '../algebra.ts';
import { type LoweredFunction, lower } from './lowering.ts';
import {
  ALIAS,
  CONSTANT,
  type Effect,
  type FunctionRef,
  type Hint,
  type Label,
  type Linkage,
  type List,
  LOAD32,
  LOAD32_8U,
  LOAD32_16U,
  LOAD64,
  LOAD128,
  LOCAL,
  type Local,
  Node,
  reaches,
  STORE32,
  STORE32_8,
  STORE32_16,
  STORE64,
  STORE128,
  VARIABLE,
  wasmType,
} from './nodes.ts';

const loadCodes: Record<string, number> = {
  8: LOAD32_8U,
  16: LOAD32_16U,
  32: LOAD32,
  64: LOAD64,
  128: LOAD128,
  f32: 0x2a,
  f64: 0x2b,
};
const storeCodes: Record<string, number> = {
  8: STORE32_8,
  16: STORE32_16,
  32: STORE32,
  64: STORE64,
  128: STORE128,
  f32: 0x38,
  f64: 0x39,
};

const NONE: readonly Node[] = [];

/** One side of a `branch`. */
export interface Arm {
  readonly list: List;
  readonly leaves: boolean;
}

/** Whether control never reaches the end of the list. */
function leaves(list: List): boolean {
  const last = list.items.at(-1);
  if (last === undefined || last instanceof Node) return false;
  switch (last.kind) {
    case 'return':
    case 'tail':
    case 'tailAt':
    case 'br':
      return true;
    case 'if':
      return last.whenFalse !== undefined && leaves(last.whenTrue) && leaves(last.whenFalse);
    default:
      return false;
  }
}

export class FunctionBuilder {
  readonly #params: readonly ValueType[];
  readonly #locals: ValueType[] = [];
  readonly #root: List = { items: [], loopDepth: 0, outer: undefined };
  #list = this.#root;
  #epoch = 0;
  readonly #paramNodes: readonly Node[];
  /** Locals made in the scope at hand, and those that nothing uses any more. */
  #scope: number[] | undefined;
  readonly #free = new Map<ValueType, number[]>();

  readonly #linkage: Linkage;

  constructor(params: readonly Type[], linkage: Linkage) {
    this.#linkage = linkage;
    this.#params = params.map(wasmType);
    this.#paramNodes = params.map((type, index) => this.#local(type, index));
  }

  param(index: number): Node {
    return this.#paramNodes[index] as Node;
  }

  // ---- Values ------------------------------------------------------------------------------------------------------

  constant(type: Type, value: number | bigint): Node {
    return new Node(type, CONSTANT, NONE, this.#list, this.#epoch, 0, undefined, value, false);
  }

  operation(operation: Pick<Operation, 'code'>, type: Type, args: readonly Node[], lanes?: readonly number[]): Node {
    return this.#add(new Node(type, operation.code, args, this.#list, this.#epoch, 0, lanes, undefined, false));
  }

  /** The same bits seen as another type of the same WebAssembly type. */
  alias(type: Type, node: Node): Node {
    return this.#add(new Node(type, ALIAS, [node], this.#list, this.#epoch, 0, undefined, undefined, false));
  }

  /** Memory at `base` (i32) + `offset`, of the type's width. Values of 8 and 16 bits come zero-extended. */
  load(type: Type, base: Node, offset: number, code = loadCodes[type] as number): Node {
    return this.#add(new Node(type, code, [base], this.#list, this.#epoch, offset, undefined, undefined, true));
  }

  /** The list that what is built now goes into. */
  get here(): List {
    return this.#list;
  }

  /** Whether the node is computed on every way that leads here, so that it may be used. */
  has(node: Node): boolean {
    return reaches(node.list, this.#list);
  }

  // ---- Effects -----------------------------------------------------------------------------------------------------

  store(type: Type, base: Node, offset: number, value: Node): void {
    this.#effect({ kind: 'store', code: storeCodes[type] as number, base, value, offset, epoch: this.#epoch });
  }

  /** memory.copy (to, from, bytes) */
  copy(to: Node, from: Node, bytes: Node): void {
    this.#effect({ kind: 'bulk', code: 0x0a, args: [to, from, bytes], epoch: this.#epoch });
  }

  /** memory.fill (to, byte, bytes) */
  fill(to: Node, byte: Node, bytes: Node): void {
    this.#effect({ kind: 'bulk', code: 0x0b, args: [to, byte, bytes], epoch: this.#epoch });
  }

  variable(type: Type, initial?: Node): Local {
    const variable = { type, index: this.#newLocal(wasmType(type)) };
    if (initial !== undefined) this.assign(variable, initial);
    return variable;
  }

  /** A variable that outlives the scope it is made in. */
  lasting(type: Type): Local {
    return { type, index: this.#params.length + this.#locals.push(wasmType(type)) - 1 };
  }

  assign(variable: Variable, value: Node): void {
    this.#effect({ kind: 'assign', local: (variable as Local).index, value, epoch: this.#epoch });
  }

  /** Assigns several variables at once: values may refer to what the others held before. */
  assignAll(variables: readonly Variable[], values: readonly Node[]): void {
    const locals = variables.map((variable) => (variable as Local).index);
    this.#effect({ kind: 'assignAll', locals, args: values, epoch: this.#epoch });
  }

  /**
   * What a variable holds, for one that is not assigned between here and the uses of the value: free to be read again
   * wherever it is used.
   */
  settled(variable: Variable): Node {
    const { type, index } = variable as Local;
    return new Node(type, LOCAL, NONE, this.#root, 0, index, undefined, undefined, false);
  }

  use(variable: Variable): Node {
    const { type, index } = variable as Local;
    return this.#add(new Node(type, VARIABLE, NONE, this.#list, this.#epoch, index, undefined, undefined, true));
  }

  /**
   * What `condition` refers to is computed before either arm. An arm that leaves, where control else goes on, counts as
   * the exception; `hint` says what the condition nearly always is where neither does.
   */
  if(condition: Node, then: () => void, otherwise?: () => void, hint?: Hint): void {
    const epoch = this.#epoch;
    const whenTrue = this.#nested(this.#list.loopDepth, then);
    const whenFalse = otherwise && this.#nested(this.#list.loopDepth, otherwise);
    this.#pushIf(condition, whenTrue, whenFalse, epoch, hint);
  }

  /**
   * As `if` with both arms; `merge` gets them when both are built, may add to either with `inside`, and is told which
   * ones never reach their end.
   */
  branch(
    condition: Node,
    then: () => void,
    otherwise: () => void,
    merge: (whenTrue: Arm, whenFalse: Arm) => void,
  ): void {
    const epoch = this.#epoch;
    const whenTrue = this.#nested(this.#list.loopDepth, then);
    const whenFalse = this.#nested(this.#list.loopDepth, otherwise);
    merge({ list: whenTrue, leaves: leaves(whenTrue) }, { list: whenFalse, leaves: leaves(whenFalse) });
    this.#pushIf(condition, whenTrue, whenFalse.items.length === 0 ? undefined : whenFalse, epoch);
  }

  #pushIf(condition: Node, whenTrue: List, whenFalse: List | undefined, epoch: number, asked?: Hint): void {
    this.#epoch++;
    const trueLeaves = leaves(whenTrue);
    const falseLeaves = whenFalse !== undefined && leaves(whenFalse);
    const hint = trueLeaves === falseLeaves ? asked : falseLeaves;
    this.#list.items.push({ kind: 'if', condition, whenTrue, whenFalse, hint, epoch });
  }

  /** A place in the code that `inside` fills later; what is computed there can be used only through variables. */
  sequence(): List {
    const body = this.#nested(this.#list.loopDepth, () => {});
    this.#effect({ kind: 'sequence', body, epoch: this.#epoch });
    return body;
  }

  /** Adds to the end of a list that was built before. */
  inside(list: List, build: () => void): void {
    const here = this.#list;
    this.#list = list;
    this.#epoch++;
    build();
    this.#list = here;
    this.#epoch++;
  }

  block(build: (end: Label) => void): void {
    const label = { depth: 0 };
    const body = this.#nested(this.#list.loopDepth, () => build(label));
    this.#effect({ kind: 'block', label, body, epoch: this.#epoch });
  }

  /** Repeats only where its body ends in a `br` to its start. */
  loop(build: (start: Label) => void): void {
    const label = { depth: 0 };
    const body = this.#nested(this.#list.loopDepth + 1, () => build(label));
    this.#effect({ kind: 'loop', label, body, epoch: this.#epoch });
  }

  br(label: Label): void {
    this.#effect({ kind: 'br', label, args: [], epoch: this.#epoch });
  }

  while(condition: () => Node, body: () => void): void {
    const depth = this.#list.loopDepth + 1;
    const epoch = this.#epoch;
    let test: Node | undefined;
    let testEpoch = 0;
    const testList = this.#nested(depth, () => {
      test = condition();
      testEpoch = this.#epoch;
    });
    const bodyList = this.#nested(depth, body, testList);
    this.#epoch++;
    this.#list.items.push({ kind: 'while', test: testList, condition: test as Node, testEpoch, body: bodyList, epoch });
  }

  call(target: FunctionRef, args: readonly Node[]): Node[] {
    const locals = target.results.map((type) => this.#newLocal(wasmType(type)));
    this.#effect({ kind: 'call', target, args, results: locals, epoch: this.#epoch });
    return target.results.map((type, i) => this.#local(type, locals[i] as number));
  }

  return(values: readonly Node[]): void {
    this.#effect({ kind: 'return', args: values, epoch: this.#epoch });
  }

  tailCall(target: FunctionRef, args: readonly Node[]): void {
    this.#effect({ kind: 'tail', target, args, epoch: this.#epoch });
  }

  /** Tail call of the function in table slot `slot`, of the signature given. */
  tailCallAt(slot: Node, signature: Pick<FunctionRef, 'params' | 'results'>, args: readonly Node[]): void {
    const type = this.#linkage.typeIndex(signature);
    this.#effect({ kind: 'tailAt', type, args: [...args, slot], epoch: this.#epoch });
  }

  /** Locals beyond the parameters, and the body without its final `end`. */
  finish(): LoweredFunction {
    return lower(this.#root, this.#params.length, this.#locals, this.#linkage);
  }

  #local(type: Type, index: number): Node {
    return new Node(type, LOCAL, NONE, this.#list, this.#epoch, index, undefined, undefined, false);
  }

  #newLocal(type: ValueType): number {
    const index = this.#free.get(type)?.pop() ?? this.#params.length + this.#locals.push(type) - 1;
    this.#scope?.push(index);
    return index;
  }

  /**
   * What `build` makes is of no use behind it: its locals are used again. Nothing in it may be built later, with
   * `inside`, that has locals of its own.
   */
  scoped(build: () => void): void {
    const outside = this.#scope;
    const scope: number[] = [];
    this.#scope = scope;
    const body = this.#nested(this.#list.loopDepth, build);
    this.#effect({ kind: 'sequence', body, epoch: this.#epoch });
    this.#scope = outside;
    for (const index of scope) {
      const type = this.#locals[index - this.#params.length] as ValueType;
      const free = this.#free.get(type);
      if (free === undefined) this.#free.set(type, [index]);
      else free.push(index);
    }
  }

  #add(node: Node): Node {
    this.#list.items.push(node);
    return node;
  }

  #effect(effect: Effect): void {
    this.#list.items.push(effect);
    this.#epoch++;
  }

  #nested(loopDepth: number, build: () => void, outerValues = this.#list): List {
    const outer = this.#list;
    const list: List = { items: [], loopDepth, outer: outerValues };
    this.#list = list;
    this.#epoch++;
    build();
    this.#list = outer;
    this.#epoch++;
    return list;
  }
}
