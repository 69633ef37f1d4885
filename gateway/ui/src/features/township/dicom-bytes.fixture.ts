/** Small DICOM files for the tests, written byte by byte. */

const encoder = new TextEncoder();

const utf8 = (value: string): Uint8Array => encoder.encode(value);

/** *value* whose characters stand for single bytes. */
export const latin1 = (value: string): Uint8Array => Uint8Array.from(value, (character) => character.charCodeAt(0));

export function explicit(group: number, element: number, vr: string, value: string, bytesOf = utf8): Uint8Array {
  let text = bytesOf(value);
  if (text.length % 2) text = Uint8Array.from([...text, vr === 'UI' ? 0 : 0x20]);
  const head = [
    group & 255,
    group >> 8,
    element & 255,
    element >> 8,
    ...encoder.encode(vr),
    text.length & 255,
    text.length >> 8,
  ];
  return Uint8Array.from([...head, ...text]);
}

export function part10(syntax: string, dataset: Uint8Array[], sopClass = '1.2.840.10008.5.1.4.1.1.2'): Uint8Array {
  const meta = [
    explicit(2, 2, 'UI', sopClass),
    explicit(2, 3, 'UI', '2.25.1'),
    explicit(2, 0x10, 'UI', syntax),
  ].flatMap((one) => [...one]);
  const length = [2, 0, 0, 0, 0x55, 0x4c, 4, 0, meta.length & 255, meta.length >> 8, 0, 0];
  return Uint8Array.from([
    ...new Uint8Array(128),
    ...encoder.encode('DICM'),
    ...length,
    ...meta,
    ...dataset.flatMap((one) => [...one]),
  ]);
}
