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
  /** Code of whose study it is. */
  institution: string;
  patient_id: string;
  name: string;
  /** Of the study; these are empty where nothing of it was here. */
  description: string;
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

/** A patient of one house; numbers masked, and for who is not in care the name and the birth date as well. */
export interface Identity {
  row: number;
  person: number | null;
  patient_id: string;
  /** Code of the house whose number it is, or the issuer the images name. */
  issuer: string;
  name: string;
  sex: Sex;
  birth_date: string;
  resident_id: string;
  phone: string;
  studies: number;
}

export type ProposalState = 'open' | 'confirmed' | 'refused';

/** Two patients who may be one person. */
export interface Proposal {
  id: number;
  etag: string;
  state: ProposalState | string;
  one: Identity;
  other: Identity;
  agrees: string[];
  /** Fields both have, with other values; what only one has is in neither list. */
  differs: string[];
  proposed_at: string;
  decided_by: string;
  decided_at: string | null;
}

export interface ProposalPage {
  items: Proposal[];
  next_cursor: string | null;
}

export interface PersonMerge {
  id: number;
  gone: number;
  /** Rows of the patients that went over. */
  patients: number[];
  basis: 'number' | 'person' | 'reconciliation' | string;
  reason: string;
  made_by: string;
  made_at: string;
  undone_by: string;
  undone_reason: string;
  undone_at: string | null;
}

/** A person of the county. */
export interface CountyPerson {
  id: number;
  etag: string;
  merged_into: number | null;
  identities: Identity[];
  merges: PersonMerge[];
}
