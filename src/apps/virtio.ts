/** The virtio devices of a run: of its PC, of `--device`, and for what it shares. */

import { hasSpares, spareDevices } from '../library/built-in-spares.ts';
import type { GuestVirtio } from '../vmm/guest-options.ts';
import type { Manifest } from '../vmm/snapshot/manifest.ts';
import { type ShareOption, shareDevices, shareServer } from './shares.ts';
import type { Wire } from './wire.ts';

/** For `--device`. */
export const VIRTIO_RNG = 'virtio-rng';

interface Wanted {
  readonly devices: readonly string[];
  readonly shares: readonly ShareOption[];
}

/** In this order, which a restored guest has kept. `--device` is for guests that are new; of others the snapshot says. */
export function virtioDevices(
  { devices, shares }: Wanted,
  pc: { readonly virtio: readonly GuestVirtio[] } | undefined,
  saved: Manifest | undefined,
  ofAgent: readonly GuestVirtio[],
  wire: Wire,
): GuestVirtio[] {
  // A PC's own cards are its own affair.
  const cards = pc === undefined ? wire.cards(saved && virtioMacs(saved)) : [];
  if (saved !== undefined && hasSpares(saved.virtio ?? [])) {
    return [...ofAgent, { kind: 'rng' }, ...spareDevices(shareServer(shares), cards[0])];
  }
  const hasRng = saved === undefined ? devices.includes(VIRTIO_RNG) : saved.virtio?.includes('rng');
  return [
    ...(pc?.virtio ?? []),
    ...ofAgent,
    ...(hasRng ? [{ kind: 'rng' } as const] : []),
    ...shareDevices(shares),
    ...cards.map((nic) => ({ kind: 'net', nic }) as const),
  ];
}

/** The addresses of a saved guest's virtio cards, as `describeVirtio` wrote them. */
export function virtioMacs({ virtio = [] }: Manifest): number[][] {
  const cards = virtio.filter((one) => /^net(?: [0-9a-f]{2}){6}$/.test(one));
  return cards.map((one) =>
    one
      .split(' ')
      .slice(1)
      .map((byte) => Number.parseInt(byte, 16)),
  );
}
