/** Which of the three facts a queue item has reached, and how its line cell reads. Pure. */

import type { Line, QueueItem } from '../../api/types';
import { maskIdentifier } from '../../frame/patient';
import { soundsLike } from '../../frame/pinyin';

export interface Progress {
  /** Images that matter for the bar: all that are here, less those set aside. */
  of: number;
  sent: number;
  /** In [0, 1]; never 1 before the county's receipt. */
  share: number;
}

/** How far a study is on the line. 100 % is shown only with the receipt in hand. */
export function progress(item: QueueItem): Progress {
  const { here, set_aside: aside, released } = item.instances;
  const of = Math.max(0, here - aside - released);
  const sent = Math.min(item.instances.sent, of);
  const share = of === 0 ? 0 : sent / of;
  return { of, sent, share: item.state === 'at_county' ? 1 : Math.min(share, 0.99) };
}

/** How the line is to somebody who waits for it. */
export type Way = 'open' | 'down' | 'refused' | 'held';

/** The county answered, and takes nothing from this machine: only people can mend that. */
const REFUSED = new Set([
  'bad-token',
  'receipt-untrusted',
  'node-revoked',
  'node-unknown',
  'node-proof-refused',
  'not-a-node',
  'not-allowed',
  'other-institution',
  'county-answer',
  'county-location',
  'http-401',
  'http-403',
]);
/** The county and this machine have builds too far apart. */
const TOO_FAR_APART = new Set(['parcel-version', 'exchange-version']);

/** What stands between this machine and the county; *at* is now. A line that is held may be down as well (`brokenOf`). */
export function wayOf(line: Line | undefined, at: Date): Way {
  if (line?.held_until && Date.parse(line.held_until) > at.getTime()) return 'held';
  return brokenOf(line);
}

/** How the line itself is, held or not. */
export function brokenOf(line: Line | undefined): Exclude<Way, 'held'> {
  if (line?.state !== 'down') return 'open';
  return isRefusal(line.code) || isTooFarApart(line.code) ? 'refused' : 'down';
}

export function isRefusal(code = ''): boolean {
  return REFUSED.has(code);
}

export function isTooFarApart(code = ''): boolean {
  return TOO_FAR_APART.has(code);
}

export type LineWord =
  | 'arriving'
  | 'paused'
  | 'waitingLine'
  | 'waitingCounty'
  | 'held'
  | 'waiting'
  | 'sending'
  | 'allSent'
  | 'aside'
  | 'none';

const WAITS: Readonly<Record<Way, LineWord | ''>> = { open: '', down: 'waitingLine', refused: 'waitingCounty', held: 'held' };

/** Which sentence the line cell says; where *way* is not open, waiting is waiting for what closes it. */
export function lineWord(item: QueueItem, way: Way): LineWord {
  if (item.state === 'at_county') return 'none';
  if (item.state === 'set_aside') return 'aside';
  if (item.paused) return 'paused';
  const waits = WAITS[way];
  if (waits) return waits;
  if (item.state === 'arriving') return 'arriving';
  const { of, sent } = progress(item);
  if (of > 0 && sent >= of) return 'allSent';
  return item.state === 'sending' ? 'sending' : 'waiting';
}

export function isEmergency(item: { priority: string }): boolean {
  return item.priority.toLowerCase() === 'emergency' || item.priority.toLowerCase() === 'stat';
}

/**
 * How many images are here of how many there will be; null where all that are told of are here. *lost* are those this
 * page knows not to come: once only they are missing, nothing is coming in.
 */
export function hereOf(item: QueueItem, lost = 0): { here: number; expected: number; short: boolean } | null {
  const { expected, here, state } = item.completeness;
  if (expected === null || here >= expected) return null;
  return { here, expected, short: state === 'short' || here + lost >= expected };
}

/** Emergencies that are not yet at the county stand first; the rest keep the node's order. */
export function pinned(items: readonly QueueItem[]): { urgent: QueueItem[]; rest: QueueItem[] } {
  const urgent = items.filter((item) => isEmergency(item) && item.state !== 'at_county');
  return { urgent, rest: items.filter((item) => !urgent.includes(item)) };
}

/** Whether *item* matches what was typed into the list's own search. */
export function matches(item: QueueItem, typed: string): boolean {
  const wanted = typed.trim().toLowerCase();
  if (!wanted) return true;
  // Somebody nobody knew is looked for under the name known now.
  const people = item.patient_is_now ? [item.patient, item.patient_is_now] : [item.patient];
  const text = [
    ...people.flatMap((one) => [one.name, one.patient_id, one.masked_id]),
    item.modality,
    item.description,
    item.body_part,
  ];
  // Whoever reads a resident number off a card finds who is shown with it masked.
  const masked = maskIdentifier(wanted);
  return (
    text.some((part) => [wanted, masked].some((one) => part?.toLowerCase().includes(one))) ||
    people.some((one) => soundsLike(one.alphabetic_name ?? '', wanted))
  );
}
