/**
 * The shape of a region's control flow: dominators, loops, and where code of several ways comes together. From it
 * `structured` makes nested blocks and loops without a dispatch switch.
 *
 * Follows N. Ramsey, "Beyond Relooper: Recursive Translation of Unstructured Control Flow to Structured Control Flow"
 * (ICFP 2022), and for dominators K. Cooper, T. Harvey, K. Kennedy, "A Simple, Fast Dominance Algorithm" (2001).
 */

export interface FlowGraph {
  /** Successors by node; node 0 is the entry. */
  readonly successors: readonly (readonly number[])[];
}

export class ControlFlow {
  /** Reverse postorder number by node; -1 for what cannot be reached. */
  readonly order: Int32Array;
  /** Nodes in reverse postorder. */
  readonly sequence: number[] = [];
  readonly #dominator: Int32Array;
  readonly #loopHeaders = new Set<number>();
  readonly #mergePoints = new Set<number>();
  /** Children in the dominator tree that are merge points, last in reverse postorder first. */
  readonly #merging = new Map<number, number[]>();

  constructor({ successors }: FlowGraph) {
    const count = successors.length;
    this.order = new Int32Array(count).fill(-1);
    this.#number(successors);
    this.#dominator = new Int32Array(count).fill(-1);
    this.#findDominators(successors);
    const forward = new Int32Array(count);
    for (const from of this.sequence) {
      for (const to of successors[from] as readonly number[]) {
        if (!this.isBackward(from, to)) forward[to]++;
        else if (this.dominates(to, from)) this.#loopHeaders.add(to);
      }
    }
    for (const node of [...this.sequence].reverse()) {
      if ((forward[node] as number) < 2) continue;
      this.#mergePoints.add(node);
      const parent = this.#dominator[node] as number;
      const list = this.#merging.get(parent);
      if (list === undefined) this.#merging.set(parent, [node]);
      else list.push(node);
    }
  }

  #number(successors: FlowGraph['successors']): void {
    const postorder: number[] = [];
    const visited = new Set<number>([0]);
    const stack: { node: number; next: number }[] = [{ node: 0, next: 0 }];
    while (stack.length > 0) {
      const top = stack[stack.length - 1] as { node: number; next: number };
      const targets = successors[top.node] as readonly number[];
      if (top.next === targets.length) {
        postorder.push(top.node);
        stack.pop();
        continue;
      }
      const to = targets[top.next++] as number;
      if (visited.has(to)) continue;
      visited.add(to);
      stack.push({ node: to, next: 0 });
    }
    for (const node of postorder.reverse()) this.order[node] = this.sequence.push(node) - 1;
  }

  #findDominators(successors: FlowGraph['successors']): void {
    const predecessors = successors.map((): number[] => []);
    for (const from of this.sequence) {
      for (const to of successors[from] as readonly number[]) (predecessors[to] as number[]).push(from);
    }
    this.#dominator[0] = 0;
    for (let changed = true; changed; ) {
      changed = false;
      for (const node of this.sequence) {
        if (node === 0) continue;
        let dominator = -1;
        for (const from of predecessors[node] as number[]) {
          if (this.#dominator[from] === -1) continue;
          dominator = dominator === -1 ? from : this.#common(from, dominator);
        }
        if (this.#dominator[node] === dominator) continue;
        this.#dominator[node] = dominator;
        changed = true;
      }
    }
  }

  #common(a: number, b: number): number {
    let [x, y] = [a, b];
    while (x !== y) {
      while ((this.order[x] as number) > (this.order[y] as number)) x = this.#dominator[x] as number;
      while ((this.order[y] as number) > (this.order[x] as number)) y = this.#dominator[y] as number;
    }
    return x;
  }

  dominates(a: number, b: number): boolean {
    let at = b;
    while ((this.order[at] as number) > (this.order[a] as number)) at = this.#dominator[at] as number;
    return at === a;
  }

  isBackward(from: number, to: number): boolean {
    return (this.order[to] as number) <= (this.order[from] as number);
  }

  /** Nested blocks and loops cannot have this edge: it leads back into a loop past its header. */
  isIrreducible(from: number, to: number): boolean {
    return this.isBackward(from, to) && !this.dominates(to, from);
  }

  isLoopHeader(node: number): boolean {
    return this.#loopHeaders.has(node);
  }

  isMergePoint(node: number): boolean {
    return this.#mergePoints.has(node);
  }

  mergingChildren(node: number): readonly number[] {
    return this.#merging.get(node) ?? [];
  }
}

/** What `structured` asks for, in the order in which code is to be emitted. */
export interface Structure<Place> {
  /** Code of the node, and its ends: `go` is to be called once for each successor, where the way there is taken. */
  node(node: number, go: (to: number) => void): void;
  loop(build: (start: Place) => void): void;
  block(build: (end: Place) => void): void;
  br(place: Place): void;
}

/** Emits all nodes that can be reached, from node 0 on. There must be no irreducible edges. */
export function structured<Place>(flow: ControlFlow, out: Structure<Place>): void {
  /** Behind which block a merge point's code comes, and where a loop begins. */
  const merges = new Map<number, Place>();
  const loops = new Map<number, Place>();

  const tree = (node: number): void => {
    const merging = flow.mergingChildren(node);
    if (!flow.isLoopHeader(node)) {
      within(node, merging, 0);
      return;
    }
    out.loop((start) => {
      loops.set(node, start);
      within(node, merging, 0);
    });
  };

  const within = (node: number, merging: readonly number[], from: number): void => {
    const child = merging[from];
    if (child === undefined) {
      out.node(node, (to) => go(node, to));
      return;
    }
    out.block((end) => {
      merges.set(child, end);
      within(node, merging, from + 1);
    });
    tree(child);
  };

  const go = (from: number, to: number): void => {
    if (flow.isBackward(from, to)) out.br(loops.get(to) as Place);
    else if (flow.isMergePoint(to)) out.br(merges.get(to) as Place);
    else tree(to);
  };

  tree(0);
}
