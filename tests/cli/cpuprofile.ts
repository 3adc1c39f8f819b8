/** Checks of profiles, and what they say in a form that tests can compare. */

import assert from 'node:assert/strict';
import type { CpuProfile } from '../../src/vmm/profiler-cpuprofile.ts';

/** Fails unless the parts of the profile fit each other as Chrome's DevTools and speedscope rely on. */
export function assertConsistent({ nodes, startTime, endTime, samples, timeDeltas }: CpuProfile): void {
  const ids = nodes.map(({ id }) => id);
  assert.equal(new Set(ids).size, ids.length, 'ids are unique');
  const children = nodes.flatMap((node) => node.children);
  assert.equal(nodes[0].callFrame.functionName, '(root)');
  assert.deepEqual(
    children.toSorted((a, b) => a - b),
    ids.slice(1).toSorted((a, b) => a - b),
    'every node but the root is the child of one',
  );
  assert.equal(samples.length, timeDeltas.length);
  const hits = new Map(ids.map((id) => [id, 0]));
  for (const id of samples) {
    assert(hits.has(id), `there is no node ${id}`);
    hits.set(id, (hits.get(id) ?? 0) + 1);
  }
  for (const { id, hitCount } of nodes) assert.equal(hitCount, hits.get(id), 'hits are counted');
  for (const delta of timeDeltas) assert(Number.isSafeInteger(delta) && delta >= 0, `${delta} is a time`);
  const sum = timeDeltas.reduce((total, delta) => total + delta, 0);
  assert(Number.isSafeInteger(startTime));
  assert.equal(startTime + sum, endTime, 'the samples take the time of the run');
}

/** Microseconds by path, such as `(kernel) memcpy`, of what took any. */
export function timesOf({ nodes, samples, timeDeltas }: CpuProfile): Record<string, number> {
  const parents = new Map(nodes.flatMap((node) => node.children.map((child) => [child, node] as const)));
  const paths = new Map(
    nodes.map((node) => {
      const parent = parents.get(node.id)?.callFrame.functionName ?? '(root)';
      const name = node.callFrame.functionName;
      return [node.id, parent === '(root)' ? name : `${parent} ${name}`];
    }),
  );
  const times: Record<string, number> = {};
  for (let i = 0; i < samples.length - 1; i++) {
    const path = paths.get(samples[i]) ?? assert.fail();
    if (timeDeltas[i + 1] > 0) times[path] = (times[path] ?? 0) + timeDeltas[i + 1];
  }
  return times;
}
