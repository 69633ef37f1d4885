import { describe, expect, it } from 'vitest';

import { realDay, residentFacts } from './resident-id';
import { residentNumber } from './resident-id.fixture';

describe('a resident number', () => {
  it('states birth date and sex', () => {
    expect(residentFacts(residentNumber('1960-03-07', '451'))).toMatchObject({ fault: null, born: '1960-03-07', sex: 'M' });
    expect(residentFacts(residentNumber('2024-02-29', '122'))).toMatchObject({ fault: null, born: '2024-02-29', sex: 'F' });
  });

  it('may be typed with blanks and a small x', () => {
    const [x] = Array.from({ length: 999 }, (_, at) => residentNumber('1971-11-02', String(at).padStart(3, '0'))).filter(
      (number) => number.endsWith('X'),
    );
    const typed = `${x?.slice(0, 6)} ${x?.slice(6, 14)} ${x?.slice(14).toLowerCase()}`;
    expect(residentFacts(typed)).toMatchObject({ number: x, fault: null });
  });

  it('is refused for every other check digit', () => {
    const right = residentNumber('1960-03-07', '451');
    for (const digit of '0123456789X') {
      const fault = residentFacts(right.slice(0, 17) + digit).fault;
      expect(fault, digit).toBe(digit === right[17] ? null : 'check');
    }
  });

  it('says which thing is wrong first', () => {
    expect(residentFacts('99000019').fault).toBe('length');
    expect(residentFacts('9900001960O3074518').fault).toBe('digits');
    expect(residentFacts('X90000196003074518').fault).toBe('digits');
    expect(residentFacts('990000196002304518').fault).toBe('date');
  });
});

it('a day that is not in the calendar is none', () => {
  expect(realDay(2023, 2, 29)).toBe('');
  expect(realDay(2024, 2, 29)).toBe('2024-02-29');
  expect(realDay(2024, 13, 1)).toBe('');
});
