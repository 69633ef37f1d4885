import { describe, expect, it } from 'vitest';

import { decodeText, settle } from './charset';
import cases from './charset-cases.json';

const bytesOf = (hex: string) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));

/** All values of one object, read as the check before sending reads them. */
function read(values: readonly Uint8Array[], declared: string): string[] {
  const charset = settle(values, declared);
  return values.map((value) => decodeText(value, charset, 'name'));
}

describe('text of a header', () => {
  // tests/kernel/test_charset_of_the_page.py holds the node to the same table.
  it.each(cases)('reads $what as the node does: $texts under "$charset"', ({ charset, values, texts }) => {
    expect(read(values.map(bytesOf), charset)).toEqual(texts);
  });

  it('lets all of an object tell what no value of it tells alone', () => {
    const [alone, beside] = ['e996', 'cdb7c2adc6bdc9a8'].map(bytesOf) as [Uint8Array, Uint8Array];
    expect(settle([Uint8Array.from([0x41, ...alone])], 'ISO_IR 100')).toBe('ISO_IR 100');
    expect(settle([Uint8Array.from([0x41, ...alone]), beside], 'ISO_IR 100')).toBe('GB18030');
  });

  it('drops padding', () => expect(decodeText(new TextEncoder().encode('QS0031827 \0'), '')).toBe('QS0031827'));
});
