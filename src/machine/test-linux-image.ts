/** Builds bzImages for tests: a boot sector with a setup header, one setup sector, and protected-mode code. */

export interface TestLinuxImage {
  readonly version?: number;
  readonly loadFlags?: number;
  /** Of the setup header, from offset 0x202. */
  readonly headerLength?: number;
  readonly protectedMode?: Uint8Array;
  readonly payload?: Uint8Array;
  readonly preferredAddress?: number;
  readonly initBytes?: number;
  readonly alignment?: number;
  readonly relocatable?: boolean;
  readonly xloadFlags?: number;
  readonly commandLineMaximum?: number;
  readonly initrdMaximum?: number;
}

export const SETUP_BYTES = 1024;
/** Where the payload begins in the protected-mode code. */
export const PAYLOAD_OFFSET = 0x240;

export function buildLinuxImage(options: TestLinuxImage = {}): Uint8Array {
  const stub = options.protectedMode ?? Uint8Array.from({ length: PAYLOAD_OFFSET }, (_, i) => i & 0xff);
  const payload = options.payload ?? new Uint8Array();
  const codeBytes = Math.ceil((stub.length + payload.length) / 16) * 16;
  const image = new Uint8Array(SETUP_BYTES + codeBytes);
  const view = new DataView(image.buffer);
  view.setUint8(0x1f1, 1);
  view.setUint32(0x1f4, codeBytes / 16, true);
  view.setUint16(0x1fe, 0xaa55, true);
  view.setUint8(0x200, 0xeb);
  view.setUint8(0x201, options.headerLength ?? 0x6a);
  image.set(new TextEncoder().encode('HdrS'), 0x202);
  view.setUint16(0x206, options.version ?? 0x020f, true);
  view.setUint8(0x211, options.loadFlags ?? 1);
  view.setUint32(0x22c, options.initrdMaximum ?? 0x7fff_ffff, true);
  view.setUint32(0x230, options.alignment ?? 0x20_0000, true);
  view.setUint8(0x234, options.relocatable === false ? 0 : 1);
  view.setUint16(0x236, options.xloadFlags ?? 1, true);
  view.setUint32(0x238, options.commandLineMaximum ?? 2047, true);
  if (payload.length > 0) {
    view.setUint32(0x248, stub.length, true);
    view.setUint32(0x24c, payload.length, true);
  }
  view.setBigUint64(0x258, BigInt(options.preferredAddress ?? 0x100_0000), true);
  view.setUint32(0x260, options.initBytes ?? 0x20_0000, true);
  image.set(stub, SETUP_BYTES);
  image.set(payload, SETUP_BYTES + stub.length);
  return image;
}
