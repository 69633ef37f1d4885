import { describe, expect, it } from 'vitest';

import { explicit, latin1, part10 } from './dicom-bytes.fixture';
import { readHeader } from './dicom-header';

const dataset = [
  explicit(0x0008, 0x0005, 'CS', 'ISO_IR 192'),
  explicit(0x0008, 0x0018, 'UI', '2.25.1'),
  explicit(0x0008, 0x0020, 'DA', '20260512'),
  explicit(0x0008, 0x0030, 'TM', '102145'),
  explicit(0x0008, 0x0060, 'CS', 'CT'),
  explicit(0x0008, 0x1030, 'LO', '头颅平扫'),
  explicit(0x0010, 0x0010, 'PN', 'Chen^Jianguo=陈^建国'),
  explicit(0x0010, 0x0020, 'LO', 'QS0031827'),
  explicit(0x0010, 0x0030, 'DA', '19700314'),
  explicit(0x0010, 0x0040, 'CS', 'M'),
  explicit(0x0020, 0x000d, 'UI', '2.25.2'),
  explicit(0x0020, 0x000e, 'UI', '2.25.3'),
  explicit(0x0028, 0x0010, 'US', '\u0002\u0000'),
];

describe('what a file is', () => {
  it('reads patient and exam of a whole object', () => {
    const read = readHeader(part10('1.2.840.10008.1.2.1', dataset));
    expect(read).toMatchObject({
      kind: 'dicom',
      header: {
        name: '陈建国',
        sex: 'M',
        patientId: 'QS0031827',
        birthDate: '1970-03-14',
        modality: 'CT',
        description: '头颅平扫',
        date: '2026-05-12',
        time: '10:21',
        sopInstance: '2.25.1',
        study: '2.25.2',
        series: '2.25.3',
      },
    });
  });

  it('reads GBK under a Latin-1 label that is valid UTF-8, too, as the node does', () => {
    const gbk = (text: string) => String.fromCharCode(...(({ 谢平: [0xd0, 0xbb, 0xc6, 0xbd], 头: [0xcd, 0xb7] })[text] ?? []));
    const mislabelled = [
      explicit(0x0008, 0x0005, 'CS', 'ISO_IR 100'),
      explicit(0x0008, 0x0018, 'UI', '2.25.1'),
      explicit(0x0008, 0x1030, 'LO', gbk('头'), latin1),
      explicit(0x0010, 0x0010, 'PN', gbk('谢平'), latin1),
    ];
    expect(readHeader(part10('1.2.840.10008.1.2.1', mislabelled))).toMatchObject({
      header: { name: '谢平', description: '头' },
    });
  });

  it('reads the time of an exam as the other pages show it: on the county’s clock', () => {
    const elsewhere = [...dataset.slice(0, 5), explicit(0x0008, 0x0201, 'SH', '-0500'), ...dataset.slice(5)];
    expect(readHeader(part10('1.2.840.10008.1.2.1', elsewhere))).toMatchObject({
      header: { date: '2026-05-12', time: '23:21', description: '头颅平扫' },
    });
  });

  it('reads as much as there is of a file cut anywhere, and never raises', () => {
    const whole = part10('1.2.840.10008.1.2.1', dataset);
    for (let length = 0; length <= whole.length; length += 1)
      expect(() => readHeader(whole.subarray(0, length)), `${length}`).not.toThrow();
  });

  it('reads an object without preamble', () => {
    const bare = part10('1.2.840.10008.1.2.1', dataset).subarray(132);
    expect(readHeader(bare)).toMatchObject({ kind: 'dicom', header: { name: '陈建国' } });
  });

  it('sends a deflated object although its header cannot be read here', () => {
    expect(readHeader(part10('1.2.840.10008.1.2.1.99', []))).toEqual({ kind: 'dicom', header: null });
  });

  it.each([
    ['an empty file', new Uint8Array(), 'empty'],
    ['a text file', new TextEncoder().encode('hello, this is a readme of a disc'), 'not-dicom'],
    [
      'a picture',
      Uint8Array.from([0xff, 0xd8, 0xff, 0xe0, 0, 16, 0x4a, 0x46, 0x49, 0x46, 0, 1, 1, 0, 0, 1, 0, 1]),
      'not-dicom',
    ],
    ['a disc directory', part10('1.2.840.10008.1.2.1', [], '1.2.840.10008.1.3.10'), 'directory'],
  ])('leaves %s behind', (_, bytes, why) => expect(readHeader(bytes)).toEqual({ kind: 'other', why }));
});
