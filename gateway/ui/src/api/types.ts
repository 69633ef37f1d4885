/** The JSON of `/api/v1`, as the server writes it: snake_case, times as ISO 8601 in UTC. */

import type { Completeness, StudyArrival } from './node-types';

export type * from './amend-types';
export type * from './here-types';
export type * from './node-types';
export type * from './record-types';

export type Sex = 'M' | 'F' | 'O' | '';

export interface Age {
  value: number;
  unit: 'hours' | 'days' | 'weeks' | 'months' | 'years' | string;
}

export interface Institution {
  code: string;
  name: string;
  kind?: string;
}

export interface User {
  username: string;
  display_name: string;
  roles: string[];
  institution: Institution;
  /** For people of a village house: in whose register they find and order, and who examines. */
  orders_at?: Institution | null;
}

export interface Session {
  authenticated: boolean;
  csrf: string;
  node: 'county' | 'township';
  node_name: string;
  server_time: string;
  ws?: string;
  demo: boolean;
  user?: User;
  idle_lock_s: number;
  /** The password is old, or somebody else set it. */
  password_change_due?: boolean;
  /** Until when one may sign in here while the county is not heard of; absent where that is not so. */
  offline_until?: string;
}

export interface Patient {
  name: string;
  /** The name in Latin letters, when the record has it. */
  alphabetic_name?: string;
  sex: Sex;
  age: Age | null;
  /** Somebody's guess, where nobody knows. */
  age_estimated?: boolean;
  /** As the images state it; absent where nobody asked them. */
  birth_date?: string | null;
  patient_id?: string;
  masked_id?: string;
}

export interface StudyRow {
  study_instance_uid: string;
  patient: Patient;
  accession_number: string;
  description: string;
  modalities: string[];
  body_part: string;
  institution: Institution;
  study_date_time: string | null;
  received_at: string;
  updated_at: string;
  instance_count: number;
  series_count: number;
  unidentified: boolean;
  conflicts: number;
  priority: string;
  route: { rule: string; destination: string } | null;
  /** Until when it stands in the zone of emergencies at the top; null where it has no place there. */
  pinned_until: string | null;
  /** How much of it its township has sent; left out of events, which change nothing of it. */
  completeness?: StudyArrival | null;
}

export interface StudyPage {
  items: StudyRow[];
  next_cursor: string | null;
  total: number;
  last_event_id: number;
  /** With the first page: the emergencies that stand above whatever is newest. */
  pinned: StudyRow[];
  /** Study Instance UIDs of those the filter leaves out. */
  pinned_elsewhere: string[];
}

export interface SeriesRow {
  series_instance_uid: string;
  modality: string;
  description: string;
  number: number | null;
  instance_count: number;
  body_part: string;
  thumbnail: string;
}

/** The content that answers for a UID: the first that came, or the one a person chose. */
export interface FirstContent {
  received_at: string;
  institution: string;
  institution_name: string;
  ae_title: string;
  size_bytes: number;
  /** Names the content, wherever it stands. */
  digest: string;
  content: string;
}

/** One thing of patient or study in which two contents differ; empty where one says nothing. */
export interface ContentSaid {
  field: string;
  first: string;
  other: string;
}

/** What a person decided of the contents under a UID, while that stands. */
export interface ContentDecision {
  /** Digest of the content chosen. */
  content: string;
  reason: string;
  made_by: string;
  made_at: string;
}

/** Something of a study a person must look at: another content under a UID, or another patient's name in it. */
export interface Conflict {
  id: string;
  sop_instance_uid: string;
  kept_at: string;
  reason: 'other-content' | 'other-patient' | string;
  /** What of it differs from the first. */
  differs: ('dataset' | 'pixels' | string)[];
  institution: string;
  institution_name: string;
  ae_title: string;
  seen_count: number;
  size_bytes: number;
  /** Path of the object as a DICOM file. */
  content: string;
  /** null where no other content is in question. */
  first: FirstContent | null;
  /** What each says of patient and study where they differ. */
  says: ContentSaid[];
  digest: string;
  /** State of the matter, from which a decision is made. */
  etag: string;
  /** null while it is open. */
  decision: ContentDecision | null;
}

export interface StudyDetail {
  study: StudyRow;
  series: SeriesRow[];
  /** The first of them. */
  conflicts: Conflict[];
  conflicts_cursor: string | null;
  conflicts_total: number;
}

export interface ConflictPage {
  items: Conflict[];
  next_cursor: string | null;
  total: number;
}

export interface TownshipNode {
  name: string;
  institution: Institution;
  dicom: { ae_title: string; host: string; port: number };
  county: { name: string; phone: string };
}

export type LineState = 'up' | 'down' | 'unknown';

export interface Line {
  state: LineState;
  since: string | null;
  rate_bits_per_s: number | null;
  /** Why it is down, where more is known than that. */
  code?: string;
  /** A person holds it until then. */
  held_until?: string | null;
  held_by?: string;
  /** What images may take of it now. */
  limit_bits_per_s?: number | null;
  /** Whether that is because the clinic works. */
  clinic_hours?: boolean;
}

export interface QueueSummary {
  safe_here: number;
  on_the_line: number;
  at_county: number;
  needs_attention: number;
  eta: string | null;
  line: Line;
  disk: { state: 'ok' | 'low' | 'full'; used_percent: number; room_for_studies: number | null };
}

export type QueueState = 'arriving' | 'waiting' | 'sending' | 'at_county' | 'set_aside';

export interface SetAside {
  id: string | number;
  sop_instance_uid: string;
  reason_code: string;
  reason: string;
}

export interface QueueItem {
  study_instance_uid: string;
  patient: Patient;
  modality: string;
  description: string;
  body_part: string;
  study_date_time: string | null;
  priority: string;
  paused: boolean;
  /** A person put it before the others of its urgency. */
  put_first: boolean;
  instances: { here: number; sent: number; at_county: number; set_aside: number; released: number };
  completeness: Completeness;
  state: QueueState;
  position: number | null;
  eta: string | null;
  county_received_at: string | null;
  unidentified: boolean;
  conflicts: number;
  set_aside: SetAside[];
  /** Of the images here, those this machine's disk has not kept whole. */
  damaged_here: number;
  /** Of the images at the county, those it keeps and cannot read yet. */
  unread_at_county: number;
  /** Who it turned out to be that nobody knew when the images were made. */
  patient_is_now: Patient | null;
}

export interface QueuePage {
  summary: QueueSummary;
  items: QueueItem[];
  last_event_id: number;
  next_cursor?: string | null;
}

export interface ReceivedFile {
  upload_id: string;
  filename: string;
  state: 'receiving' | 'safe' | 'refused' | 'skipped';
  reason_code: string;
  reason: string;
  study_instance_uid: string;
  accepted: number;
  refused: { name: string; reason_code: string }[];
}

export interface UploadBatch {
  files: ReceivedFile[];
}

export interface HaveFile {
  name: string;
  size: number;
  sop_instance_uid?: string;
  study_instance_uid?: string;
}

export type Urgency = 'emergency' | 'urgent' | 'routine';
export type PatientClass = 'outpatient' | 'inpatient' | 'emergency' | 'checkup';
export type OrderState = 'ordered' | 'in-progress' | 'completed' | 'discontinued' | 'cancelled';

/** Somebody registered at this institution. */
export interface RegisteredPatient {
  id: string;
  patient_id: string;
  name: string;
  name_pinyin: string;
  sex: Sex;
  birth_date: string | null;
  age: Age | null;
  age_estimated: boolean;
  masked_resident_id: string;
  masked_phone: string;
  /** Of somebody nobody knows. */
  temporary: { estimated_age_years?: number | null; marks?: string } | null;
  status: 'active' | 'reconciled';
  reconciled_with: string;
  registered_at: string;
  etag: string;
  conflicts: number;
}

export interface RegisteredPage {
  items: RegisteredPatient[];
  next_cursor: string | null;
  last_event_id: number;
}

/** A row of the institution's catalogue. */
export interface Examination {
  code: string;
  name: string;
  modality: string;
  body_part: string;
  example?: boolean;
}

export interface OrderRow {
  id: string;
  /** null where the patient has not reached this machine yet. */
  patient: RegisteredPatient | null;
  accession_number: string;
  number_disputed: boolean;
  former_accession_numbers: string[];
  study_instance_uid: string;
  examination: Examination;
  station_ae_title: string;
  scheduled_at: string;
  priority: Urgency;
  patient_class: PatientClass;
  state: OrderState;
  ordered_by_name: string;
  ordered_at: string;
  performed_at: string | null;
  ended_at: string | null;
  recognition_checked: boolean;
  etag: string;
  conflicts: number;
}

export interface OrderPage {
  items: OrderRow[];
  next_cursor: string | null;
  last_event_id: number;
}

export interface DayPage {
  date: string;
  items: OrderRow[];
  counts: Record<string, number>;
  more: boolean;
  accession_numbers: { left: number; can_order: boolean };
  last_event_id: number;
}

export interface UnreadOrders {
  /** False where nobody has to read them elsewhere. */
  known: boolean;
  /** False where the house that performs them has no machine at the county. */
  machine: boolean;
  items: string[];
}

export interface HistoryLine {
  version: string;
  act: string;
  at: string;
  by: string;
  reason: string;
}

/** One of the contents two machines wrote of one record. */
export interface OpenVersion {
  version: string;
  node: string;
  at: string;
  by: string;
  shown: boolean;
  differs: Record<string, unknown>;
}

export interface OrderDetail {
  order: OrderRow;
  clinical_question: string;
  ended_reason: string;
  first_patient: RegisteredPatient | null;
  actions: string[];
  history: HistoryLine[];
  open_versions: OpenVersion[];
}

export interface RegisteredDetail {
  patient: RegisteredPatient;
  real_patient: RegisteredPatient | null;
  same_names: number;
  orders: OrderRow[];
  actions: string[];
  open_versions: OpenVersion[];
}
