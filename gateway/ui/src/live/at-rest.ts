/** Whether a list lies untouched at its top, so that a new row may simply come in. */

import { type RefObject, useCallback, useEffect, useRef } from 'react';

/** A hand that has been still for this long is not about to press a row. */
export const STILL_MS = 4_000;

export interface Touch {
  /** The list shows its first row. */
  atTop: boolean;
  /** A row is chosen or opened, or a key would act on one. */
  chosen: boolean;
  /** When the pointer last moved, pressed or rolled over the list; -Infinity when it is elsewhere. */
  movedAt: number;
}

/** Whether nothing would move under anybody's hand at *at*. Pure. */
export function mayComeIn({ atTop, chosen, movedAt }: Touch, at: number): boolean {
  return atTop && !chosen && at - movedAt >= STILL_MS;
}

const ACTS = ['pointermove', 'pointerdown', 'wheel', 'keydown'] as const;

const CHOSEN = '[aria-selected="true"], [aria-expanded="true"]';

/** Watches *rows*, which scroll in *scroller*; the function tells whether they are at rest now. */
export function useAtRest(
  rows: RefObject<HTMLElement | null>,
  scroller: RefObject<HTMLElement | null> = rows,
): () => boolean {
  const movedAt = useRef(-Infinity);
  useEffect(() => {
    const touch = (event: Event) => {
      if (rows.current?.contains(event.target as Node)) movedAt.current = performance.now();
      else if (event.type === 'pointermove') movedAt.current = -Infinity;
    };
    for (const act of ACTS) document.addEventListener(act, touch, { passive: true, capture: true });
    return () => {
      for (const act of ACTS) document.removeEventListener(act, touch, { capture: true });
    };
  }, [rows]);
  return useCallback(() => {
    const list = rows.current;
    const chosen = Boolean(list?.contains(document.activeElement) || list?.querySelector(CHOSEN));
    const atTop = (scroller.current?.scrollTop ?? 0) <= 0;
    return mayComeIn({ atTop, chosen, movedAt: movedAt.current }, performance.now());
  }, [rows, scroller]);
}
