/** When the page speaks of the disk, and how exactly. Pure. */

import type { QueueSummary } from '../../api/types';

const NEARLY_FULL_PERCENT = 85;
/** Weeks of a township's work: a large disk that is 85 % full still has more, and nobody needs to do anything. */
const FEW_STUDIES = 1_000;

/** Whether somebody has to make sure that images leave before the disk is full. */
export function isShort({ state, used_percent: used, room_for_studies: room }: QueueSummary['disk']): boolean {
  if (state === 'full') return true;
  return used >= NEARLY_FULL_PERCENT && (room === null || room < FEW_STUDIES);
}

/** *count* as an estimate: from a hundred on to its first digit, downwards; studies differ in size by more than that. */
export function roundly(count: number): number {
  const digits = String(Math.trunc(count)).length;
  const step = digits > 2 ? 10 ** (digits - 1) : 1;
  return Math.floor(count / step) * step;
}
