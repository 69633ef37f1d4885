import { lazy, Suspense, useEffect, useMemo } from 'react';
import { create } from 'zustand';

import { coverKeys, type Key, usePageKeys } from './keys';

const KeysSheet = lazy(() => import('./KeysSheet'));

const useHelp = create(() => ({ open: false }));
const close = () => useHelp.setState({ open: false });

export function openKeysHelp(): void {
  useHelp.setState({ open: true });
}

/** `?` shows the keys of the page that is open; while they are shown, none of them acts. */
export function KeysHelp() {
  const open = useHelp((help) => help.open);
  const help = useMemo<readonly Key[]>(() => [{ keys: ['?'], label: 'keys.help', run: openKeysHelp }], []);
  usePageKeys(help);
  useEffect(() => (open ? coverKeys() : undefined), [open]);
  if (!open) return null;
  return (
    <Suspense>
      <KeysSheet close={close} />
    </Suspense>
  );
}
