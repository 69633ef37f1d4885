/**
 * Text of a DICOM header in the browser, decided as the node decides it (kernel/dicom/charset.py), so that the name
 * somebody checks before sending is the name the node files. `charset-cases.json` holds both to it. Pure.
 */

import { isPlain, tokensOf } from './gb18030';

const LATIN1 = 'latin-1';
const GB = 'gb18030';
const UTF8 = 'utf-8';

/** Encoding by the number of the ISO-IR register, or by name (PS3.3 C.12.1.1.2). */
const CODECS: Readonly<Record<string, string>> = {
  '6': LATIN1,
  '13': 'shift_jis',
  '58': GB,
  '87': 'iso-2022-jp',
  '100': LATIN1,
  '101': 'iso-8859-2',
  '109': 'iso-8859-3',
  '110': 'iso-8859-4',
  '126': 'iso-8859-7',
  '127': 'iso-8859-6',
  '138': 'iso-8859-8',
  '144': 'iso-8859-5',
  '148': 'iso-8859-9',
  '149': 'euc-kr',
  '159': 'iso-2022-jp',
  '166': 'windows-874',
  '192': UTF8,
  '203': 'iso-8859-15',
  GBK: GB,
};

/** What each escape sequence, without its first byte, switches to (PS3.3 Tables C.12-3 and C.12-4). */
const ESCAPES: Readonly<Record<string, string>> = {
  '(B': LATIN1,
  '(J': 'shift_jis',
  ')I': 'shift_jis',
  '-A': LATIN1,
  '-B': 'iso-8859-2',
  '-C': 'iso-8859-3',
  '-D': 'iso-8859-4',
  '-F': 'iso-8859-7',
  '-G': 'iso-8859-6',
  '-H': 'iso-8859-8',
  '-L': 'iso-8859-5',
  '-M': 'iso-8859-9',
  '-T': 'windows-874',
  '-b': 'iso-8859-15',
  '$)A': GB,
  '$)C': 'euc-kr',
  $B: 'iso-2022-jp',
  '$(D': 'iso-2022-jp',
};
const ESC = 0x1b;
const KEEPS_ESCAPE = 'iso-2022-jp';
/** These go on over the delimiters of a value. */
const WHOLE = new Set(['shift_jis', LATIN1]);
const STANDS_ALONE = new Set([UTF8, GB]);
const HIGH_HALF = new Set([GB, 'euc-kr']);
/** What ends a code extension: control characters and backslash, and in a name `^` and `=`. */
const ENDS = new Set([0x5c, 0x0d, 0x0a, 0x0c, 0x09]);
const ENDS_OF_NAME = new Set([...ENDS, 0x5e, 0x3d]);

export type Kind = 'name' | 'text';

/** Encodings of the declared terms, the initial one first; spelling is forgiven, an unknown term is the default one. */
function codecsOf(charset: string): string[] {
  const [first = LATIN1, ...rest] = charset.split('\\').map(codecOf);
  return STANDS_ALONE.has(first) ? [first] : [first, ...rest.filter((codec) => codec !== UTF8)];
}

function codecOf(term: string): string {
  const name = term.replace(/^[ \0]+|[ \0]+$/g, '').toUpperCase();
  if (name === 'UTF-8' || name === 'UTF8') return UTF8;
  if (/GB[ _-]*(18030|2312|K)/.test(name)) return GB;
  const found = /^ISO[ _-]*(?:2022)?[ _-]*(?:IR)?[ _-]*(\d+)$/.exec(name);
  return CODECS[found?.[1] ?? ''] ?? LATIN1;
}

const isAscii = (bytes: Uint8Array) => bytes.every((byte) => byte < 0x80);
const decodes = (bytes: Uint8Array, codec: string) => strict(bytes, codec) !== null;

/** The text of *bytes*; null where *codec* does not allow them. */
function strict(bytes: Uint8Array, codec: string): string | null {
  if (codec === LATIN1) return fromLatin1(bytes);
  // The browser takes a lone 80H for the euro sign, which no GB 18030 has.
  if (codec === GB && !tokensOf(bytes)) return null;
  try {
    return new TextDecoder(codec, { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

/** Latin-1 itself: what the browser calls so is Windows-1252. */
function fromLatin1(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

function lenient(bytes: Uint8Array, codec: string): string {
  return codec === LATIN1 ? fromLatin1(bytes) : new TextDecoder(codec, { ignoreBOM: true }).decode(bytes);
}

/**
 * The character set that all *samples* of one object are really in, where *charset* is declared. Nothing is repaired
 * where all is ASCII, or where what is declared decodes and is not the Latin-1 that devices put on anything.
 */
export function settle(samples: readonly Uint8Array[], charset: string): string {
  const high = samples.filter((sample) => !isAscii(sample));
  const data = Uint8Array.from(high.flatMap((sample, index) => (index ? [0x0a, ...sample] : [...sample])));
  if (!data.length || data.includes(ESC)) return charset;
  const [first = LATIN1, ...rest] = codecsOf(charset);
  if (first === LATIN1 ? rest.some((codec) => HIGH_HALF.has(codec)) : decodes(data, first)) return charset;
  return recognised(data) || charset;
}

/** The set *data* is in by its own shape; empty where that is not plain. */
function recognised(data: Uint8Array): string {
  if (isUtf8(data)) return 'ISO_IR 192';
  if (decodes(data, GB) && looksChinese(data)) return 'GB18030';
  return decodes(data, UTF8) ? 'ISO_IR 192' : '';
}

/** Whether *data* is UTF-8 with a character no pair of GBK bytes can pass for: of three bytes, or an accent in a word. */
function isUtf8(data: Uint8Array): boolean {
  const text = strict(data, UTF8);
  if (text === null) return false;
  return /[A-Za-z][\u00c0-\u024f]|[\u00c0-\u024f][A-Za-z]/.test(text) || /[\u0800-\uffff]/.test(text);
}

const isLetter = (token: readonly number[] | undefined) =>
  token?.length === 1 && /[A-Za-z]/.test(String.fromCharCode(token[0] ?? 0));

/**
 * Whether *data*, read as GB 18030, is Chinese rather than Latin-1: letters above 7FH stand alone between ASCII letters
 * and swallow the next one when read so; Chinese stands in runs of GB 2312, or alone with no letter beside it.
 */
function looksChinese(data: Uint8Array): boolean {
  const tokens = tokensOf(data) ?? [];
  let score = 0;
  for (let at = 0; at < tokens.length; at += 1) {
    const from = at;
    while ((tokens[at]?.length ?? 0) > 1) at += 1;
    const run = tokens.slice(from, at);
    if (!run.length) continue;
    const alone = run.length === 1 && (isLetter(tokens[from - 1]) || isLetter(tokens[at]));
    score += run.filter(isPlain).length * 2 >= run.length && !alone ? run.length : -run.length;
  }
  return score > 0;
}

/** The text of a whole value in *charset*, as `settle` found it; padding is left out. */
export function decodeText(bytes: Uint8Array, charset: string, kind: Kind = 'text'): string {
  const codecs = codecsOf(charset);
  const ends = kind === 'name' ? ENDS_OF_NAME : ENDS;
  const [first = new Uint8Array(), ...rest] = atEscapes(trimPadding(bytes));
  return plain(first, codecs) + rest.map((part) => escaped(part, codecs, ends)).join('');
}

/** *bytes* cut before each escape sequence, whose first byte is left out. */
function atEscapes(bytes: Uint8Array): Uint8Array[] {
  const parts: Uint8Array[] = [];
  let from = 0;
  for (let at = bytes.indexOf(ESC); at >= 0; at = bytes.indexOf(ESC, from)) {
    parts.push(bytes.subarray(from, at));
    from = at + 1;
  }
  return [...parts, bytes.subarray(from)];
}

function plain(part: Uint8Array, codecs: readonly string[]): string {
  const [first = LATIN1] = codecs;
  // High bytes without their escape sequence: the declared two-byte set is what is meant.
  const meant = first === LATIN1 && !isAscii(part) ? codecs.find((codec) => HIGH_HALF.has(codec)) : undefined;
  return lenient(part, meant ?? first);
}

function escaped(part: Uint8Array, codecs: readonly string[], ends: ReadonlySet<number>): string {
  const sequence = [2, 3].map((length) => fromLatin1(part.subarray(0, length))).find((one) => one in ESCAPES);
  const codec = ESCAPES[sequence ?? ''];
  if (sequence === undefined || codec === undefined) return plain(Uint8Array.from([ESC, ...part]), codecs);
  if (codec === KEEPS_ESCAPE) return lenient(Uint8Array.from([ESC, ...part]), codec);
  const body = part.subarray(sequence.length);
  const end = body.findIndex((byte) => ends.has(byte));
  if (end < 0 || WHOLE.has(codec)) return lenient(body, codec);
  return lenient(body.subarray(0, end), codec) + plain(body.subarray(end), codecs);
}

function trimPadding(bytes: Uint8Array): Uint8Array {
  let end = bytes.length;
  while (end > 0 && (bytes[end - 1] === 0x20 || bytes[end - 1] === 0)) end -= 1;
  return bytes.subarray(0, end);
}
