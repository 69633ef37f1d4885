/** Which image of another series lies at the same place in the patient. Pure. */

import { text } from './dicom-json';
import { distanceAlong, type Frame, orientationOf, positionOf } from './series-stack';

/** Two planes count as parallel when their directions differ by less than this. */
const PARALLEL = 0.05;

function parallel(a: readonly number[], b: readonly number[]): boolean {
  return a.length === 6 && b.length === 6 && a.every((value, index) => Math.abs(value - (b[index] ?? 9)) < PARALLEL);
}

/** The nearest image of *other* to image *at* of *frames*; null when the two series share no space or no direction. */
export function linkedIndex(frames: readonly Frame[], at: number, other: readonly Frame[]): number | null {
  const from = frames[at];
  const first = other[0];
  if (!from || !first) return null;
  const space = text(from.instance, '00200052');
  if (!space || space !== text(first.instance, '00200052')) return null;
  const orientation = orientationOf(from.instance, from.frame - 1);
  const here = distanceAlong(orientation, positionOf(from.instance, from.frame - 1));
  if (here === undefined) return null;
  let nearest: { index: number; away: number } | null = null;
  for (const [index, frame] of other.entries()) {
    if (!parallel(orientation, orientationOf(frame.instance, frame.frame - 1))) return null;
    const there = distanceAlong(orientation, positionOf(frame.instance, frame.frame - 1));
    if (there === undefined) return null;
    const away = Math.abs(there - here);
    if (!nearest || away < nearest.away) nearest = { index, away };
  }
  return nearest?.index ?? null;
}
