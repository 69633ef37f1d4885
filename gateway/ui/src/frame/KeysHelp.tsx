import { lazy, Suspense, useEffect, useMemo } from 'react';

import { Fence } from './Fence';
import { closeKeysHelp, openKeysHelp, useHelp } from './help-state';
import { coverKeys, type Key, usePageKeys } from './keys';
import { page } from './page';

const KeysSheet = lazy(page(() => import('./KeysSheet')));

/** `?` shows the keys of the page that is open; while they are shown, none of them acts. */
export function KeysHelp() {
  const open = useHelp((help) => help.open);
  const help = useMemo<readonly Key[]>(() => [{ keys: ['?'], label: 'keys.help', run: openKeysHelp }], []);
  usePageKeys(help);
  useEffect(() => (open ? coverKeys() : undefined), [open]);
  if (!open) return null;
  return (
    <Fence leave={closeKeysHelp}>
      <Suspense>
        <KeysSheet close={closeKeysHelp} />
      </Suspense>
    </Fence>
  );
}
