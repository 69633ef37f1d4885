/** What the emergency look and the pages of who looked ask of the API. */

import { ask } from '../../api/client';
import type { Institution, StudyRow } from '../../api/types';

export type NumberKind = 'resident-id' | 'patient-id' | 'accession-number';

/** Whom somebody means; the institution is empty for resident numbers. */
export interface NumberAsk {
  kind: NumberKind;
  number: string;
  institution: string;
}

export interface EmergencyAsk extends NumberAsk {
  why: string;
}

/** An emergency look that lasts. */
export interface OpenLook {
  id: number;
  since: string;
  until: string;
  studies: StudyRow[];
}

/** An emergency look as who watches over them sees it; who may know no patient finds those fields empty. */
export interface LookRow {
  id: number;
  username: string;
  display_name: string;
  institution: Institution;
  owner: Institution;
  why: string;
  since: string;
  until: string;
  ended_at: string | null;
  patient_name: string;
  patient_id: string;
  study_instance_uid: string;
  verdict: '' | 'justified' | 'not-justified';
  note: string;
  reviewed_by: string;
  reviewed_at: string | null;
}

export interface LookPage {
  items: LookRow[];
  next_before: number | null;
  waiting: number;
}

export interface Looker {
  id: number;
  at: string;
  last_at: string;
  times: number;
  username: string;
  institution: Institution;
  event: string;
  reason: string;
  purpose: '' | 'BTG';
  subject: string;
  /** Whose machine it happened at; empty for the county. */
  node: string;
}

export interface LookersPage {
  items: Looker[];
  /** At townships' machines, the newest; on the first page. */
  at_nodes: Looker[];
  next_before: number | null;
}

const ROOT = '/api/v1/emergency-looks';
/** The asker's own looks that last. */
export const MINE = ['emergency-looks', 'mine'] as const;
export const WATCHED = ['emergency-looks', 'watched'] as const;

const page = (before: number | null) => `limit=50${before === null ? '' : `&before=${before}`}`;

export function askEmergency(body: EmergencyAsk): Promise<OpenLook> {
  return ask<OpenLook>(ROOT, { method: 'POST', body });
}

export function endEmergency(id: number): Promise<void> {
  return ask<void>(`${ROOT}/${id}`, { method: 'DELETE' });
}

export function myLooks(signal: AbortSignal): Promise<{ items: OpenLook[] }> {
  return ask<{ items: OpenLook[] }>(`${ROOT}/mine`, { signal });
}

export function watchedLooks(waiting: boolean, before: number | null, signal: AbortSignal): Promise<LookPage> {
  return ask<LookPage>(`${ROOT}?waiting=${waiting}&${page(before)}`, { signal });
}

export function judge(id: number, verdict: 'justified' | 'not-justified', note: string): Promise<LookRow> {
  return ask<LookRow>(`${ROOT}/${id}/review`, { method: 'POST', body: { verdict, note } });
}

/** Who looked at the patient of a study, or at whom a number names. */
export function lookersOf(of: string | NumberAsk, before: number | null, signal: AbortSignal): Promise<LookersPage> {
  if (typeof of === 'string') return ask<LookersPage>(`/api/v1/studies/${of}/looks?${page(before)}`, { signal });
  return ask<LookersPage>('/api/v1/looks', { method: 'POST', body: { ...of, before, limit: 50 }, signal });
}
