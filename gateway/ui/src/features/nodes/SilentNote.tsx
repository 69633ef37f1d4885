import { Button } from 'antd';
import { Link, useLocation } from 'react-router';

import { useSession } from '../../api/session';
import { shortTime } from '../../frame/clock';
import { useLanguage } from '../../frame/language';
import { tabsOf } from '../../frame/tabs';
import { useText } from '../../i18n';
import { noteAll, noteOf, silentOf, useSilenceEvents, useSilences, useWatched } from './silent';

/** Says on every page that a township's machine went silent, or was heard again, until somebody takes note. */
export function SilentNote() {
  const t = useText();
  const language = useLanguage();
  useSilenceEvents();
  const nodes = useWatched();
  const { noted, back } = useSilences();
  const listed = useSession((store) => tabsOf(store.session).some(({ path }) => path === '/nodes'));
  const there = useLocation().pathname === '/nodes';
  const silent = silentOf(nodes);
  const fresh = silent.filter((node) => !noted.has(noteOf(node)));
  const heard = back.flatMap(({ node, at }) => {
    const known = nodes.find(({ id }) => id === node);
    return known && known.state !== 'silent' ? [{ name: known.institution.name, at, id: node }] : [];
  });
  // The page that lists them says it itself.
  if (there || fresh.length + heard.length === 0) return null;
  return (
    <div className="silent-note" role="status" data-testid="silent-note">
      <ul>
        {fresh.map((node) => (
          <li key={node.id}>
            {t('nodes.silentNote', {
              name: node.institution.name,
              at: node.down_since ? shortTime(node.down_since, language) : '',
            })}
          </li>
        ))}
        {heard.map(({ id, name, at }) => (
          <li key={id}>{t('nodes.backNote', { name, at: shortTime(at.toISOString(), language) })}</li>
        ))}
      </ul>
      {listed && <Link to="/nodes">{t('tab.nodes')}</Link>}
      <Button size="small" onClick={() => noteAll(silent)} data-testid="silent-noted">
        {t('nodes.noted')}
      </Button>
    </div>
  );
}

/** How many machines are silent, on the tab that lists them. */
export function SilentBadge() {
  const t = useText();
  const count = silentOf(useWatched()).length;
  if (count === 0) return null;
  return (
    <span className="tab-badge" data-testid="silent-badge">
      <span aria-hidden>{count}</span>
      <span className="unseen">{t('nodes.away', { away: count })}</span>
    </span>
  );
}
