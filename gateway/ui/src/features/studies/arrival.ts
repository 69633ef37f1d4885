/** How much of a study its township has sent, as the list says it. Pure. */

import type { StudyArrival } from '../../api/types';

export interface Arriving {
  arrived: number;
  /** How many there will be, or at least are at the township. */
  of: number;
  downSince: string | null;
  short: boolean;
  /** All there was when its line went down is here, and nobody knows whether that is all. */
  maybe: boolean;
}

/** A township tells of a study within this time of its last image. */
const SETTLED_MS = 5 * 60_000;

/** Of a study that is not all here, or may not be: what is here of how many, and since when its line is down; null for a whole one. */
export function arriving(told: StudyArrival | null | undefined, here: number): Arriving | null {
  if (!told || told.state === 'complete') return null;
  const of = Math.max(told.expected ?? 0, told.here);
  // The township's word is half a minute old: what is in the archive counts.
  const arrived = Math.max(told.arrived, here);
  if (arrived < of) return { arrived, of, downSince: told.down_since, short: told.state === 'short', maybe: false };
  const maybe = told.state === 'growing' && told.down_since !== null && told.expected === null;
  return maybe ? { arrived, of: arrived, downSince: told.down_since, short: false, maybe } : null;
}

/** Whether what is known of the study may become another by nothing but its line going down. */
export function unsettled(row: { completeness?: StudyArrival | null; updated_at: string }, at: Date): boolean {
  if (row.completeness) return row.completeness.state !== 'complete';
  return at.getTime() - Date.parse(row.updated_at) < SETTLED_MS;
}
