/** A list that is read anew as a whole and does not move under the hand: places stay, new rows wait. */

import { useCallback, useEffect, useState } from 'react';

/** How often what waits looks whether the list has come to rest. */
const LOOK_AGAIN_MS = 1_000;

/**
 * *now* as it is shown to whoever saw *places*: rows that are still there keep their order; new ones that stand behind all of them
 * join at the end, where they move nothing, and the others wait. Pure.
 */
export function steady<Row>(
  places: readonly string[],
  now: readonly Row[],
  keyOf: (row: Row) => string,
): { shown: Row[]; waiting: Row[] } {
  const rows = new Map(now.map((row) => [keyOf(row), row]));
  const held = new Set(places.filter((key) => rows.has(key)));
  if (held.size === 0) return { shown: [...now], waiting: [] };
  const last = now.reduce((found, row, index) => (held.has(keyOf(row)) ? index : found), -1);
  const shown = [...held].flatMap((key) => rows.get(key) ?? []);
  return {
    shown: [...shown, ...now.slice(last + 1)],
    waiting: now.slice(0, last).filter((row) => !held.has(keyOf(row))),
  };
}

interface Held {
  list: string;
  places: readonly string[];
}

/**
 * What to show of *now*, how many rows wait, and the press that lets them come in.
 *
 * *list* names what was asked for: another list is shown as it comes. While *atRest* says so, the rows are as they were read.
 */
export function useSteady<Row>(now: readonly Row[], keyOf: (row: Row) => string, list: string, atRest: () => boolean) {
  const [held, setHeld] = useState<Held>({ list, places: [] });
  const places = held.list === list ? held.places : [];
  const order = JSON.stringify(now.map(keyOf));
  const take = useCallback(() => setHeld({ list, places: JSON.parse(order) as string[] }), [list, order]);
  const first = places.length === 0;
  const moved = order !== JSON.stringify(places);
  useEffect(() => {
    if (!moved) return undefined;
    if (first || atRest()) {
      take();
      return undefined;
    }
    const timer = setInterval(() => {
      if (atRest()) take();
    }, LOOK_AGAIN_MS);
    return () => clearInterval(timer);
  }, [atRest, first, moved, take]);
  return { ...steady(places, now, keyOf), take };
}
