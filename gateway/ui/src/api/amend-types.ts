/** What is put right, as the county writes it: whose a study is, what does not count, who is one person. */

import type { Sex } from './types';

/** Who somebody is, and which order it is, as a comparison shows it; numbers masked. */
export interface Whose {
  patient_id: string;
  name: string;
  sex: Sex;
  /** YYYYMMDD, or empty. */
  birth_date: string;
  accession_number: string;
}

/** Whose a study could be: an order, or somebody registered. */
export interface CorrectionTarget {
  key: string;
  who: Whose;
  examination: string;
  scheduled_at: string | null;
  state: string;
  /** Fields of `who` in which the study says something else now. */
  differs: string[];
}

export interface CorrectionTargets {
  now: Whose;
  items: CorrectionTarget[];
}

export interface CorrectionRow {
  id: number;
  target: string;
  before: Whose;
  after: Whose;
  reason: string;
  made_by: string;
  made_at: string;
  undone_by: string;
  undone_reason: string;
  undone_at: string | null;
}

/** The newest first. */
export interface Corrections {
  items: CorrectionRow[];
}

/** Why images do not count: quality, patient safety, wrong worklist entry, keeping time over. */
export type RejectionTitle = '113001' | '113037' | '113038' | '113039';

export interface RejectionRow {
  id: number;
  etag: string;
  study_instance_uid: string;
  patient_id: string;
  title: RejectionTitle;
  reason: string;
  /** How many do not count by it. */
  objects: number;
  /** How many more its note names, which have not come. */
  awaited: number;
  /** AE title of the machine that sent the note; empty where it was made here. */
  sent_by: string;
  made_by: string;
  made_at: string;
  undone_by: string;
  undone_reason: string;
  undone_at: string | null;
}

export interface RejectionPage {
  items: RejectionRow[];
  next_cursor: string | null;
}
