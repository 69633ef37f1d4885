import { describe, expect, it } from 'vitest';

import { type Instance, number, numbers, text } from './dicom-json';
import { firstPart } from '../../api/download';
import { instance } from './instances.fixture';
import { drawingOf, isLossy, kindOf } from './kinds';

const SIZE = { '00280010': 4, '00280011': 4 };
const PIXELS: Instance = { '7FE00010': { vr: 'OW', BulkDataURI: '/bulkdata/7FE00010' } };

describe('what a series is', () => {
  it.each([
    ['1.2.840.10008.5.1.4.1.1.2', { ...SIZE, '7FE00010': 'AAA' }, 'images'],
    ['1.2.840.10008.5.1.4.1.1.30', { ...SIZE, '7FE00008': 'AAA' }, 'images'],
    ['1.2.840.10008.5.1.4.1.1.1', SIZE, 'bare'],
    ['1.2.840.10008.5.1.4.1.1.1', {}, 'other'],
    ['1.2.840.10008.5.1.4.1.1.104.1', {}, 'pdf'],
    ['1.2.840.10008.5.1.4.1.1.88.33', {}, 'report'],
    ['1.2.840.10008.5.1.4.1.1.9.1.1', {}, 'ecg'],
    ['1.2.840.10008.5.1.4.1.1.11.1', {}, 'presentation'],
    ['1.2.840.10008.5.1.4.1.1.66.4', { ...SIZE, '7FE00010': 'AAA' }, 'segmentation'],
    ['1.2.3.4.private', {}, 'other'],
    ['1.2.3.4.private', { ...SIZE, '7FE00010': 'AAA' }, 'images'],
  ])('%s is shown as %o %s', (sopClass, more, kind) =>
    expect(kindOf(instance({ '00080016': sopClass, ...more }))).toBe(kind),
  );

  it('is drawn by the browser, a palette in segments by the server, and rows without pixels by nobody', () => {
    const drawn = (values: Readonly<Record<string, unknown>>) => drawingOf({ ...instance(values), ...PIXELS });
    expect(drawn({ '00280004': 'PALETTE COLOR', '00281221': 'x' })).toBe('server');
    expect(drawn({ '00280004': 'PALETTE COLOR', '00281201': 'x' })).toBe('here');
    expect(drawn({ '00280004': 'RGB' })).toBe('here');
    expect(drawingOf(instance(SIZE))).toBe('none');
    expect(drawingOf({ ...instance(SIZE), '7FE00010': { vr: 'OW' } })).toBe('none');
  });

  it('says when a picture has lost something', () => {
    expect(isLossy(instance({ '00282110': '01' }))).toBe(true);
    expect(isLossy(instance({ '00282110': '00' }))).toBe(false);
  });
});

describe('DICOM JSON', () => {
  it('takes numbers as numbers or strings, and empty values for none', () => {
    expect(numbers(instance({ '00280030': ['0.5', 0.25] }), '00280030')).toEqual([0.5, 0.25]);
    expect(number(instance({ '00180050': [null] }), '00180050')).toBeUndefined();
    expect(number({ '00180050': { vr: 'DS' } }, '00180050')).toBeUndefined();
    expect(text(instance({ '00100010': { Alphabetic: 'Zhang^San', Ideographic: '张^三' } }), '00100010')).toBe(
      'Zhang^San=张^三',
    );
  });
});

describe('the first part of a multipart answer', () => {
  const bytes = (value: string) => new TextEncoder().encode(value);
  const read = (part: Uint8Array) => new TextDecoder().decode(part);

  it('is what stands between its head and the next boundary', () => {
    const body = bytes('\r\n--AA\r\nContent-Type: application/dicom\r\n\r\nDATA\r\n--A\r\n--AA\r\n\r\nB\r\n--AA--');
    expect(read(firstPart(body, 'multipart/related; type="application/dicom"; boundary=AA'))).toBe('DATA\r\n--A');
    expect(read(firstPart(body, 'multipart/related; boundary="AA"'))).toBe('DATA\r\n--A');
  });

  it('is the body itself when it has no parts, and an error when its parts are broken', () => {
    expect(read(firstPart(bytes('DICM'), 'application/dicom'))).toBe('DICM');
    expect(() => firstPart(bytes('nothing here'), 'multipart/related; boundary=AA')).toThrow();
  });
});
