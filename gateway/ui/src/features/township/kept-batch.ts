/** What a page that was closed in mid-upload has to know again: which folder, how far. Bound to the person. */

export interface KeptBatch {
  batch: string;
  folder: string;
  total: number;
  safe: number;
  username: string;
}

const KEY = 'yilian.batch';

export function keepBatch(kept: KeptBatch): void {
  try {
    localStorage.setItem(KEY, JSON.stringify(kept));
  } catch {
    // Without storage the folder is simply chosen again; the node knows what it has.
  }
}

export function keptBatch(username: string): KeptBatch | null {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? 'null') as KeptBatch | null;
    return kept && kept.username === username && typeof kept.batch === 'string' ? kept : null;
  } catch {
    return null;
  }
}

export function forgetBatch(): void {
  try {
    localStorage.removeItem(KEY);
  } catch {
    // As above.
  }
}
