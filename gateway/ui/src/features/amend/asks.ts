/** What the pages of putting right ask of the county. */

import { ask } from '../../api/client';
import type {
  Corrections,
  CorrectionTarget,
  CorrectionTargets,
  CountyPerson,
  PersonMerge,
  Proposal,
  ProposalPage,
  ProposalState,
  RejectionPage,
  RejectionRow,
  RejectionTitle,
  Whose,
} from '../../api/types';
import { type Instance, number, text } from '../viewer/dicom-json';
import { act } from '../today/asks';

const study = (uid: string) => `/api/v1/studies/${uid}`;

export const CORRECTIONS = 'corrections';

/** What was put right about a study, and the version of that. */
export interface Known extends Corrections {
  version: string;
}

/** Asks by *send*, and joins the answer with the version it was told under. */
async function known(send: (heard: (version: string) => void) => Promise<Corrections>): Promise<Known> {
  let version = '';
  const answer = await send((told) => {
    version = told;
  });
  return { ...answer, version };
}

export function corrections(uid: string, signal: AbortSignal): Promise<Known> {
  return known((heard) => ask<Corrections>(`${study(uid)}/corrections`, { signal, heard }));
}

/** A target, with what the study said when it was found. */
export interface Found extends CorrectionTarget {
  now: Whose;
}

/** Orders and patients of that number or name; nothing is found by nothing. */
export async function targets(uid: string, typed: string, signal: AbortSignal): Promise<Found[]> {
  if (!typed) return [];
  const path = `${study(uid)}/correction-targets?q=${encodeURIComponent(typed)}`;
  const { now, items } = await ask<CorrectionTargets>(path, { signal });
  return items.map((item) => ({ ...item, now }));
}

export function correct(uid: string, target: string, reason: string, version: string): Promise<Known> {
  return known((heard) => act(`${study(uid)}/corrections`, { target, reason }, { version, heard }));
}

export function undoCorrection(uid: string, id: number, reason: string, version: string): Promise<Known> {
  return known((heard) => act(`${study(uid)}/corrections/${id}/undo`, { reason }, { version, heard }));
}

export const REJECTIONS = 'rejections';
const PAGE = 50;

/** A page of the rejections in the studies of one's house; of one study where it is named. */
export function rejections(uid: string, cursor: string, signal: AbortSignal): Promise<RejectionPage> {
  const asked = new URLSearchParams({ limit: String(PAGE), ...(uid ? { study: uid } : {}), ...(cursor ? { cursor } : {}) });
  return ask<RejectionPage>(`/api/v1/rejections?${asked}`, { signal });
}

/** What does not count; the whole study where no part is named. */
export interface Rejected {
  title: RejectionTitle;
  reason: string;
  series: readonly string[];
  instances: readonly string[];
}

export function reject(uid: string, body: Rejected): Promise<RejectionRow> {
  return act<RejectionRow>(`${study(uid)}/rejections`, body);
}

export function undoRejection({ id, etag }: RejectionRow, reason: string): Promise<RejectionRow> {
  return act<RejectionRow>(`/api/v1/rejections/${id}/undo`, { reason }, { version: etag });
}

/** One image or document of a series, to be chosen. */
export interface Piece {
  uid: string;
  number: number | undefined;
  thumbnail: string;
}

/** The images of a series as their machine numbered them. */
export async function pieces(uid: string, series: string, signal: AbortSignal): Promise<Piece[]> {
  const path = `/dicom-web/studies/${uid}/series/${series}/instances`;
  const found = await ask<Instance[]>(`${path}?includefield=00200013`, { signal });
  return found
    .map((one) => ({ uid: text(one, '00080018'), number: number(one, '00200013') }))
    .map((one) => ({ ...one, thumbnail: `${path}/${one.uid}/thumbnail` }))
    .sort((one, other) => (one.number ?? Infinity) - (other.number ?? Infinity));
}

export const PERSONS = 'persons';
const persons = '/api/v1/persons';

export function proposals(state: ProposalState, cursor: string, signal: AbortSignal): Promise<ProposalPage> {
  const asked = new URLSearchParams({ state, limit: String(PAGE), ...(cursor ? { cursor } : {}) });
  return ask<ProposalPage>(`${persons}/proposals?${asked}`, { signal });
}

export function decideProposal({ id, etag }: Proposal, same: boolean, reason: string): Promise<Proposal> {
  return act<Proposal>(`${persons}/proposals/${id}/${same ? 'confirm' : 'refuse'}`, { reason }, { version: etag });
}

export function person(id: string, signal: AbortSignal): Promise<CountyPerson> {
  return ask<CountyPerson>(`${persons}/${id}`, { signal });
}

export function undoMerge({ id, etag }: CountyPerson, merge: PersonMerge, reason: string): Promise<CountyPerson> {
  return act<CountyPerson>(`${persons}/${id}/merges/${merge.id}/undo`, { reason }, { version: etag });
}
