/** One guard for every single-key act, and the list the help sheet shows. */

import { useEffect } from 'react';
import { create } from 'zustand';

/** A key as people name it: `A`, `Shift+E`, `Ctrl+Z`, `ArrowDown`, `/`, `?`, `Enter`. */
export interface Key {
  keys: string[];
  /** Catalogue key of what it does. */
  label: string;
  run: (event: KeyboardEvent) => void;
}

/** Keys the browser, the system or an input method owns: they are never ours. */
const NEVER = new Set(['F1', 'F3', 'F5', 'F6', 'F7', 'F10', 'F11', 'F12']);

/** True when an input method is composing; its Enter and letters are not commands. */
export function composing(event: KeyboardEvent): boolean {
  return event.isComposing || event.keyCode === 229;
}

/** True when the pressed key belongs to what is being typed into. */
export function typing(event: KeyboardEvent): boolean {
  const target = event.target as HTMLElement | null;
  if (!target || typeof target.closest !== 'function') return false;
  return Boolean(
    target.closest('input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable=true]'),
  );
}

/** True when a focused control itself answers Enter or Space. */
function pressesAControl(event: KeyboardEvent): boolean {
  const target = event.target as HTMLElement | null;
  if (event.code !== 'Enter' && event.code !== 'Space') return false;
  return Boolean(target?.closest?.('button, a[href], [role=button], [role=menuitem], [role=option], input, summary'));
}

const CODES: Record<string, string> = {
  Slash: '/',
  Comma: ',',
  Period: '.',
  Space: 'Space',
  NumpadEnter: 'Enter',
};

/**
 * The name of the pressed key, or '' when it is nobody's command. Letters and digits go by `event.code`, so Caps Lock
 * and the keyboard's language change nothing.
 */
export function keyName(event: KeyboardEvent): string {
  if (composing(event) || NEVER.has(event.key) || event.altKey || event.metaKey) return '';
  const { code } = event;
  let name = '';
  if (/^Key[A-Z]$/.test(code)) name = code.slice(3);
  else if (/^(Digit|Numpad)\d$/.test(code)) name = code.slice(-1);
  else name = CODES[code] ?? code;
  if (name === '/' && (event.shiftKey || event.key === '?' || event.key === '？')) return event.ctrlKey ? '' : '?';
  if (event.ctrlKey) return 'ZY'.includes(name) && !event.shiftKey ? `Ctrl+${name}` : '';
  if (name === 'Space' && event.shiftKey) return '';
  return event.shiftKey && /^[A-Z]$/.test(name) ? `Shift+${name}` : name;
}

interface KeyBook {
  pages: readonly (readonly Key[])[];
  add: (keys: readonly Key[]) => () => void;
}

export const useKeyBook = create<KeyBook>((set) => ({
  pages: [],
  add: (keys) => {
    set((book) => ({ pages: [...book.pages, keys] }));
    return () => set((book) => ({ pages: book.pages.filter((page) => page !== keys) }));
  },
}));

/** Whether single keys act at all: off while the page is covered by the lock or a sheet. */
let covered = 0;

export function coverKeys(): () => void {
  covered += 1;
  return () => {
    covered -= 1;
  };
}

/** How long `G` waits for the letter of a tab. */
const JUMP_MS = 1500;
let armedAt = -Infinity;

/** The act *event* stands for among *pages*, the page shown last first; undefined for none. */
export function actOf(event: KeyboardEvent, pages: readonly (readonly Key[])[], at: number): Key | undefined {
  const name = keyName(event);
  if (!name) return undefined;
  const find = (wanted: string) =>
    [...pages]
      .reverse()
      .flat()
      .find(({ keys }) => keys.includes(wanted));
  const jump = at - armedAt < JUMP_MS ? find(`G ${name}`) : undefined;
  armedAt = name === 'G' ? at : -Infinity;
  return jump ?? find(name);
}

function listen(event: KeyboardEvent): void {
  if (event.defaultPrevented || covered > 0 || typing(event) || pressesAControl(event)) return;
  const act = actOf(event, useKeyBook.getState().pages, event.timeStamp);
  if (!act) return;
  event.preventDefault();
  event.stopPropagation();
  act.run(event);
}

/** Starts to answer keys, before any widget sees them; returns how to stop. */
export function answerKeys(): () => void {
  window.addEventListener('keydown', listen, { capture: true });
  return () => window.removeEventListener('keydown', listen, { capture: true });
}

/** Answers *keys* while the page is shown and lists them in the help sheet. *keys* must be a stable array. */
export function usePageKeys(keys: readonly Key[]): void {
  const add = useKeyBook((book) => book.add);
  useEffect(() => add(keys), [add, keys]);
}
