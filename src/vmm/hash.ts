/** SHA-256 over named sections, so that no section's bytes can pass for another's. */

import { sha256 } from '@noble/hashes/sha2';
import { bytesToHex } from '@noble/hashes/utils';

export interface SectionHash {
  update(name: string, bytes: Uint8Array): void;
  digest(): string;
}

export function createHash(): SectionHash {
  const hash = sha256.create();
  return {
    update(name, bytes) {
      hash.update(`${name.length}:${name}:${bytes.length}:`).update(bytes);
    },
    digest: () => bytesToHex(hash.digest()),
  };
}
