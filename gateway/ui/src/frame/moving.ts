/** Moving through a list by J/K and the arrows: where the focus is, kept by key so that live rows do not shift it. */

import { useCallback, useEffect, useState } from 'react';

export function useRowFocus(keys: readonly string[], rowId: (key: string) => string) {
  const [active, setActive] = useState<string | null>(null);
  const present = active !== null && keys.includes(active) ? active : null;

  const move = useCallback(
    (by: number) => {
      setActive((was) => {
        const at = was === null ? -1 : keys.indexOf(was);
        const to = at < 0 ? (by > 0 ? 0 : keys.length - 1) : Math.max(0, Math.min(keys.length - 1, at + by));
        return keys[to] ?? null;
      });
    },
    [keys],
  );

  useEffect(() => {
    if (present === null) return;
    const row = document.getElementById(rowId(present));
    row?.scrollIntoView({ block: 'nearest' });
    if (row && !row.contains(document.activeElement)) row.focus({ preventScroll: true });
  }, [present, rowId]);

  return { active: present, setActive, move };
}
