/** Something like machine code for tests of decoders: repetitive, and full of near calls and jumps. */

export function testProgram(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  let random = 1;
  const next = (below: number) => {
    random = (Math.imul(random, 1_103_515_245) + 12_345) >>> 0;
    return (random >>> 16) % below;
  };
  const words = [[0x48, 0x89, 0xe5], [0x90], [0xe8, 0x12, 0xe9], [0xff, 0xe8, 0x00], [0x0f, 0x1f, 0x44, 0x00, 0x00]];
  for (let at = 0; at + 8 <= length; ) {
    if (next(3) === 0) {
      bytes[at] = 0xe8 + next(2);
      view.setInt32(at + 1, next(12) * 700 - at, true);
      at += 5;
    } else {
      const word = words[next(words.length)];
      bytes.set(word, at);
      at += word.length;
    }
  }
  return bytes;
}
