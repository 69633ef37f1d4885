/** What a patient is called on screen: sex, age by the wards' rule, identifiers masked. Pure. */

import type { Age, Patient, Sex } from '../api/types';
import type { Language } from './clock';

const MAINLAND_ID = /^\d{17}[\dXx]$/;
const OLD_ID = /^\d{15}$/;
const PHONE = /^1\d{10}$/;

/** Masks a resident ID number or phone; a hospital's own number stays as it is. */
export function maskIdentifier(value: string): string {
  const id = value.trim();
  if (MAINLAND_ID.test(id)) return `${id.slice(0, 3)}***********${id.slice(-4)}`;
  if (OLD_ID.test(id)) return `${id.slice(0, 3)}********${id.slice(-4)}`;
  if (PHONE.test(id)) return `${id.slice(0, 3)}****${id.slice(-4)}`;
  return id;
}

/** The identifier a page may show: the server's masked form first. */
export function shownIdentifier(patient: Patient): string {
  return patient.masked_id || maskIdentifier(patient.patient_id ?? '');
}

/** The last four digits of an identifier (a resident number may end in X), for images; '' where it ends in letters. */
export function identifierTail(patient: Patient): string {
  return /(?:\d{4}|(?<=\*)\d{3}[Xx])$/.exec(shownIdentifier(patient))?.[0] ?? '';
}

const SEX: Record<Language, Record<Sex, string>> = {
  'zh-CN': { M: '男', F: '女', O: '其他', '': '性别未填' },
  en: { M: 'M', F: 'F', O: 'other', '': 'sex not given' },
};

export function sexText(sex: Sex, language: Language): string {
  return SEX[language][sex] ?? SEX[language][''];
}

const UNIT: Record<Language, Record<string, string>> = {
  'zh-CN': { hours: '小时', days: '天', weeks: '周', months: '个月', years: '岁' },
  en: { hours: 'h', days: 'd', weeks: 'wk', months: 'mo', years: 'y' },
};

export function ageText(age: Age | null, language: Language, estimated = false): string {
  if (!age) return language === 'en' ? 'age not given' : '年龄未填';
  const unit = UNIT[language][age.unit] ?? age.unit;
  return language === 'en'
    ? `${estimated ? 'about\u00A0' : ''}${age.value}\u00A0${unit}`
    : `${estimated ? '约' : ''}${age.value}${unit}`;
}

const LETTER: Record<string, Age['unit']> = { D: 'days', W: 'weeks', M: 'months', Y: 'years' };

/** A DICOM AS value (`056Y`); null when it is none. */
export function dicomAge(value: string): Age | null {
  const found = /^(\d{1,3})([DWMY])$/.exec(value.trim());
  const unit = found && LETTER[found[2] ?? ''];
  return unit ? { value: Number(found[1]), unit } : null;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/**
 * The age at *at* of somebody born at *born*: hours under 3 days, days under 28, months and days under 1 year,
 * years and months under 6, else years. Dates are `YYYY-MM-DD`; '' when one of them is none or birth comes after.
 */
export function ageAt(born: string, at: string, language: Language): string {
  const birth = Date.parse(born.length === 10 ? `${born}T00:00:00+08:00` : born);
  const then = Date.parse(at.length === 10 ? `${at}T00:00:00+08:00` : at);
  if (Number.isNaN(birth) || Number.isNaN(then) || then < birth) return '';
  const english = language === 'en';
  const days = Math.floor((then - birth) / DAY_MS);
  if (days < 3)
    return english ? `${Math.floor((then - birth) / HOUR_MS)}\u00A0h` : `${Math.floor((then - birth) / HOUR_MS)}小时`;
  if (days < 28) return english ? `${days}\u00A0d` : `${days}天`;
  const { years, months, rest } = calendarSpan(born.slice(0, 10), at.slice(0, 10));
  if (years < 1) return english ? `${months}\u00A0mo ${rest}\u00A0d` : `${months}个月${rest}天`;
  if (years < 6) return english ? `${years}\u00A0y ${months}\u00A0mo` : `${years}岁${months}个月`;
  return english ? `${years}\u00A0y` : `${years}岁`;
}

function calendarSpan(from: string, to: string): { years: number; months: number; rest: number } {
  const [fy = 0, fm = 1, fd = 1] = from.split('-').map(Number);
  const [ty = 0, tm = 1, td = 1] = to.split('-').map(Number);
  let months = (ty - fy) * 12 + (tm - fm);
  let rest = td - fd;
  if (rest < 0) {
    months -= 1;
    rest += new Date(Date.UTC(ty, tm - 1, 0)).getUTCDate();
  }
  return { years: Math.floor(months / 12), months: months % 12, rest };
}

/** A person name value `Alphabetic=Ideographic=Phonetic` as a Chinese reader wants it: characters before letters. */
export function personName(value: string): string {
  const [alphabetic = '', ideographic = ''] = value.split('=');
  const chosen = ideographic.trim() || alphabetic.trim();
  const family = /[\u3400-\u9fff]/.test(chosen);
  return chosen
    .split('^')
    .map((part) => part.trim())
    .filter(Boolean)
    .join(family ? '' : ' ');
}

/** The blank some systems put between family and given name; Chinese has none there. */
const BETWEEN_HAN = /(?<=[\u3400-\u9fff])\s+(?=[\u3400-\u9fff])/g;

/** The name as shown: the characters always, in English the record's own Latin letters beside them. */
export function shownName(patient: Patient, language: Language): string {
  const { alphabetic_name: latin = '' } = patient;
  const name = patient.name.replace(BETWEEN_HAN, '');
  return language === 'en' && latin && latin !== name ? `${name} ${latin}` : name;
}
