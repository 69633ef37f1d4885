import { describe, expect, it } from 'vitest';

import {
  ageAt,
  ageText,
  dicomAge,
  identifierTail,
  maskIdentifier,
  personName,
  sexText,
  shownIdentifier,
  shownName,
} from './patient';

describe('masking', () => {
  it.each([
    ['990000197003141234', '990***********1234'],
    ['99000019700314123X', '990***********123X'],
    ['990000700314123', '990********4123'],
    ['13800001234', '138****1234'],
    ['QS0031827', 'QS0031827'],
    ['', ''],
  ])('shows %s as %s', (raw, shown) => expect(maskIdentifier(raw)).toBe(shown));

  it('prefers what the server masked', () => {
    const patient = {
      name: '陈建国',
      sex: 'M',
      age: null,
      patient_id: '990000197003141234',
      masked_id: '990***1234',
    } as const;
    expect(shownIdentifier(patient)).toBe('990***1234');
    expect(shownIdentifier({ ...patient, masked_id: '' })).toBe('990***********1234');
  });
});

describe('the tail over an image', () => {
  it.each([
    ['990000197003141234', '1234'],
    ['99000019700314123X', '123X'],
    ['QS0031827', '1827'],
    ['ANON', ''],
    ['PHANTOM-CT', ''],
    ['A12', ''],
    ['', ''],
  ])('of %s is %s', (raw, tail) =>
    expect(identifierTail({ name: '', sex: '', age: null, patient_id: raw })).toBe(tail),
  );
});

describe('age', () => {
  it.each([
    ['2026-05-12T06:00:00+08:00', '2026-05-12T20:00:00+08:00', '14小时', '14\u00A0h'],
    ['2026-05-09', '2026-05-12', '3天', '3\u00A0d'],
    ['2026-04-14', '2026-05-12', '0个月28天', '0\u00A0mo 28\u00A0d'],
    ['2026-04-15', '2026-05-12', '27天', '27\u00A0d'],
    ['2026-03-10', '2026-05-12', '2个月2天', '2\u00A0mo 2\u00A0d'],
    ['2025-05-12', '2026-05-12', '1岁0个月', '1\u00A0y 0\u00A0mo'],
    ['2020-05-13', '2026-05-12', '5岁11个月', '5\u00A0y 11\u00A0mo'],
    ['2020-05-12', '2026-05-12', '6岁', '6\u00A0y'],
    ['1970-03-14', '2026-05-12', '56岁', '56\u00A0y'],
  ])('of %s at %s', (born, at, zh, en) => {
    expect(ageAt(born, at, 'zh-CN')).toBe(zh);
    expect(ageAt(born, at, 'en')).toBe(en);
  });

  it('says nothing of impossible dates', () => {
    expect(ageAt('2030-01-01', '2026-05-12', 'zh-CN')).toBe('');
    expect(ageAt('', '2026-05-12', 'zh-CN')).toBe('');
  });

  it('reads DICOM ages', () => {
    expect(dicomAge('056Y')).toEqual({ value: 56, unit: 'years' });
    expect(dicomAge('003D')).toEqual({ value: 3, unit: 'days' });
    expect(dicomAge('56')).toBeNull();
  });

  it('never leaves age or sex blank', () => {
    expect(ageText(null, 'zh-CN')).toBe('年龄未填');
    expect(ageText({ value: 8, unit: 'years' }, 'en')).toBe('8\u00A0y');
    expect(sexText('', 'en')).toBe('sex not given');
  });
});

describe('names', () => {
  it.each([
    ['Zhang^San=张^三', '张三'],
    ['Doe^John', 'Doe John'],
    ['=阿卜杜热伊木·阿卜杜热合曼=', '阿卜杜热伊木·阿卜杜热合曼'],
    ['', ''],
  ])('shows %s as %s', (raw, shown) => expect(personName(raw)).toBe(shown));

  it('adds Latin letters in English only', () => {
    const patient = { name: '刘小凤', alphabetic_name: 'Liu Xiaofeng', sex: 'F', age: null } as const;
    expect(shownName(patient, 'en')).toBe('刘小凤 Liu Xiaofeng');
    expect(shownName(patient, 'zh-CN')).toBe('刘小凤');
    expect(shownName({ ...patient, name: '刘 小凤' }, 'zh-CN')).toBe('刘小凤');
    expect(shownName({ ...patient, name: 'Doe John', alphabetic_name: '' }, 'en')).toBe('Doe John');
  });
});
