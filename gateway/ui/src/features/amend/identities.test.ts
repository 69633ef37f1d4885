import { describe, expect, it } from 'vitest';

import type { Identity, Proposal } from '../../api/types';
import { agreement, houseCount, IDENTITY_FIELDS, identityValue, since, varies } from './identities';

const ZHANG: Identity = {
  row: 1,
  person: 7,
  patient_id: 'A1',
  issuer: 'qingshan',
  name: '张三',
  sex: 'F',
  birth_date: '19710506',
  resident_id: '990***********1234',
  phone: '',
  studies: 2,
};
const MASKED: Identity = { ...ZHANG, row: 2, issuer: 'dahe', name: '张**', birth_date: '' };

it('what both have alike agrees, what only one has is neither', () => {
  const told = { agrees: ['name', 'sex'], differs: ['phone'] };
  expect(['name', 'phone', 'resident-id'].map((field) => agreement(told, field))).toEqual(['agrees', 'differs', 'unknown']);
});

describe('a field', () => {
  it('is read as people write it', () =>
    expect(IDENTITY_FIELDS.map((field) => identityValue(ZHANG, field, 'zh-CN'))).toEqual([
      '张三',
      '女',
      '1971-05-06',
      '990***********1234',
      '',
      '',
    ]));
  it('that is hidden from the reader stays empty', () => expect(identityValue(MASKED, 'birth_date', 'en')).toBe(''));
});

it('a person has numbers of as many houses as gave one', () => {
  expect(houseCount([ZHANG, MASKED])).toBe(2);
  expect(houseCount([ZHANG, { ...ZHANG, row: 3 }])).toBe(1);
});

it('a field varies where two say something else, not where one says nothing', () => {
  expect(varies([ZHANG, MASKED], 'birth_date')).toBe(false);
  expect(varies([ZHANG, { ...ZHANG, sex: 'M' }], 'sex')).toBe(true);
});

it.each([
  ['refused', 8, 'amend.notAskedAgain'],
  ['confirmed', 7, 'amend.howToPart'],
  ['confirmed', 8, 'amend.partedSince'],
])('of a pair that was %s, the other now of person %i, it says %s', (state, person, said) =>
  expect(since({ state, one: ZHANG, other: { ...MASKED, person } } as Proposal)).toBe(said),
);
