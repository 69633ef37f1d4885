/** What makes a list be read again comes in crowds: one reading is under way, one more follows it. */

import { useEffect } from 'react';

import { onLive } from './channel';

/** How long a list is left alone once it was read: what happens meanwhile is all in the next reading. */
export const REST_MS = 1_000;

export interface Again {
  /** Reads now; or, where one reading is under way or was just made, once after it. */
  again: () => void;
  stop: () => void;
}

/**
 * Runs *read* one at a time. Whatever asks for it after a reading began is in the one that follows, since that begins
 * later; no reading is broken off for another.
 */
export function oneAtATime(read: () => Promise<unknown>, restMs = REST_MS): Again {
  let resting = false;
  let wanted = false;
  let stopped = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const rested = () => {
    resting = false;
    if (wanted) begin();
  };
  const ended = () => {
    if (!stopped) timer = setTimeout(rested, restMs);
  };
  function begin(): void {
    resting = true;
    wanted = false;
    // How it went is shown where it is read.
    read().then(ended, ended);
  }
  return {
    again: () => {
      if (stopped) return;
      if (resting) wanted = true;
      else begin();
    },
    stop: () => {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

/** Calls *read* after each event of *topics*, one call at a time. */
export function useReadAgain(topics: readonly string[], read: () => Promise<unknown>): void {
  const key = topics.join(' ');
  useEffect(() => {
    const one = oneAtATime(read);
    const stops = key.split(' ').map((topic) => onLive(topic, one.again));
    return () => {
      stops.forEach((stop) => stop());
      one.stop();
    };
  }, [key, read]);
}
