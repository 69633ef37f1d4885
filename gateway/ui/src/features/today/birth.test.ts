import { expect, it } from 'vitest';

import { birthOf } from './birth';

const TODAY = '2026-05-12';

it('a birth date is read in the forms people write', () => {
  for (const typed of ['1960-03-07', '1960.3.7', '1960/03/07', '19600307', '1960年3月7日'])
    expect(birthOf(typed, TODAY), typed).toEqual({ date: '1960-03-07', fromAge: false });
});

it('an age is counted back and says so', () => {
  expect(birthOf('56', TODAY)).toEqual({ date: '1970-05-12', fromAge: true });
  expect(birthOf('56岁', TODAY)).toEqual({ date: '1970-05-12', fromAge: true });
  expect(birthOf('7个月', TODAY)).toEqual({ date: '2025-10-12', fromAge: true });
  expect(birthOf('3天', TODAY)).toEqual({ date: '2026-05-09', fromAge: true });
  expect(birthOf('0', TODAY)).toEqual({ date: TODAY, fromAge: true });
});

it('a day the month does not have becomes its last', () => {
  expect(birthOf('1个月', '2026-03-31')).toEqual({ date: '2026-02-28', fromAge: true });
  expect(birthOf('2', '2024-02-29')).toEqual({ date: '2022-02-28', fromAge: true });
});

it('what is no date, is to come or is too long ago means nothing', () => {
  for (const typed of ['', '1960-13-07', '1960-02-30', '2026-05-13', '1860-01-01', '131', 'abc', '1960'])
    expect(birthOf(typed, TODAY), typed).toBeNull();
});
