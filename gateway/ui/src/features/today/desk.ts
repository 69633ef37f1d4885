/** What stands on the ordering page: for whom, what, how urgently; and what of it is still missing. Pure. */

import type { Examination, OrderRow, PatientClass, RegisteredPatient, Sex, Urgency } from '../../api/types';
import type { TextKey } from '../../i18n';
import { birthOf } from './birth';
import { residentFacts } from './resident-id';

/** As they are typed. */
export interface Fields {
  name: string;
  residentId: string;
  sex: Sex;
  birth: string;
  phone: string;
  patientId: string;
}

export type Who =
  | { kind: 'nobody' }
  | { kind: 'known'; patient: RegisteredPatient }
  | { kind: 'new'; fields: Fields }
  | { kind: 'unknown'; sex: Sex; age: string; marks: string };

export interface Line {
  examination: Examination;
  /** Set once it is ordered. */
  order?: OrderRow;
  error?: unknown;
}

export interface Desk {
  who: Who;
  lines: readonly Line[];
  priority: Urgency;
  patientClass: PatientClass;
  /** `YYYY-MM-DDTHH:mm` on the county's clock; '' for now. */
  later: string;
  station: string;
  question: string;
}

export const NO_FIELDS: Fields = { name: '', residentId: '', sex: '', birth: '', phone: '', patientId: '' };

export const EMPTY: Desk = {
  who: { kind: 'nobody' },
  lines: [],
  priority: 'routine',
  patientClass: 'outpatient',
  later: '',
  station: '',
  question: '',
};

/** The desk for somebody nobody knows: an emergency until somebody says otherwise. */
export function unknownDesk(desk: Desk): Desk {
  return {
    ...desk,
    who: { kind: 'unknown', sex: '', age: '', marks: '' },
    priority: 'emergency',
    patientClass: 'emergency',
  };
}

/** *fields* with what a whole and right resident number states filled in, where it is not told otherwise. */
export function filledFrom(fields: Fields): Fields {
  const facts = residentFacts(fields.residentId);
  if (facts.fault) return fields;
  return { ...fields, residentId: facts.number, sex: facts.sex, birth: facts.born };
}

/** What was typed while looking for somebody, put into the field it belongs to, with what it states filled in. */
export function fieldsFrom(typed: string): Fields {
  const closed = typed.replace(/\s/g, '');
  if (/^\d{15,17}[\dXx]$/.test(closed)) return filledFrom({ ...NO_FIELDS, residentId: closed.toUpperCase() });
  if (/^1\d{10}$/.test(closed)) return { ...NO_FIELDS, phone: closed };
  if (/\d/.test(typed)) return { ...NO_FIELDS, patientId: typed };
  return { ...NO_FIELDS, name: typed };
}

const WORD: Readonly<Record<keyof Fields, TextKey>> = {
  name: 'today.name',
  residentId: 'today.residentId',
  sex: 'today.sex',
  birth: 'today.birth',
  phone: 'today.phone',
  patientId: 'today.patientId',
};

const PHONE = /^[+0-9][0-9 -]{0,30}$/;
const SHORTEST_PHONE = 3;
const NOT_IN_A_NAME = /[\\^=\p{Cc}]/u;

/** What is wrong with each field that holds something; '' keys are absent. */
export function faultsOf(fields: Fields, today: string): Partial<Record<keyof Fields, TextKey>> {
  const faults: Partial<Record<keyof Fields, TextKey>> = {};
  const facts = residentFacts(fields.residentId);
  if (fields.name.trim().length > 64 || NOT_IN_A_NAME.test(fields.name)) faults.name = 'today.badName';
  if (fields.residentId.trim() && facts.fault) faults.residentId = `today.resident.${facts.fault}`;
  const birth = birthOf(fields.birth, today);
  if (fields.birth.trim() && !birth) faults.birth = 'today.badBirth';
  else if (fields.residentId.trim() && !facts.fault) {
    if (birth && !birth.fromAge && birth.date !== facts.born) faults.birth = 'today.birthDiffers';
    if (fields.sex && fields.sex !== facts.sex) faults.sex = 'today.sexDiffers';
  }
  const phone = fields.phone.trim();
  if (phone && !PHONE.test(phone)) faults.phone = 'today.badPhone';
  else if (phone && phone.length < SHORTEST_PHONE) faults.phone = 'today.shortPhone';
  return faults;
}

/** What of *fields* must still be given before somebody can be registered. */
export function lacking(fields: Fields, today: string): TextKey[] {
  const lacks: TextKey[] = [];
  if (!fields.name.trim()) lacks.push('today.name');
  if (!fields.sex) lacks.push('today.sex');
  if (!birthOf(fields.birth, today)) lacks.push('today.birth');
  return lacks;
}

/** What is still missing before anything can be ordered, in the words of the fields. */
export function missing(desk: Desk, today: string): TextKey[] {
  const lacks: TextKey[] = [];
  if (desk.who.kind === 'nobody') lacks.push('today.patient');
  if (desk.who.kind === 'new') {
    lacks.push(...lacking(desk.who.fields, today));
    for (const fault of Object.keys(faultsOf(desk.who.fields, today)) as (keyof Fields)[])
      if (!lacks.includes(WORD[fault])) lacks.push(WORD[fault]);
  }
  if (desk.who.kind === 'unknown' && !ageFits(desk.who.age)) lacks.push('today.estimatedAge');
  if (!open(desk).length) lacks.push('today.examination');
  return lacks;
}

/** The lines that are not ordered yet. */
export function open(desk: Desk): Line[] {
  return desk.lines.filter((line) => !line.order);
}

export function ageFits(typed: string): boolean {
  const text = typed.trim();
  return !text || (/^\d{1,3}$/.test(text) && Number(text) <= 130);
}

/** *fields* or what is known of somebody unknown, as the API takes it. */
export function newPatientBody(who: Who, today: string): Record<string, unknown> | null {
  if (who.kind === 'unknown') {
    const age = who.age.trim();
    return {
      sex: who.sex,
      temporary: { estimated_age_years: age ? Number(age) : null, marks: who.marks.trim() },
    };
  }
  if (who.kind !== 'new') return null;
  const { fields } = who;
  return {
    name: fields.name.trim(),
    sex: fields.sex,
    birth_date: birthOf(fields.birth, today)?.date ?? null,
    resident_id: residentFacts(fields.residentId).number,
    phone: fields.phone.trim(),
    patient_id: fields.patientId.trim(),
  };
}

/** What of *patient* is to be other than it is, as the API takes it; numbers left empty stay. */
export function changesOf(patient: RegisteredPatient, fields: Fields, today: string): Record<string, unknown> {
  const changes: Record<string, unknown> = {};
  const birth = birthOf(fields.birth, today)?.date;
  if (fields.name.trim() && fields.name.trim() !== patient.name) changes.name = fields.name.trim();
  if (fields.sex !== patient.sex) changes.sex = fields.sex;
  if (birth && birth !== patient.birth_date) changes.birth_date = birth;
  if (fields.residentId.trim()) changes.resident_id = residentFacts(fields.residentId).number;
  if (fields.phone.trim()) changes.phone = fields.phone.trim();
  if (fields.patientId.trim() && fields.patientId.trim() !== patient.patient_id) changes.patient_id = fields.patientId.trim();
  return changes;
}

/** What is asked for with *line*; the patient is added by whoever sends it. */
export function orderBody(desk: Desk, line: Line): Record<string, unknown> {
  return {
    examination: line.examination.code,
    scheduled_at: desk.later ? `${desk.later}:00+08:00` : null,
    station_ae_title: desk.station.trim(),
    priority: desk.priority,
    patient_class: desk.patientClass,
    clinical_question: desk.question.trim(),
  };
}

/** Whether leaving the page would lose something. */
export function holdsAnything(desk: Desk): boolean {
  // All of it is ordered: the server has it.
  if (desk.lines.length && !open(desk).length) return false;
  if (open(desk).length || desk.question.trim()) return true;
  if (desk.who.kind === 'new') return Object.values(desk.who.fields).some((value) => value.trim());
  if (desk.who.kind !== 'unknown') return false;
  return desk.who.sex !== '' || Boolean(desk.who.age.trim() || desk.who.marks.trim());
}
