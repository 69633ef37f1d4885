import { useEffect } from 'react';

import { lockPage, useSession } from '../api/session';

const TOUCHED = 'yilian.touched';
const ACTS = ['pointerdown', 'pointermove', 'keydown', 'wheel', 'touchstart'] as const;
/** Writing down every mouse move would cost more than knowing it to the second is worth. */
const NOTE_EVERY_MS = 5_000;
const LOOK_EVERY_MS = 5_000;

function lastTouch(own: number): number {
  try {
    return Math.max(own, Number(localStorage.getItem(TOUCHED)) || 0);
  } catch {
    return own;
  }
}

/** Locks the page after the session's idle time without a touch in any of this browser's tabs. */
export function useIdleLock(): void {
  const idleS = useSession((store) => store.session?.idle_lock_s ?? 900);
  const watching = useSession((store) => store.phase === 'signed-in' && !store.lock);
  useEffect(() => {
    if (!watching) return undefined;
    let own = 0;
    const touch = () => {
      const at = Date.now();
      if (at - own < NOTE_EVERY_MS) return;
      own = at;
      try {
        localStorage.setItem(TOUCHED, String(at));
      } catch {
        // Then this tab counts its own touches only.
      }
    };
    touch();
    const look = () => {
      if (Date.now() - lastTouch(own) >= idleS * 1000) lockPage('idle');
    };
    const timer = setInterval(look, LOOK_EVERY_MS);
    for (const act of ACTS) window.addEventListener(act, touch, { passive: true, capture: true });
    document.addEventListener('visibilitychange', look);
    return () => {
      clearInterval(timer);
      for (const act of ACTS) window.removeEventListener(act, touch, { capture: true });
      document.removeEventListener('visibilitychange', look);
    };
  }, [idleS, watching]);
}
