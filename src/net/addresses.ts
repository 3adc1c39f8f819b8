/** IPv4 addresses as unsigned 32-bit numbers, and the plan of the guest's network: what users of QEMU know. */

import { unreachable } from '../base/errors.ts';

/** `10.0.2.2` as a number; undefined when `text` is not four decimal numbers below 256. */
export function parseIpv4(text: string): number | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (match === null) return undefined;
  const parts = match.slice(1).map(Number);
  if (parts.some((part) => part > 255)) return undefined;
  return parts.reduce((address, part) => address * 256 + part, 0);
}

export function formatIpv4(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 0xff).join('.');
}

/** Whether the first `length` bits of `address` are those of `prefix`. */
export function hasPrefix(address: number, prefix: number, length: number): boolean {
  return length === 0 || (address ^ prefix) >>> (32 - length) === 0;
}

/** 10.0.2.0/24. */
export const NETWORK = 0x0a00_0200;
export const NETWORK_BITS = 24;
export const NETMASK = 0xffff_ff00;
/** The router, and the host where a service of it was opened. */
export const GATEWAY = NETWORK + 2;
export const NAME_SERVER = NETWORK + 3;
/** The first address that is given to a guest. */
export const FIRST_GUEST = NETWORK + 15;
export const NETWORK_BROADCAST = NETWORK + 255;
export const LIMITED_BROADCAST = 0xffff_ffff;
export const LOOPBACK = 0x7f00_0001;

/** Gateway and name server are one station; the address is QEMU's, locally administered. */
export const GATEWAY_MAC: Uint8Array = Uint8Array.of(0x52, 0x55, 0x0a, 0x00, 0x02, 0x02);

export function isInGuestNetwork(address: number): boolean {
  return hasPrefix(address, NETWORK, NETWORK_BITS);
}

/** Addresses that a guest may call its own. */
export function isGuestAddress(address: number): boolean {
  return (
    isInGuestNetwork(address) &&
    address !== NETWORK &&
    address !== GATEWAY &&
    address !== NAME_SERVER &&
    address !== NETWORK_BROADCAST
  );
}

/** What an address outside the guest's network is to us. */
export type Scope = 'outside' | 'host' | 'nowhere';

/**
 * Blocks that a router does not forward to (RFC 6890 §2.2.2), each with what reaching for it would mean. Link-local
 * addresses are the business of one link (RFC 3927 §7), and the guest's link is not the host's: what answers there, a
 * cloud's metadata service for one, answers the host.
 */
const SPECIAL: readonly (readonly [prefix: number, length: number, scope: Scope])[] = [
  [0x0000_0000, 8, 'host'], // "this host": hosts take 0.0.0.0 for themselves
  [0x7f00_0000, 8, 'host'], // loopback
  [0xa9fe_0000, 16, 'nowhere'], // link-local
  [0xe000_0000, 4, 'nowhere'], // multicast
  [0xf000_0000, 4, 'nowhere'], // reserved, broadcast
];

/** Where `address` leads, as far as the address itself tells: the host's own come from the host. */
export function scopeOf(address: number, isOwn: (address: number) => boolean): Scope {
  for (const [prefix, length, scope] of SPECIAL) if (hasPrefix(address, prefix, length)) return scope;
  return isOwn(address) ? 'host' : 'outside';
}

/** What a connection or datagram of a guest is allowed to become. */
export type Route =
  | { readonly kind: 'outside'; readonly address: number }
  /** A service of the host that the user has opened. */
  | { readonly kind: 'opened'; readonly address: number }
  | { readonly kind: 'refused' };

/** Decides for one destination; `opened` are the services of the host that may be reached by the gateway's address. */
export function routeTo(
  address: number,
  port: number,
  policy: { readonly opened: ReadonlySet<number>; isOwn(address: number): boolean },
): Route {
  if (address === GATEWAY && policy.opened.has(port)) return { kind: 'opened', address: LOOPBACK };
  if (isInGuestNetwork(address) || port === 0) return { kind: 'refused' };
  const scope = scopeOf(address, policy.isOwn);
  switch (scope) {
    case 'outside':
      return { kind: 'outside', address };
    case 'host':
    case 'nowhere':
      return { kind: 'refused' };
    default:
      return unreachable(scope);
  }
}
