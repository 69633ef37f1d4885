/** Ordering pages as they were left: bound to the person, each gone once the server has what was on it. */

import { type Desk, EMPTY, holdsAnything } from './desk';

const KEY = 'yilian.order-draft';

/** For whom a page was begun: an emergency that comes in between leaves what was half typed where it was. */
export type Slot = 'somebody' | 'unknown';

interface Kept {
  username: string;
  desks: Partial<Record<Slot, Desk>>;
}

/** What *username* left here of each; nothing of what somebody else left. */
function keptDesks(username: string): Kept['desks'] {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? 'null') as Kept | null;
    return (kept?.username === username && kept.desks) || {};
  } catch {
    return {};
  }
}

function put(username: string, desks: Kept['desks']): void {
  try {
    if (Object.keys(desks).length) localStorage.setItem(KEY, JSON.stringify({ username, desks } satisfies Kept));
    else localStorage.removeItem(KEY);
  } catch {
    // Without storage what is typed lasts as long as the page.
  }
}

export function keepDraft(username: string, slot: Slot, desk: Desk): void {
  if (!holdsAnything(desk)) {
    forgetDraft(username, slot);
    return;
  }
  const lines = desk.lines.filter((line) => !line.order).map(({ examination }) => ({ examination }));
  put(username, { ...keptDesks(username), [slot]: { ...desk, lines } });
}

/** What *username* left in *slot*; null when that is nothing, and never somebody else's. */
export function keptDraft(username: string, slot: Slot): Desk | null {
  const desk = keptDesks(username)[slot];
  return desk?.who ? { ...EMPTY, ...desk } : null;
}

export function forgetDraft(username: string, slot: Slot): void {
  const desks = keptDesks(username);
  if (!desks[slot]) return;
  delete desks[slot];
  put(username, desks);
}
