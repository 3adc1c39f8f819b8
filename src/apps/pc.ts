/** A whole PC from its options: firmware, drives, network cards. What it opens is closed with it. */

import { fileURLToPath } from 'node:url';
import type { BlockBackend } from '../base/block.ts';
import { VivariumError } from '../base/errors.ts';
import type { FileTree } from '../files/file-tree.ts';
import { bootFiles } from '../host/boot-files.ts';
import { readImage, reasonOf } from '../host/node/files.ts';
import { openFolder } from '../host/node/folder.ts';
import type { NicOption } from '../net/options.ts';
import { type GuestFirmware, type GuestNic, type GuestVirtio, isFirmwareSize } from '../vmm/guest-options.ts';
import type { SavedDisk } from '../vmm/snapshot/manifest.ts';
import { findBootRom, readBootRom } from './boot-rom.ts';
import { type OpenImage, openDrives, openSavedDrives } from './drives.ts';
import type { PcOptions } from './pc-options.ts';
import { cardAddress, type Wire } from './wire.ts';

/** From dist/vivarium.js as from src/apps/pc.ts. */
function find(name: string): string {
  const up = import.meta.url.endsWith('.ts') ? '../..' : '..';
  return fileURLToPath(new URL(`${up}/firmware/${name}`, import.meta.url));
}

const BIOS = find('bios-256k.bin');
const VGA_BIOS = find('vgabios-stdvga.bin');
const DEFAULT_BOOT_ORDER = 'cda';

export class Pc {
  readonly firmware: GuestFirmware;
  /** Disks, then network cards. */
  readonly virtio: readonly GuestVirtio[];
  readonly #wire: Wire;
  readonly #images: readonly OpenImage[];
  readonly #cards: readonly Card[];

  private constructor(
    wire: Wire,
    firmware: Omit<GuestFirmware, 'nics'>,
    images: readonly OpenImage[],
    virtioDisks: readonly BlockBackend[],
    cards: readonly Card[],
  ) {
    this.#wire = wire;
    this.#images = images;
    this.#cards = cards;
    const nics: GuestNic[] = [];
    const virtioNics: GuestVirtio[] = [];
    for (const card of cards) {
      const { model } = card.option;
      const nic = this.#nic(card);
      if (model === 'virtio') virtioNics.push({ kind: 'net', nic });
      else nics.push({ ...nic, model });
    }
    this.firmware = { ...firmware, nics };
    this.virtio = [...virtioDisks.map((backend) => ({ kind: 'block', backend }) as const), ...virtioNics];
  }

  /**
   * Reads the firmware and opens the images; `saved`: of the machine that is to be restored. Throws a VivariumError for what
   * cannot be used, and leaves nothing open.
   */
  static async open(options: PcOptions, wire: Wire, saved?: readonly SavedDisk[]): Promise<Pc> {
    const [bios, vgaBios] = await Promise.all([
      readImage(options.bios ?? BIOS, 'firmware'),
      readImage(VGA_BIOS, 'firmware'),
    ]);
    if (!isFirmwareSize(bios.length)) {
      const path = options.bios ?? BIOS;
      const message = `The firmware ${path} cannot be used: its ${bios.length} bytes are no multiple of 64 KiB up to 16 MiB.`;
      throw new VivariumError({ kind: 'bad-file', path }, message);
    }
    const images: OpenImage[] = [];
    const cards: Card[] = [];
    try {
      await openCards(options, cards);
      const opening = saved === undefined ? openDrives(options, images) : openSavedDrives(options, saved, images);
      const { drives, virtioDisks } = await opening;
      const { boot: bootOrder = DEFAULT_BOOT_ORDER, bootMenuMs } = options;
      const firmware = { bios, vgaBios, drives, bootOrder, ...(bootMenuMs !== undefined && { bootMenuMs }) };
      return new Pc(wire, firmware, images, virtioDisks, cards);
    } catch (error) {
      await Promise.allSettled([...images.map(({ backend }) => backend.close()), ...cards.map(closeCard)]);
      throw error;
    }
  }

  #nic({ option, rom, tree }: Card): Omit<GuestNic, 'model'> {
    const boot = { file: option.bootFile, files: tree && bootFiles(tree) };
    return {
      mac: cardAddress(option),
      ...(rom && { rom }),
      connect: (host) => this.#wire.connect(host, boot),
    };
  }

  /** Gives everything back; `failed` is told in a sentence of an image of which the last writes may be lost. */
  async close(failed: (message: string) => void): Promise<void> {
    const close = async ({ file, backend }: OpenImage): Promise<void> => {
      await backend
        .close()
        .catch((error: unknown) => failed(`What was written last to ${file} may be lost: ${reasonOf(error)}.`));
    };
    await Promise.all([...this.#images.map(close), ...this.#cards.map(closeCard)]);
  }
}

/** A network card, and what was read and opened for it. */
interface Card {
  readonly option: NicOption;
  readonly rom: Uint8Array | undefined;
  /** What guests read by TFTP. */
  readonly tree: FileTree | undefined;
}

async function closeCard({ tree }: Card): Promise<void> {
  await tree?.close?.();
}

/**
 * Boot ROMs that are installed are for machines that may start from the network: any other is the same whatever is
 * installed. Throws a VivariumError for what cannot be used.
 */
async function openCards({ nics, boot, bootMenuMs }: PcOptions, opened: Card[]): Promise<void> {
  const fromNetwork = boot?.includes('n') ?? false;
  for (const option of nics) {
    const wantsRom = fromNetwork || bootMenuMs !== undefined;
    const path = option.rom ?? (wantsRom ? await findBootRom(option.model) : undefined);
    const rom = path === undefined ? undefined : await readBootRom(path);
    opened.push({ option, rom, tree: option.tftp === undefined ? undefined : openBootFolder(option.tftp) });
  }
  if (fromNetwork && opened.every(({ rom }) => rom === undefined)) {
    const message =
      '--boot n needs a boot ROM for the network card: install iPXE’s (Debian: ipxe-qemu), or name one with rom=.';
    throw new VivariumError({ kind: 'bad-option' }, message);
  }
}

function openBootFolder(path: string): FileTree {
  return openFolder(path, { readOnly: true });
}
