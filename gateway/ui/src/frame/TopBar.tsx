import { Dropdown } from 'antd';
import type { ReactNode } from 'react';
import { NavLink } from 'react-router';

import { lockPage, signOut, useSession } from '../api/session';
import { SilentBadge } from '../features/nodes/SilentNote';
import { useText } from '../i18n';
import { useChannel } from '../live/channel';
import { clockTime } from './clock';
import { openKeysHelp } from './help-state';
import { LanguageSwitch } from './LanguageSwitch';
import { openPasswordSheet } from './PasswordSheet';
import { tabsOf } from './tabs';

/** Whether this page still hears from its server, and since when not. */
export function LivePill() {
  const t = useText();
  const { state, heardAt, downSince } = useChannel();
  if (state === 'live' || state === 'connecting') {
    return (
      <span className="pill" data-testid="live" data-state={state} role="status">
        {t(state === 'live' ? 'live.on' : 'live.connecting')}
      </span>
    );
  }
  const since = downSince ?? heardAt;
  return (
    <span className="pill pill-away" data-testid="live" data-state={state} role="status">
      {state === 'stale' && heardAt
        ? t('live.stale', { at: clockTime(heardAt) })
        : since
          ? t('live.down', { at: clockTime(since) })
          : t('live.downNow')}
    </span>
  );
}

export function PersonMenu() {
  const t = useText();
  const session = useSession((store) => store.session);
  const user = session?.user;
  if (!user) return null;
  const items = [
    // Without a page there are no keys to show.
    ...(tabsOf(session).length ? [{ key: 'keys', label: t('keys.title'), onClick: openKeysHelp }] : []),
    {
      key: 'password',
      label: t(session.password_change_due ? 'password.changeDue' : 'password.change'),
      onClick: openPasswordSheet,
    },
    { key: 'lock', label: t('lock.now'), onClick: () => lockPage('asked') },
    { key: 'out', label: t('signin.out'), onClick: () => void signOut() },
  ];
  return (
    <Dropdown menu={{ items }} trigger={['click']}>
      <button type="button" className="linkish person" data-testid="person" style={{ textDecoration: 'none' }}>
        {user.institution.name} {user.display_name} ▾
      </button>
    </Dropdown>
  );
}

/** The one 40 px bar. *pill* stands for the line; the person and the language end it. */
export function TopBar({ pill }: { pill?: ReactNode }) {
  const t = useText();
  const session = useSession((store) => store.session);
  const tabs = tabsOf(session);
  return (
    <header className="topbar">
      <span className="system">{t('app.name')}</span>
      <nav aria-label={t('app.tabs')}>
        {tabs.map((tab) => (
          // A page below another tab's page is its own tab where it has one, else part of that one.
          <NavLink key={tab.path} to={tab.path} end={tabs.some(({ path }) => path.startsWith(`${tab.path}/`))}>
            {t(tab.label)}
            {tab.path === '/nodes' && <SilentBadge />}
          </NavLink>
        ))}
      </nav>
      <span className="stretch" />
      {session?.demo && <span className="quiet">{t('app.demo')}</span>}
      {pill}
      <LivePill />
      <LanguageSwitch />
      <PersonMenu />
    </header>
  );
}
