/** Custom sections of finished modules: WebAssembly core specification, §5.5.3. */

import { ByteWriter } from './encoder.ts';

const CUSTOM_SECTION = 0;

/** The module with one more section behind all others. */
export function withCustomSection(module: Uint8Array, name: string, bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const nameBytes = new TextEncoder().encode(name);
  const content = new ByteWriter();
  content.u32(nameBytes.length);
  content.append(nameBytes);
  content.append(bytes);
  const out = new ByteWriter();
  out.append(module);
  out.u8(CUSTOM_SECTION);
  out.u32(content.length);
  out.append(content.finish());
  return out.finish().slice();
}
