/** The JSON of the townships' machines, as the county knows them. */

import type { Institution } from './types';

export interface NodeLane {
  priority: string;
  studies: number;
  instances: number;
  size_bytes: number;
}

export interface Completeness {
  /** Instances it will have; null while nobody knows. */
  expected: number | null;
  basis: string;
  here: number;
  arrived: number;
  state: 'growing' | 'short' | 'on-the-way' | 'complete';
}

export interface StudyArrival {
  expected: number | null;
  here: number;
  arrived: number;
  state: string;
  /** Since when nothing is heard of the township. */
  down_since: string | null;
}

export interface NodeStudy {
  study_instance_uid: string;
  modality: string;
  priority: string;
  paused: boolean;
  first_received_at: string;
  set_aside: number;
  completeness: Completeness;
}

/** A township's machine as the county knows it. */
export interface NodeRow {
  id: string;
  institution: Institution;
  state: 'never' | 'up' | 'late' | 'silent' | 'revoked';
  enrolled_at: string;
  revoked_at: string | null;
  heard_at: string | null;
  down_since: string | null;
  program: string;
  clock_off_s: number | null;
  line: { state: string; since: string | null; rate_bits_per_s: number | null; code: string; held_until?: string | null; held_by?: string } | null;
  disk: { total_bytes: number; free_bytes: number } | null;
  lanes: NodeLane[];
  letters_waiting: number;
  letters_refused: number;
  /** What it could not send, and what could not come back to it. */
  set_aside: number;
  /** Of these, what could not come back. */
  returns_set_aside: number;
  /** Studies that were still coming when the line went down. */
  maybe_more?: number;
  audit_fault: string;
}

export interface NodeList {
  items: NodeRow[];
}

/** A code that makes one machine the county's; it is in no other answer. */
export interface NodeInvitation {
  id: string;
  code: string;
  institution: { code: string; name: string };
  expires_at: string;
}

/** For whom a code can be made, and which are out and not used yet. */
export interface NodeAdmission {
  houses: { institution: { code: string; name: string }; nodes: number }[];
  open: { id: string; institution: { code: string; name: string }; made_by: string; made_at: string; expires_at: string }[];
}

export interface NodeDetail {
  node: NodeRow;
  studies: NodeStudy[];
}
