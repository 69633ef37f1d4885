import { Modal } from 'antd';

import { useText, type TextKey } from '../i18n';
import { useKeyBook } from './keys';

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
export default function KeysSheet({ close }: { close: () => void }) {
  const t = useText();
  const pages = useKeyBook((book) => book.pages);
  return (
    <Modal open onCancel={close} footer={null} title={t('keys.title')} width={720} style={{ top: 24, paddingBottom: 24 }}>
      <div className="keys-scroll" role="region" tabIndex={0} aria-label={t('keys.title')}>
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
      </div>
    </Modal>
  );
}
