import { describe, expect, it } from 'vitest';

import { decodeText } from './charset';

const GBK: Record<string, number[]> = {
  陈建国: [0xb3, 0xc2, 0xbd, 0xa8, 0xb9, 0xfa],
  // The second byte of 镕 is a letter, of 乗 a backslash-like 5CH: both only in GBK.
  朱镕: [0xd6, 0xec, 0xe9, 0x46],
  乗: [0x81, 0x5c],
};
const latin1 = (text: string) => Uint8Array.from([...text].map((character) => character.charCodeAt(0)));
const utf8 = (text: string) => new TextEncoder().encode(text);

describe('text of a header', () => {
  it.each(Object.entries(GBK))('reads %s under its own, a missing and a wrong character set', (text, bytes) => {
    for (const charset of ['GB18030', 'GBK', '', 'ISO_IR 100'])
      expect(decodeText(Uint8Array.from(bytes), charset), charset).toBe(text);
  });

  it.each(['Buc^Jérôme', 'Äneas^Rüdiger', 'Müller^José', 'fête'])('leaves %s in Latin-1 as it is', (text) => {
    expect(decodeText(latin1(text), 'ISO_IR 100')).toBe(text);
  });

  it('reads UTF-8, declared or not', () => {
    for (const charset of ['ISO_IR 192', '', 'ISO_IR 100'])
      expect(decodeText(utf8('阿卜杜热伊木·阿卜杜热合曼'), charset)).toBe('阿卜杜热伊木·阿卜杜热合曼');
  });

  it('takes GBK under a UTF-8 label for what it is', () => {
    expect(decodeText(Uint8Array.from(GBK['陈建国'] ?? []), 'ISO_IR 192')).toBe('陈建国');
  });

  it('reads IR 58 behind its escape sequence', () => {
    const bytes = [
      ...utf8('Wang^XiaoDong='),
      0x1b,
      0x24,
      0x29,
      0x41,
      0xcd,
      0xf5,
      0x5e,
      0x1b,
      0x24,
      0x29,
      0x41,
      0xd0,
      0xa1,
      0xb6,
      0xab,
    ];
    expect(decodeText(Uint8Array.from(bytes), '\\ISO 2022 IR 58')).toBe('Wang^XiaoDong=王^小东');
  });

  it('drops padding', () => expect(decodeText(utf8('QS0031827 \0'), '')).toBe('QS0031827'));
});
