/** What a page that was closed in mid-upload has to know again: which folders, how far. Bound to the person. */

import type { ToSend } from './inspect';

export interface KeptBatch {
  batch: string;
  folder: string;
  /** What was in it (`printOf`). */
  print?: string;
  total: number;
  safe: number;
  username: string;
}

/** A number of what lies in a folder: names, sizes and images. Another disc's folder of that name has another. */
export function printOf(files: readonly ToSend[]): string {
  const lines = files.map(({ picked, sopInstance }) => `${picked.path}|${picked.file.size}|${sopInstance}`).sort();
  let [high, low] = [0xdeadbeef, 0x41c6ce57];
  // crypto.subtle is not there where the page comes over plain HTTP; two sums tell folders apart.
  for (const unit of lines.join('\n')) {
    const code = unit.codePointAt(0) ?? 0;
    high = Math.imul(high ^ code, 2654435761);
    low = Math.imul(low ^ code, 1597334677);
  }
  return `${(high >>> 0).toString(16)}-${(low >>> 0).toString(16)}-${lines.length}`;
}

/** The batch of *kept* that goes on with *folder*, chosen again with the same content. */
export function keptFor(kept: readonly KeptBatch[], folder: string, print: string): KeptBatch | undefined {
  return kept.find((one) => one.folder === folder && one.print === print);
}

const KEY = 'yilian.batch';
/** More folders than anybody leaves behind; the oldest are let go of, the node knows what it has. */
const MOST = 20;

function isKept(value: unknown): value is KeptBatch {
  const kept = value as Partial<KeptBatch> | null;
  return typeof kept?.batch === 'string' && typeof kept.folder === 'string' && typeof kept.username === 'string';
}

function read(): KeptBatch[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(KEY) ?? '[]');
    // A page of an older build wrote its one batch without a list around it.
    return (Array.isArray(kept) ? kept : [kept]).filter(isKept);
  } catch {
    return [];
  }
}

function write(kept: readonly KeptBatch[]): void {
  try {
    if (kept.length) localStorage.setItem(KEY, JSON.stringify(kept.slice(-MOST)));
    else localStorage.removeItem(KEY);
  } catch {
    // Without storage the folder is simply chosen again; the node knows what it has.
  }
}

/** Remembers *kept* in the place of what was known of the same batch. */
export function keepBatch(kept: KeptBatch): void {
  const all = read();
  const known = all.some(({ batch }) => batch === kept.batch);
  write(known ? all.map((one) => (one.batch === kept.batch ? kept : one)) : [...all, kept]);
}

/** The batches *username* has left behind here, oldest first. */
export function keptBatches(username: string): KeptBatch[] {
  return read().filter((kept) => kept.username === username);
}

export function forgetBatch(batch: string): void {
  write(read().filter((kept) => kept.batch !== batch));
}
