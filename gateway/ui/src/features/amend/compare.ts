/** Two identities side by side, line by line. Pure. */

import type { CorrectionRow, Whose } from '../../api/types';
import { dicomDate, type Language } from '../../frame/clock';
import { sexText } from '../../frame/patient';
import type { TextKey } from '../../i18n';

export type Field = keyof Whose;

/** In the order every page says who somebody is. */
export const WORDS: Readonly<Record<Field, TextKey>> = {
  name: 'today.name',
  sex: 'today.sex',
  birth_date: 'today.birth',
  patient_id: 'today.patientId',
  accession_number: 'today.colNumber',
};
const FIELDS = Object.keys(WORDS) as Field[];

export interface Line {
  field: Field;
  now: string;
  then: string;
  differs: boolean;
}

/** A value as it is read; '' where there is none. */
export function shown(field: Field, value: string, language: Language): string {
  if (!value) return '';
  if (field === 'birth_date') return dicomDate(value) || value;
  return field === 'sex' ? sexText(value as Whose['sex'], language) : value;
}

/** What a study says, beside what it would say; *differs* is the server's word, for masked numbers may look alike. */
export function compared(now: Whose, then: Whose, differs: readonly string[], language: Language): Line[] {
  return FIELDS.map((field) => ({
    field,
    now: shown(field, now[field], language),
    then: shown(field, then[field], language),
    differs: differs.includes(field),
  }));
}

/** What a correction changed that can be seen. */
export function changed({ before, after }: CorrectionRow, language: Language): Line[] {
  const differs = FIELDS.filter((field) => before[field] !== after[field]);
  return compared(before, after, differs, language).filter((line) => line.differs);
}

/** The correction that can be taken back: the newest that stands. */
export function standing(rows: readonly CorrectionRow[]): CorrectionRow | undefined {
  return rows.find(({ undone_at }) => undone_at === null);
}
