/** A birth date as it is typed: a date in any of the usual forms, or an age. Pure. */

import { realDay } from './resident-id';

export interface Birth {
  /** `YYYY-MM-DD`. */
  date: string;
  /** Counted back from an age: the day is not known. */
  fromAge: boolean;
}

const OLDEST_YEARS = 130;
const SPLIT = /^(\d{4})\s*[-./年]\s*(\d{1,2})\s*[-./月]\s*(\d{1,2})\s*日?$/;
const RUN = /^(\d{4})(\d{2})(\d{2})$/;
const AGE = /^(\d{1,3})\s*(岁|周岁|y|个月|月|mo|天|日|d)?$/i;

/** What *typed* means on the day *today* (`YYYY-MM-DD`); null where it means nothing, or a day to come. */
export function birthOf(typed: string, today: string): Birth | null {
  const text = typed.trim();
  const day = SPLIT.exec(text) ?? RUN.exec(text);
  if (day) {
    const date = realDay(Number(day[1]), Number(day[2]), Number(day[3]));
    return date && date <= today && Number(today.slice(0, 4)) - Number(date.slice(0, 4)) <= OLDEST_YEARS + 20
      ? { date, fromAge: false }
      : null;
  }
  const age = AGE.exec(text);
  return age ? before(Number(age[1]), (age[2] ?? '岁').toLowerCase(), today) : null;
}

function before(count: number, unit: string, today: string): Birth | null {
  const [year = 0, month = 1, day = 1] = today.split('-').map(Number);
  if (/^(天|日|d)$/.test(unit)) {
    const date = new Date(Date.UTC(year, month - 1, day - count)).toISOString().slice(0, 10);
    return { date, fromAge: true };
  }
  const months = /^(个月|月|mo)$/.test(unit) ? count : count * 12;
  if (months > OLDEST_YEARS * 12) return null;
  const whole = year * 12 + (month - 1) - months;
  const [toYear, toMonth] = [Math.floor(whole / 12), (whole % 12) + 1];
  // The last day of a shorter month stands for days it does not have.
  for (let toDay = day; toDay > 27; toDay -= 1) {
    const date = realDay(toYear, toMonth, toDay);
    if (date) return { date, fromAge: true };
  }
  return { date: realDay(toYear, toMonth, day), fromAge: true };
}
