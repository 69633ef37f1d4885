/** Text of a DICOM header in the browser, with the mislabelled Chinese of real machines repaired. Pure. */

/** DICOM Specific Character Set (PS3.3 C.12.1.1.2) to the encoding's name in the browser. */
const ENCODING: Readonly<Record<string, string>> = {
  '': 'ascii',
  'ISO_IR 6': 'ascii',
  'ISO_IR 100': 'latin1',
  'ISO_IR 101': 'iso-8859-2',
  'ISO_IR 109': 'iso-8859-3',
  'ISO_IR 110': 'iso-8859-4',
  'ISO_IR 144': 'iso-8859-5',
  'ISO_IR 127': 'iso-8859-6',
  'ISO_IR 126': 'iso-8859-7',
  'ISO_IR 138': 'iso-8859-8',
  'ISO_IR 148': 'iso-8859-9',
  'ISO_IR 13': 'shift_jis',
  'ISO_IR 166': 'windows-874',
  'ISO_IR 192': 'utf-8',
  GB18030: 'gb18030',
  GBK: 'gb18030',
  'ISO 2022 IR 58': 'gb18030',
  'ISO 2022 IR 149': 'euc-kr',
  'ISO 2022 IR 87': 'iso-2022-jp',
  'ISO 2022 IR 159': 'iso-2022-jp',
  'ISO 2022 IR 13': 'shift_jis',
};

function strict(bytes: Uint8Array, encoding: string): string | null {
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}

/** Escape sequences of ISO 2022 that only switch to what the encoding's high bytes already say. */
function withoutEscapes(bytes: Uint8Array): Uint8Array {
  const kept: number[] = [];
  for (let at = 0; at < bytes.length; at += 1) {
    if (bytes[at] === 0x1b) {
      at += bytes[at + 1] === 0x24 ? 3 : 2;
      continue;
    }
    kept.push(bytes[at] ?? 0);
  }
  return Uint8Array.from(kept);
}

/**
 * The text of *bytes* declared as *charset* (backslash-separated values of (0008,0005)). High bytes under no charset
 * or under Latin-1 are what Chinese machines mislabel: UTF-8 if it is valid UTF-8, else GB18030, else Latin-1.
 */
export function decodeText(bytes: Uint8Array, charset: string): string {
  const terms = charset.split('\\').map((term) => term.trim());
  const term =
    terms.find((one, index) => one !== '' && (index > 0 || terms.length === 1 || one !== 'ISO 2022 IR 6')) ?? '';
  const encoding = ENCODING[term] ?? 'ascii';
  const trimmed = trimPadding(bytes);
  if (!trimmed.some((byte) => byte >= 0x80 || byte === 0x1b)) return new TextDecoder('latin1').decode(trimmed);
  if (encoding === 'ascii' || encoding === 'latin1') {
    const plain = withoutEscapes(trimmed);
    const chinese = looksChinese(plain) ? strict(plain, 'gb18030') : null;
    return strict(trimmed, 'utf-8') ?? chinese ?? new TextDecoder('latin1').decode(trimmed);
  }
  const plain = encoding === 'iso-2022-jp' ? trimmed : withoutEscapes(trimmed);
  return strict(plain, encoding) ?? strict(plain, 'gb18030') ?? new TextDecoder(encoding).decode(plain);
}

const isLetter = (byte: number) => (byte >= 0x41 && byte <= 0x5a) || (byte >= 0x61 && byte <= 0x7a);

/**
 * Whether high bytes come as GBK pairs. A pair whose second byte is ASCII, as in `J\u00e9r\u00f4me`, counts only where
 * no Latin letter touches it; pairs of the common Chinese range always count.
 */
function looksChinese(bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length; at += 1) {
    const lead = bytes[at] ?? 0;
    if (lead < 0x80) continue;
    const trail = bytes[at + 1] ?? 0;
    const common = lead >= 0xb0 && lead <= 0xf7 && trail >= 0xa1;
    if (!common && (isLetter(bytes[at - 1] ?? 0) || isLetter(bytes[at + 2] ?? 0))) return false;
    at += 1;
  }
  return true;
}

function trimPadding(bytes: Uint8Array): Uint8Array {
  let end = bytes.length;
  while (end > 0 && (bytes[end - 1] === 0x20 || bytes[end - 1] === 0)) end -= 1;
  return bytes.subarray(0, end);
}
