import { ConfigProvider, Modal } from 'antd';

import { type Say, type TextKey, useText } from '../i18n';
import { useKeyBook } from './keys';
import { useLanguage } from './language';
import { darkTheme, lightTheme } from './theme';

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

/** What stands on the caps of *keys*; a row of digits is named by its ends. */
function capsOf(keys: readonly string[], t: Say): string[] {
  if (keys.length > 2 && keys.every((key) => /^\d$/.test(key))) return [`${keys[0]} – ${keys[keys.length - 1]}`];
  return keys.map((key) => (key === 'Space' ? t('key.space') : (CAPS[key] ?? key)));
}

/** The keys of the page that is open, from the same list the page answers. */
export default function KeysSheet({ close }: { close: () => void }) {
  const t = useText();
  const pages = useKeyBook((book) => book.pages);
  const language = useLanguage();
  // Over images nothing flashes white.
  const dark = document.documentElement.classList.contains('dark-ground');
  return (
    <ConfigProvider theme={dark ? darkTheme(language) : lightTheme(language)}>
      <Modal
        open
        onCancel={close}
        footer={null}
        title={t('keys.title')}
        width={720}
        style={{ top: 24, paddingBottom: 24 }}
        rootClassName={dark ? 'dark' : ''}
      >
        <div className="keys-scroll" role="region" tabIndex={0} aria-label={t('keys.title')}>
          <ul className="keys-help">
            {pages.flat().map((key) => (
              <li key={key.keys.join()}>
                <span className="caps">
                  {capsOf(key.keys, t).map((cap) => (
                    <kbd key={cap}>{cap}</kbd>
                  ))}
                </span>
                <span>{t(key.label as TextKey)}</span>
              </li>
            ))}
          </ul>
        </div>
      </Modal>
    </ConfigProvider>
  );
}
