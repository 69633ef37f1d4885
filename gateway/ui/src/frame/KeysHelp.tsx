import { Modal } from 'antd';
import { useEffect, useMemo } from 'react';
import { create } from 'zustand';

import { type TextKey, useText } from '../i18n';
import { coverKeys, type Key, useKeyBook, usePageKeys } from './keys';

const useHelp = create(() => ({ open: false }));

export function openKeysHelp(): void {
  useHelp.setState({ open: true });
}

/** Signs for keys whose own name is a word. */
const CAPS: Record<string, string> = {
  ArrowUp: '↑',
  ArrowDown: '↓',
  ArrowLeft: '←',
  ArrowRight: '→',
  PageUp: 'PgUp',
  PageDown: 'PgDn',
  Escape: 'Esc',
  Delete: 'Del',
};

/** The keys of the page that is open, from the same list the page answers. */
export function KeysHelp() {
  const t = useText();
  const open = useHelp((help) => help.open);
  const pages = useKeyBook((book) => book.pages);
  const help = useMemo<readonly Key[]>(
    () => [{ keys: ['?'], label: 'keys.help', run: () => useHelp.setState((was) => ({ open: !was.open })) }],
    [],
  );
  usePageKeys(help);
  useEffect(() => (open ? coverKeys() : undefined), [open]);
  const close = () => useHelp.setState({ open: false });
  return (
    <Modal open={open} onCancel={close} footer={null} title={t('keys.title')} width={720} destroyOnHidden>
      <ul className="keys-help">
        {pages.flat().map((key) => (
          <li key={key.keys.join()}>
            <span className="caps">
              {key.keys.map((cap) => (
                <kbd key={cap}>{CAPS[cap] ?? cap}</kbd>
              ))}
            </span>
            <span>{t(key.label as TextKey)}</span>
          </li>
        ))}
      </ul>
    </Modal>
  );
}
