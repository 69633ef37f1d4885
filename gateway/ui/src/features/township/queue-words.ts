/** Which of the three facts a queue item has reached, and how its line cell reads. Pure. */

import type { QueueItem } from '../../api/types';

export interface Progress {
  /** Images that matter for the bar: all that are here, less those set aside. */
  of: number;
  sent: number;
  /** In [0, 1]; never 1 before the county's receipt. */
  share: number;
}

/** How far a study is on the line. 100 % is shown only with the receipt in hand. */
export function progress(item: QueueItem): Progress {
  const of = Math.max(0, item.instances.here - item.instances.set_aside);
  const sent = Math.min(item.instances.sent, of);
  const share = of === 0 ? 0 : sent / of;
  return { of, sent, share: item.state === 'at_county' ? 1 : Math.min(share, 0.99) };
}

export type LineWord = 'arriving' | 'paused' | 'waitingLine' | 'waiting' | 'sending' | 'allSent' | 'aside' | 'none';

/** Which sentence the line cell says; *lineUp* false turns waiting into waiting for the line. */
export function lineWord(item: QueueItem, lineUp: boolean): LineWord {
  if (item.state === 'at_county') return 'none';
  if (item.state === 'set_aside') return 'aside';
  if (item.paused) return 'paused';
  if (!lineUp) return 'waitingLine';
  if (item.state === 'arriving') return 'arriving';
  const { of, sent } = progress(item);
  if (of > 0 && sent >= of) return 'allSent';
  return item.state === 'sending' ? 'sending' : 'waiting';
}

export function isEmergency(item: { priority: string }): boolean {
  return item.priority.toLowerCase() === 'emergency' || item.priority.toLowerCase() === 'stat';
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
  const text = [
    item.patient.name,
    item.patient.patient_id,
    item.patient.masked_id,
    item.modality,
    item.description,
    item.body_part,
  ];
  return text.some((part) => part?.toLowerCase().includes(wanted));
}
