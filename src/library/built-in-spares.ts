/**
 * What the snapshot of the built-in guest has besides console, agent and entropy: devices that idle until a machine that is
 * made from it is asked for them. One virtio-9p device serves all shares, each a directory of its root, for Linux mounts a
 * device once only; the agent has each appear where it is wanted. A virtio card has no link until there is a network.
 */

import type { AgentClient } from '../agent/client.ts';
import { GuestError } from '../agent/errors.ts';
import { VERSION_WITH_BIND } from '../agent/protocol.ts';
import type { FileServer } from '../base/file-server.ts';
import type { NetworkDevice } from '../base/network.ts';
import { FIRST_GUEST, GATEWAY, NAME_SERVER, NETWORK_BITS } from '../net/addresses.ts';
import type { GuestNetwork, GuestNic, GuestVirtio } from '../vmm/guest-options.ts';
import { describeVirtio } from '../vmm/guest-virtio.ts';

/** Of the device that serves all shares. */
export const SHARES_TAG = 'vivarium';
/** Locally administered; a machine has one card. */
export const CARD_ADDRESS: Uint8Array = Uint8Array.of(0x52, 0x54, 0x00, 0x56, 0x49, 0x56);
/** How shares are mounted where nobody has a say: programs can map files, and large requests are few. */
export const SHARE_OPTIONS = 'msize=512000,cache=mmap';
/** Where the guest has all shares; they appear from there where they are wanted. */
const SHARES_DIRECTORY = '/run/vivarium/shares';
const CARD_NAME = 'eth0';

/** A card with nothing behind it. */
export function unconnected(mac: Uint8Array): Omit<GuestNic, 'model'> {
  const network: GuestNetwork = { isConnected: false, send() {}, attach(_: NetworkDevice) {} };
  return { mac, connect: () => network };
}

/** Both devices, in the order in which the snapshot has them. */
export function spareDevices(shares: FileServer, nic: Omit<GuestNic, 'model'> = unconnected(CARD_ADDRESS)) {
  return [
    { kind: '9p', tag: SHARES_TAG, server: shares },
    { kind: 'net', nic },
  ] as const satisfies readonly GuestVirtio[];
}

/** Of a machine whose virtio devices are described so: whether shares and a network can be had by connecting them. */
export function hasSpares(virtio: readonly string[]): boolean {
  const nic = unconnected(CARD_ADDRESS);
  return virtio.includes(`9p ${SHARES_TAG}`) && virtio.includes(describeVirtio({ kind: 'net', nic }));
}

export interface ShareMount {
  /** Of its directory in the tree that the device serves. */
  readonly tag: string;
  readonly at: string;
  readonly readOnly: boolean;
}

/** Has the guest mount what the one device serves. Rejects with what the agent says. */
export async function mountSpareShares(agent: AgentClient, shares: readonly ShareMount[], timeoutMs?: number) {
  const waiting = timeoutMs === undefined ? {} : { timeoutMs };
  await unlessBusy(agent.mount(SHARES_TAG, SHARES_DIRECTORY, { ...waiting, options: SHARE_OPTIONS }));
  for (const { tag, at, readOnly } of shares) {
    await agent.bind(`${SHARES_DIRECTORY}/${tag}`, at, { ...waiting, readOnly });
  }
}

/** What is mounted already, in a guest that was saved so, stays. */
export async function unlessBusy(mounted: Promise<void>): Promise<void> {
  await mounted.catch((error: unknown) => {
    if (!(error instanceof GuestError) || error.code !== 'EBUSY') throw error;
  });
}

/** Gives the guest's card what DHCP of the network in user mode would give it. */
export async function joinUserNetwork(agent: AgentClient, timeoutMs?: number): Promise<void> {
  if (agent.version < VERSION_WITH_BIND) return;
  await agent.setNetwork(
    { name: CARD_NAME, address: FIRST_GUEST, prefixBits: NETWORK_BITS, gateway: GATEWAY, nameServer: NAME_SERVER },
    timeoutMs === undefined ? {} : { timeoutMs },
  );
}
