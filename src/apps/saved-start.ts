/**
 * The built-in guest at a terminal starts from a snapshot at its prompt, which comes with Vivarium (scripts/
 * builtin-snapshot.ts), unless something is asked of it that the snapshot is not. And what any guest with an agent is told
 * when it goes on: what time it is, how large the terminal, and some randomness that no other guest from this snapshot has.
 */

import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { AgentClient } from '../agent/client.ts';
import type { TerminalSize } from '../host/node/terminal.ts';
import { hasSpares, joinUserNetwork, mountSpareShares, type ShareMount } from '../library/built-in-spares.ts';
import type { GuestVirtio } from '../vmm/guest-options.ts';
import type { Manifest } from '../vmm/snapshot/manifest.ts';
import { BUILT_IN_SNAPSHOT } from './built-in-guest.ts';
import type { RunOptions } from './options.ts';
import { type ShareOption, shareMounts } from './shares.ts';
import { openSaved, type SavedGuest } from './snapshot.ts';

/** An agent that has not answered by now is none, and nobody waits for it; */
const AGENT_PATIENCE_MS = 3000;
/** longer where the guest is to have from it what the user has asked for. */
const WANTED_PATIENCE_MS = 60_000;
const ENTROPY_BYTES = 64;

/** Undefined for runs that boot: those that ask for another machine, and all where the snapshot cannot be used. */
export async function builtInSaved(options: RunOptions, isAtTerminal: boolean): Promise<SavedGuest | undefined> {
  const { kernel, initrd, append, modules, pc, trace, profile, deterministic, seed, devices, shares, wire } = options;
  const named = [kernel, initrd, append, pc, trace, profile, seed].some((one) => one !== undefined);
  const added = [modules, devices].some((list) => list.length > 0);
  if (!isAtTerminal || named || added || deterministic || options.cold || options.restore) return undefined;
  try {
    const saved = openSaved(await readFile(BUILT_IN_SNAPSHOT));
    const cards = wire?.nics ?? [];
    const isSpare = cards.length <= 1 && cards.every(({ mac }) => mac === undefined);
    const fits = (shares.length + cards.length === 0 || hasSpares(saved.manifest.virtio ?? [])) && isSpare;
    return fits && saved.manifest.memoryBytes === options.memoryBytes ? saved : undefined;
  } catch {
    return undefined;
  }
}

/** The agent of a saved guest. */
export class SavedAgent {
  readonly #client: AgentClient | undefined;
  readonly #mounts: readonly ShareMount[];
  readonly #joinsNetwork: boolean;

  constructor(manifest: Manifest | undefined, shares: readonly ShareOption[], hasNetwork: boolean) {
    const isBuiltIn = hasSpares(manifest?.virtio ?? []);
    this.#mounts = isBuiltIn ? shareMounts(shares) : [];
    this.#joinsNetwork = isBuiltIn && hasNetwork;
    const client = new AgentClient();
    if (manifest?.virtio?.includes(`console ${client.name}`)) this.#client = client;
  }

  get devices(): GuestVirtio[] {
    return this.#client === undefined ? [] : [{ kind: 'console', ports: [this.#client] }];
  }

  /** Once the guest runs. Resolves when it has been told, or will not listen: to a sentence where that leaves something out. */
  async tell(isRealTime: boolean, size: TerminalSize | undefined): Promise<string | undefined> {
    const agent = this.#client;
    // A deterministic guest finds what it found before.
    if (agent === undefined || !isRealTime) return undefined;
    const patience = { timeoutMs: AGENT_PATIENCE_MS };
    const mounted = this.#mounts.length === 0 ? undefined : mountSpareShares(agent, this.#mounts, WANTED_PATIENCE_MS);
    const [first, second] = await Promise.allSettled([
      mounted,
      this.#joinsNetwork ? this.#joinNetwork(agent) : undefined,
      agent.setClock(Date.now(), patience),
      agent.addEntropy(randomBytes(ENTROPY_BYTES), patience),
      ...(size ? [agent.resize(size.rows, size.columns, patience)] : []),
    ]);
    if (first.status === 'rejected') return `Not all folders are shared. ${(first.reason as Error).message}`;
    return second.status === 'rejected' ? (second.reason as Error).message : undefined;
  }

  async #joinNetwork(agent: AgentClient): Promise<void> {
    await agent.ready({ timeoutMs: WANTED_PATIENCE_MS });
    await joinUserNetwork(agent, WANTED_PATIENCE_MS);
  }

  close(): void {
    this.#client?.close();
  }
}
