/** The characters of a GB 18030 text as bytes, and which of them ordinary Chinese is written with. Pure. */

const isTrail = (byte: number) => byte >= 0x40 && byte <= 0xfe && byte !== 0x7f;
const isDigit = (byte: number) => byte >= 0x30 && byte <= 0x39;

/** *bytes* character by character, of one, two or four bytes; null where they are no GB 18030. */
export function tokensOf(bytes: Uint8Array): number[][] | null {
  const tokens: number[][] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = lengthAt(bytes, at);
    if (!length) return null;
    tokens.push([...bytes.subarray(at, at + length)]);
    at += length;
  }
  return tokens;
}

function lengthAt(bytes: Uint8Array, at: number): number {
  const [lead = 0, second = 0, third = 0, fourth = 0] = bytes.subarray(at, at + 4);
  if (lead < 0x80) return 1;
  if (lead === 0x80 || lead === 0xff) return 0;
  if (isTrail(second)) return 2;
  return isDigit(second) && third >= 0x81 && third <= 0xfe && isDigit(fourth) ? 4 : 0;
}

/** Second bytes of the rows of GB 2312 that are not full; those of Chinese characters are, but for the last of D7H. */
const ROWS: Readonly<Record<number, readonly (readonly [number, number])[]>> = {
  0xa1: [
    [0xa1, 0xa3],
    [0xa5, 0xa9],
    [0xab, 0xfe],
  ],
  0xa2: [
    [0xb1, 0xe2],
    [0xe5, 0xee],
    [0xf1, 0xfc],
  ],
  0xa4: [[0xa1, 0xf3]],
  0xa5: [[0xa1, 0xf6]],
  0xa6: [
    [0xa1, 0xb8],
    [0xc1, 0xd8],
  ],
  0xa7: [
    [0xa1, 0xc1],
    [0xd1, 0xf1],
  ],
  0xa8: [
    [0x44, 0x44],
    [0xa1, 0xba],
    [0xc5, 0xe9],
  ],
  0xa9: [[0xa4, 0xef]],
  0xd7: [[0xa1, 0xf9]],
};
const FULL = [[0xa1, 0xfe]] as const;

/** Whether the character *token* is in GB 2312, or has a byte no Latin-1 text uses (80H-9FH). */
export function isPlain(token: readonly number[]): boolean {
  if (token.some((byte) => byte >= 0x80 && byte <= 0x9f)) return true;
  const [lead = 0, trail = 0] = token;
  const rowed = (lead >= 0xa1 && lead <= 0xa9) || (lead >= 0xb0 && lead <= 0xf7);
  return token.length === 2 && rowed && (ROWS[lead] ?? FULL).some(([low, high]) => trail >= low && trail <= high);
}
