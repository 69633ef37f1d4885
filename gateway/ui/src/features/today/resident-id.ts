/** The resident number of GB 11643: whether it can be, and what it states. Pure. */

import type { Sex } from '../../api/types';

export const RESIDENT_LENGTH = 18;
const WEIGHTS = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2] as const;
const CHECK = '10X98765432';

export type ResidentFault = 'length' | 'digits' | 'date' | 'check';

export interface ResidentFacts {
  /** As it is kept: without blanks, X as a capital letter. */
  number: string;
  fault: ResidentFault | null;
  /** `YYYY-MM-DD`; '' where the number is none. */
  born: string;
  sex: Sex;
}

/** A calendar day as `YYYY-MM-DD`, or '' where there is none such. */
export function realDay(year: number, month: number, day: number): string {
  const at = new Date(Date.UTC(year, month - 1, day));
  const real = at.getUTCFullYear() === year && at.getUTCMonth() === month - 1 && at.getUTCDate() === day;
  return real ? at.toISOString().slice(0, 10) : '';
}

/** What *typed* states, and the first thing that is wrong with it. */
export function residentFacts(typed: string): ResidentFacts {
  const number = typed.replace(/\s/g, '').toUpperCase();
  const nothing = { number, born: '', sex: '' as const };
  if (!/^\d*X?$/.test(number) || (number.includes('X') && number.length < RESIDENT_LENGTH))
    return { ...nothing, fault: 'digits' };
  if (number.length !== RESIDENT_LENGTH) return { ...nothing, fault: 'length' };
  const born = realDay(Number(number.slice(6, 10)), Number(number.slice(10, 12)), Number(number.slice(12, 14)));
  if (!born) return { ...nothing, fault: 'date' };
  const total = WEIGHTS.reduce((sum, weight, at) => sum + weight * Number(number[at]), 0);
  if (CHECK[total % 11] !== number[RESIDENT_LENGTH - 1]) return { ...nothing, fault: 'check' };
  return { number, fault: null, born, sex: Number(number[16]) % 2 ? 'M' : 'F' };
}
