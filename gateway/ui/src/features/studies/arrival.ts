/** How much of a study its township has sent, as the list says it. Pure. */

import type { StudyArrival } from '../../api/types';

export interface Arriving {
  arrived: number;
  /** How many there will be, or at least are at the township. */
  of: number;
  downSince: string | null;
  short: boolean;
}

/** Of a study that is not all here: what is here of how many, and since when its line is down; null for a whole one. */
export function arriving(told: StudyArrival | null | undefined, here: number): Arriving | null {
  if (!told || told.state === 'complete') return null;
  const of = Math.max(told.expected ?? 0, told.here);
  // The township's word is half a minute old: what is in the archive counts.
  const arrived = Math.min(Math.max(told.arrived, here), of);
  if (arrived >= of) return null;
  return { arrived, of, downSince: told.down_since, short: told.state === 'short' };
}
