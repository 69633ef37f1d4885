/** What the pages of putting right ask of the county. */

import { ask } from '../../api/client';
import type { Corrections, CorrectionTarget, CorrectionTargets, Whose } from '../../api/types';
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
