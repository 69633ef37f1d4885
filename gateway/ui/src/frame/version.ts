/** Whether the server has a newer build than the one this page runs, whose own parts may be gone there. */

import { create } from 'zustand';

interface Version {
  /** A newer build lies ready at the server. */
  newer: boolean;
  /** The person knows, and goes on with this one for now. */
  later: boolean;
}

export const useVersion = create<Version>(() => ({ newer: false, later: false }));

const ENTRY = /<script[^>]+type="module"[^>]+src="([^"]+)"/;

/** The entry script *html* names; '' when it names none. Pure. */
export function entryOf(html: string): string {
  return ENTRY.exec(html)?.[1] ?? '';
}

function ownEntry(): string {
  const script = document.querySelector<HTMLScriptElement>('script[type=module][src]');
  return script?.getAttribute('src') ?? '';
}

const DEADLINE_MS = 8_000;

/** Asks for the page anew and tells whether it is another build, and whole: half of one would open as nothing. */
export async function lookForNewVersion(): Promise<boolean> {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), DEADLINE_MS);
  try {
    const asked: RequestInit = { cache: 'no-store', credentials: 'same-origin', signal: stop.signal };
    const answer = await fetch('/', { ...asked, headers: { Accept: 'text/html' } });
    const entry = answer.ok ? entryOf(await answer.text()) : '';
    if (entry === '' || entry === ownEntry()) return false;
    if (!(await fetch(entry, { ...asked, method: 'HEAD' })).ok) return false;
    useVersion.setState((was) => (was.newer ? was : { newer: true, later: false }));
    return true;
  } catch {
    return false;
  } finally {
    clearTimeout(timer);
  }
}
