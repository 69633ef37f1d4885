import { Button } from 'antd';
import { useEffect } from 'react';

import { signOut, useSession } from '../api/session';
import { hasText, useText } from '../i18n';
import { openPasswordSheet } from './PasswordSheet';
import { readsStudies } from './tabs';
import { TopBar } from './TopBar';

const COMMANDS = 'yilian admin ae · yilian spool · yilian doctor';
const ADMINISTRATORS = new Set(['system-administrator', 'security-administrator', 'audit-administrator']);

/** For roles whose pages come later: nothing is wrong with the account, and this is what can be done today. */
export function NoPages() {
  const t = useText();
  const session = useSession((store) => store.session);
  const user = session?.user;
  useEffect(() => {
    document.title = t('app.name');
  }, [t]);
  if (!user) return null;
  const known = user.roles.map((role) => `role.${role}`).filter(hasText);
  const keeps = user.roles.some((role) => ADMINISTRATORS.has(role));
  const elsewhere = session.node === 'township' && (keeps || readsStudies(user.roles));
  return (
    <div className="page">
      <TopBar />
      <main className="trouble no-pages" data-testid="no-pages">
        <h1 className="answer">{t(elsewhere ? 'app.pagesAtCounty' : 'app.noPages')}</h1>
        <p>
          {t('app.noPagesWho', {
            name: user.display_name,
            roles: known.map((key) => t(key)).join(t('app.listed')) || user.roles.join(' '),
          })}
        </p>
        <p>{keeps && elsewhere ? t('app.keptAtCountyNext', { commands: COMMANDS }) : t(elsewhere ? 'app.pagesAtCountyNext' : 'app.noPagesNext')}</p>
        {session.password_change_due && <p className="note note-soon">{t('password.due')}</p>}
        <div className="acts">
          <Button onClick={openPasswordSheet}>{t('password.change')}</Button>
          <Button onClick={() => void signOut()}>{t('signin.out')}</Button>
        </div>
        <p className="second">{t('app.noPagesAsk', { institution: user.institution.name })}</p>
      </main>
    </div>
  );
}
