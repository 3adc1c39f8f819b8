import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ControlFlow, structured } from './control-flow.ts';

type Item =
  | { kind: 'node'; node: number; ways: Map<number, Item[]> }
  | { kind: 'block' | 'loop'; body: Item[] }
  | { kind: 'br'; place: Item };

/** The nested code as a tree. */
function nest(flow: ControlFlow, successors: readonly (readonly number[])[]): Item[] {
  const root: Item[] = [];
  let list = root;
  const inside = (body: Item[], build: () => void): void => {
    const outer = list;
    list = body;
    build();
    list = outer;
  };
  const enclose = (kind: 'block' | 'loop', build: (place: Item) => void): void => {
    const item: Item = { kind, body: [] };
    list.push(item);
    inside(item.body, () => build(item));
  };
  structured<Item>(flow, {
    node: (node, go) => {
      const ways = new Map<number, Item[]>();
      list.push({ kind: 'node', node, ways });
      for (const to of new Set(successors[node])) {
        const way: Item[] = [];
        ways.set(to, way);
        inside(way, () => go(to));
      }
    },
    loop: (build) => enclose('loop', build),
    block: (build) => enclose('block', build),
    br: (place) => list.push({ kind: 'br', place }),
  });
  return root;
}

/** Runs the tree along a path of nodes; false when it is at another node than the path. */
function follows(root: readonly Item[], path: readonly number[]): boolean {
  let at = 0;
  /** Where a `br` leads, 'end' behind the last node of the path, or undefined at the end of the list. */
  const run = (items: readonly Item[]): Item | 'end' | 'lost' | undefined => {
    for (const item of items) {
      if (item.kind === 'br') return item.place;
      if (item.kind === 'node') {
        if (item.node !== path[at]) return 'lost';
        if (++at === path.length) return 'end';
        return run(item.ways.get(path[at] as number) ?? []) ?? 'lost';
      }
      let left = run(item.body);
      while (left === item && item.kind === 'loop') left = run(item.body);
      if (left !== undefined && left !== item) return left;
    }
    return undefined;
  };
  return run(root) === 'end';
}

function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** Edges that nested loops cannot have are taken out, as regions do. */
function reducible(successors: number[][]): number[][] {
  for (;;) {
    const flow = new ControlFlow({ successors });
    const kept = successors.map((targets, from) =>
      (flow.order[from] as number) < 0 ? targets : targets.filter((to) => !flow.isIrreducible(from, to)),
    );
    if (kept.every((targets, i) => targets.length === successors[i]?.length)) return kept;
    successors = kept;
  }
}

describe('control flow', () => {
  it('finds what dominates what', () => {
    const flow = new ControlFlow({ successors: [[1, 2], [3], [3], [4, 1], []] });
    assert.ok(flow.dominates(0, 3));
    assert.ok(!flow.dominates(1, 3));
    assert.ok(flow.dominates(3, 4));
    assert.ok(flow.isIrreducible(3, 1), 'a way into 1 past its predecessor');
    assert.ok(flow.isMergePoint(3));
  });

  it('knows a loop by the edge back to what dominates it', () => {
    const flow = new ControlFlow({ successors: [[1], [2, 3], [1], []] });
    assert.ok(flow.isLoopHeader(1));
    assert.ok(!flow.isLoopHeader(2));
    assert.ok(!flow.isMergePoint(1), 'one way leads forward to it');
  });

  it('nests random graphs so that every way leads where it should', () => {
    const draw = random(4711);
    let loops = 0;
    let merges = 0;
    for (let graph = 0; graph < 400; graph++) {
      const count = 2 + draw(12);
      const drawn = Array.from({ length: count }, () =>
        Array.from({ length: draw(4) }, () => draw(count)).filter((to, i, all) => all.indexOf(to) === i),
      );
      const successors = reducible(drawn);
      const flow = new ControlFlow({ successors });
      const root = nest(flow, successors);
      loops += flow.sequence.filter((node) => flow.isLoopHeader(node)).length;
      merges += flow.sequence.filter((node) => flow.isMergePoint(node)).length;
      for (let walk = 0; walk < 20; walk++) {
        const path = [0];
        while (path.length < 30) {
          const targets = successors[path[path.length - 1] as number] as number[];
          if (targets.length === 0) break;
          path.push(targets[draw(targets.length)] as number);
        }
        assert.ok(follows(root, path), `graph ${JSON.stringify(successors)}, path ${path}`);
      }
    }
    assert.ok(loops > 100 && merges > 100, `${loops} loops, ${merges} merge points`);
  });
});
