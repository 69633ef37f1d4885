/** The emergencies at the top of the study list: which stand there, and each row once. Pure. */

import type { StudyPage, StudyRow } from '../../api/types';

/** Whether *row* stands in the zone at *at*. */
export function isPinned({ pinned_until: until }: StudyRow, at: Date): boolean {
  return until !== null && Date.parse(until) > at.getTime();
}

/** *page* with its emergencies among its rows, so that whatever keeps rows true keeps them as well. */
export function withPinned(page: StudyPage): StudyPage {
  const listed = new Set(page.items.map((row) => row.study_instance_uid));
  const above = page.pinned.filter((row) => !listed.has(row.study_instance_uid));
  return above.length ? { ...page, items: [...above, ...page.items] } : page;
}

/** *rows*, each once: an emergency comes again with the page it has its turn in. */
export function once(rows: readonly StudyRow[]): StudyRow[] {
  const seen = new Set<string>();
  return rows.filter(({ study_instance_uid: uid }) => !seen.has(uid) && seen.add(uid));
}

/** *rows* as they are shown: the emergencies of now, and below them the rest in its order. */
export function zones(rows: readonly StudyRow[], at: Date): { pinned: StudyRow[]; rest: StudyRow[] } {
  return { pinned: rows.filter((row) => isPinned(row, at)), rest: rows.filter((row) => !isPinned(row, at)) };
}
