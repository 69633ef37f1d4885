import { lazy, Suspense, useEffect, useMemo } from 'react';
import { create } from 'zustand';

import { Fence } from './Fence';
import { coverKeys, type Key, usePageKeys } from './keys';
import { page } from './page';

const KeysSheet = lazy(page(() => import('./KeysSheet')));

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
    <Fence leave={close}>
      <Suspense>
        <KeysSheet close={close} />
      </Suspense>
    </Fence>
  );
}
