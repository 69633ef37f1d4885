/** The ordering page as it was left: bound to the person, gone once the server has what was on it. */

import { type Desk, EMPTY, holdsAnything } from './desk';

const KEY = 'yilian.order-draft';

interface Kept {
  username: string;
  desk: Desk;
}

export function keepDraft(username: string, desk: Desk): void {
  try {
    if (!holdsAnything(desk)) localStorage.removeItem(KEY);
    else {
      const lines = desk.lines.filter((line) => !line.order).map(({ examination }) => ({ examination }));
      localStorage.setItem(KEY, JSON.stringify({ username, desk: { ...desk, lines } } satisfies Kept));
    }
  } catch {
    // Without storage what is typed lasts as long as the page.
  }
}

/** What *username* left here; null when that is nothing, and never somebody else's. */
export function keptDraft(username: string): Desk | null {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? 'null') as Kept | null;
    return kept && kept.username === username && kept.desk.who ? { ...EMPTY, ...kept.desk } : null;
  } catch {
    return null;
  }
}

export function forgetDraft(): void {
  try {
    localStorage.removeItem(KEY);
  } catch {
    // As above.
  }
}
