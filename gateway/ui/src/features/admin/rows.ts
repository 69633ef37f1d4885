import { useCallback, useMemo, useState } from 'react';

import { type Key, usePageKeys } from '../../frame/keys';
import { useRowFocus } from '../../frame/moving';
import type { TextKey } from '../../i18n';
import { ledgerRow } from './Ledger';

/** What a ledger's rows answer to: the arrows and J/K, Enter, `/` for the search, where it *finds*, and `A` for a new one. */
export function useLedger(keys: readonly string[], add?: { label: TextKey; run: () => void }, finds = true) {
  const [open, setOpen] = useState<string | null>(null);
  const order = keys.join('\n');
  const steady = useMemo(() => (order ? order.split('\n') : []), [order]);
  const { active, setActive, move } = useRowFocus(steady, ledgerRow);
  const toggle = useCallback(
    (key: string) => {
      setActive(key);
      setOpen((was) => (was === key ? null : key));
    },
    [setActive],
  );
  const run = add?.run;
  const label = add?.label;
  const pageKeys = useMemo<readonly Key[]>(
    () => [
      { keys: ['ArrowDown', 'J'], label: 'keys.next', run: () => move(1) },
      { keys: ['ArrowUp', 'K'], label: 'keys.previous', run: () => move(-1) },
      { keys: ['Enter'], label: 'keys.openRow', run: () => active && toggle(active) },
      ...(finds ? [{ keys: ['/'], label: 'keys.find', run: () => document.getElementById('admin-find')?.focus() }] : []),
      ...(run && label ? [{ keys: ['A'], label, run }] : []),
    ],
    [active, finds, label, move, run, toggle],
  );
  usePageKeys(pageKeys);
  return { active, open, setActive, setOpen, toggle };
}
