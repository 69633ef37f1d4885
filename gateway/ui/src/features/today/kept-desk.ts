/** The desk of the ordering page: kept while it is typed on, and left for another without losing it. */

import { type Dispatch, type SetStateAction, useCallback, useEffect, useRef, useState } from 'react';

import { type Desk, EMPTY, unknownDesk } from './desk';
import { forgetDraft, keepDraft, keptDraft, type Slot } from './draft';

const KEEP_MS = 500;

export interface Begun {
  slot: Slot;
  desk: Desk;
  /** Whether it was begun before, and stands there as it was left. */
  restored: boolean;
}

/** The desk in *slot* as *username* left it, or one on which nothing stands yet. */
export function begun(username: string, slot: Slot): Begun {
  const kept = keptDraft(username, slot);
  return { slot, desk: kept ?? bare(slot), restored: kept !== null };
}

function bare(slot: Slot): Desk {
  return slot === 'unknown' ? unknownDesk(EMPTY) : EMPTY;
}

/**
 * The desk of *slot*, coming from *from*, which is kept in its own. What stands there already comes
 * back as it was; else the examinations go along, unless they were meant for somebody who was named.
 */
export function gone(username: string, from: Begun, slot: Slot): Begun {
  if (from.slot === slot) return from;
  const there = begun(username, slot);
  const { who, ...what } = from.desk;
  const goAlong = !there.restored && (who.kind === 'nobody' || who.kind === 'unknown');
  keepDraft(username, from.slot, goAlong ? { ...bare(from.slot), who } : from.desk);
  if (!goAlong) return there;
  return { ...there, desk: slot === 'unknown' ? unknownDesk(from.desk) : { ...what, who: there.desk.who } };
}

interface KeptDesk extends Begun {
  setDesk: Dispatch<SetStateAction<Desk>>;
  /** Goes over to the desk of *slot*. */
  goTo: (slot: Slot) => void;
  /** Clears what stands here. */
  clear: () => void;
  /** Ends here, and goes on with whatever was interrupted. */
  next: () => void;
}

export function useKeptDesk(username: string, start: Slot): KeptDesk {
  const [at, setAt] = useState<Begun>(() => begun(username, start));
  // Typed text outlives the page, half a second after the last key, and at once when the page is left.
  const latest = useRef(at);
  latest.current = at;
  useEffect(() => {
    const timer = setTimeout(() => keepDraft(username, at.slot, at.desk), KEEP_MS);
    return () => clearTimeout(timer);
  }, [at, username]);
  useEffect(() => () => keepDraft(username, latest.current.slot, latest.current.desk), [username]);

  const setDesk = useCallback<KeptDesk['setDesk']>(
    (change) => setAt((was) => ({ ...was, desk: typeof change === 'function' ? change(was.desk) : change })),
    [],
  );
  const goTo = useCallback((slot: Slot) => setAt(gone(username, latest.current, slot)), [username]);
  const clear = useCallback(() => {
    forgetDraft(username, latest.current.slot);
    setAt((was) => ({ ...was, desk: bare(was.slot), restored: false }));
  }, [username]);
  const next = useCallback(() => {
    const { slot } = latest.current;
    forgetDraft(username, slot);
    setAt(begun(username, 'somebody'));
  }, [username]);
  return { ...at, setDesk, goTo, clear, next };
}
