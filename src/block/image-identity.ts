/**
 * Tells whether an image is the one it was: by its length, by what is in it, and, where looking at all of it would take
 * too long, by what its storage says of changes.
 *
 *     up to 64 MiB            a digest of all of it
 *     more, with a version    a digest of samples, and the version: a file's time of change, say
 *     more, without           a digest of samples; of all of it where it is written in place, and so can change
 *
 * Samples are the first and the last MiB, and 4 KiB of each of a thousand equal stretches: another image is another
 * there. The digest is the SHA-256 of the SHA-256s of all pieces.
 */

import { sha256 } from '@noble/hashes/sha2';
import { bytesToHex } from '@noble/hashes/utils';
import { type BlockBackend, SECTOR_BYTES } from '../base/block.ts';

export interface ImageIdentity {
  readonly of: 'all' | 'samples';
  /** In hexadecimal. */
  readonly sha256: string;
  /** As `BlockBackend.version`. */
  readonly version?: string;
}

/** SHA-256, by the platform if that has it. */
export type Digest = (bytes: Uint8Array) => Promise<Uint8Array> | Uint8Array;

const PIECE_BYTES = 2 ** 20;
const LARGEST_WHOLE_BYTES = 64 * PIECE_BYTES;
const SAMPLES = 1000;
const SAMPLE_BYTES = 4096;
/** Digests that are waited for at a time. */
const AT_A_TIME = 4;

type Image = Pick<BlockBackend, 'sizeBytes' | 'read' | 'version'>;

/** Rejects with a BlockError. `canChange`: it is written in place. */
export async function identify(
  image: Image,
  { canChange, digest = sha256 }: { readonly canChange: boolean; readonly digest?: Digest | undefined },
): Promise<ImageIdentity> {
  const version = image.sizeBytes > LARGEST_WHOLE_BYTES ? await image.version?.() : undefined;
  const isWhole = image.sizeBytes <= LARGEST_WHOLE_BYTES || (canChange && version === undefined);
  const of = isWhole ? 'all' : 'samples';
  return { of, sha256: await digestOf(image, of, digest), ...(version !== undefined && { version }) };
}

export type Difference = 'other contents' | 'other version';

/** What speaks against `image`, of the right length, being the one that was identified. Rejects with a BlockError. */
export async function differenceTo(
  identity: ImageIdentity,
  image: Image,
  { canChange, digest = sha256 }: { readonly canChange: boolean; readonly digest?: Digest | undefined },
): Promise<Difference | undefined> {
  if (identity.of === 'samples' && identity.version !== undefined) {
    const version = await image.version?.();
    // Where versions are not known, samples must do, but not for what was written in place.
    if (version === undefined ? canChange : version !== identity.version) return 'other version';
  }
  return (await digestOf(image, identity.of, digest)) === identity.sha256 ? undefined : 'other contents';
}

async function digestOf(image: Image, of: ImageIdentity['of'], digest: Digest): Promise<string> {
  const digests: Promise<Uint8Array>[] = [];
  for (const places of of === 'all' ? allPieces(image.sizeBytes) : samplePieces(image.sizeBytes)) {
    const bytes = new Uint8Array(places.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const { offset, length } of places) {
      await image.read(offset, bytes.subarray(at, at + length));
      at += length;
    }
    digests.push(Promise.resolve(digest(bytes)));
    await digests.at(-AT_A_TIME);
  }
  const all = sha256.create();
  for (const one of digests) all.update(await one);
  return bytesToHex(all.digest());
}

interface Place {
  readonly offset: number;
  readonly length: number;
}

function* allPieces(sizeBytes: number): Generator<readonly Place[]> {
  for (let offset = 0; offset < sizeBytes; offset += PIECE_BYTES) {
    yield [{ offset, length: Math.min(PIECE_BYTES, sizeBytes - offset) }];
  }
}

/** Of more than `LARGEST_WHOLE_BYTES`. */
function* samplePieces(sizeBytes: number): Generator<readonly Place[]> {
  yield [{ offset: 0, length: PIECE_BYTES }];
  const stretch = (sizeBytes - SAMPLE_BYTES) / (SAMPLES - 1);
  const perPiece = PIECE_BYTES / SAMPLE_BYTES;
  for (let first = 0; first < SAMPLES; first += perPiece) {
    yield Array.from({ length: Math.min(perPiece, SAMPLES - first) }, (_, i) => {
      const sector = Math.floor(((first + i) * stretch) / SECTOR_BYTES);
      return { offset: sector * SECTOR_BYTES, length: SAMPLE_BYTES };
    });
  }
  yield [{ offset: sizeBytes - PIECE_BYTES, length: PIECE_BYTES }];
}
