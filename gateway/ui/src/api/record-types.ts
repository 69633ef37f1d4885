/** The JSON of records nodes told of: refused letters, trails, conflicts, the order behind a study. */

import type {
  Age,
  Examination,
  Institution,
  OpenVersion,
  OrderRow,
  OrderState,
  PatientClass,
  Patient,
  RegisteredPatient,
  Urgency,
} from './types';

/** Something a township's machine told that could not be taken; kept whole. */
export interface KeptLetter {
  id: number;
  kind: string;
  key: string;
  code: string;
  detail: string;
  at: string;
}

export interface KeptPage {
  items: KeptLetter[];
  next_cursor: number | null;
}

/** What somebody did at a township's machine. */
export interface NodeTrailLine {
  chain: string;
  number: number;
  at: string;
  event: string;
  outcome: number;
  username: string;
  address: string;
  subject: string;
  patient: string;
  reason: string;
  detail: Readonly<Record<string, unknown>>;
}

export interface NodeTrailPage {
  items: NodeTrailLine[];
  next_cursor: string | null;
}

/** A patient or an order that two machines wrote differently. */
export interface RecordConflict {
  kind: 'patient' | 'order';
  id: string;
  institution: Institution;
  patient: RegisteredPatient | null;
  order: OrderRow | null;
  updated_at: string;
  settled: { at: string; by: string; until: string } | null;
}

export interface RecordConflictPage {
  items: RecordConflict[];
  next_cursor: string | null;
  open: number;
}

export interface RecordConflictView {
  conflict: RecordConflict;
  etag: string;
  versions: OpenVersion[];
  /** How many contents are left out. */
  more: number;
}

/** The order a study was made for, as whoever reads the study sees it. */
export interface OrderBehind {
  id: string;
  accession_number: string;
  former_accession_numbers: string[];
  examination: Examination;
  clinical_question: string;
  priority: Urgency;
  patient_class: PatientClass;
  state: OrderState;
  ordered_by_name: string;
  ordered_at: string;
  /** On the day of the order. */
  patient_age: Age | null;
  patient_age_estimated: boolean;
  /** Who it turned out to be that nobody knew when the images were made. */
  patient_is_now: Patient | null;
}

export interface StudyOrder {
  order: OrderBehind | null;
  /** It bears the number of an order for somebody else. */
  other_patient: boolean;
}
