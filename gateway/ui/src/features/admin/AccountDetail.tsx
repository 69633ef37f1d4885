import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Button } from 'antd';
import { useState } from 'react';

import { useUser } from '../../api/session';
import { dayAndTime } from '../../frame/clock';
import { useLanguage } from '../../frame/language';
import { type TextKey, useText } from '../../i18n';
import { type AccountAct, type AccountRow, ACCOUNTS, actOn, newPassword, type Password, putRoles } from './asks';
import { Refused } from './Refused';
import { RoleChoice } from './RoleChoice';
import { sameRoles } from './roles';
import { Sure } from './Sure';
import { Tokens } from './Tokens';

const DONE: Readonly<Record<AccountAct, TextKey>> = {
  disable: 'account.disabledDone',
  enable: 'account.enabledDone',
  unlock: 'account.unlockedDone',
  'sign-out': 'account.signedOutDone',
};

/** One account: its roles, and what a security administrator does to it. Nobody does it to their own. */
export function AccountDetail({
  row,
  said,
  reset,
}: {
  row: AccountRow;
  said: (text: string) => void;
  reset: (password: Password) => void;
}) {
  const t = useText();
  const language = useLanguage();
  const client = useQueryClient();
  const mine = useUser().username === row.username;
  const [roles, setRoles] = useState(row.roles);
  const again = () => client.invalidateQueries({ queryKey: ACCOUNTS });
  const name = row.display_name;
  const act = useMutation({
    mutationFn: (what: AccountAct) => actOn(row.username, what),
    onSuccess: async (_, what) => {
      await again();
      said(t(DONE[what], { name }));
    },
  });
  const write = useMutation({
    mutationFn: () => putRoles(row, roles),
    onSuccess: async () => {
      await again();
      said(t('account.rolesDone', { name }));
    },
  });
  const password = useMutation({
    mutationFn: () => newPassword(row.username),
    onSuccess: async (made) => {
      await again();
      reset(made);
    },
  });
  const failed = act.error ?? write.error ?? password.error;
  const busy = act.isPending || write.isPending || password.isPending;
  return (
    <>
      <dl className="admin-facts">
        <dt>{t('account.username')}</dt>
        <dd>{row.username}</dd>
        <dt>{t('account.since')}</dt>
        <dd>{dayAndTime(row.created_at, language)}</dd>
        <dt>{t('account.openSessions')}</dt>
        <dd>{row.sessions ? t('account.sessions', { count: row.sessions }) : t('account.noSessions')}</dd>
      </dl>
      {mine && <p className="note note-info">{t('account.notOneself')}</p>}
      {!mine && (
        <>
          <div className="role-edit">
            <RoleChoice roles={roles} change={setRoles} />
            <div className="acts">
              <Sure
                name="roles"
                disabled={busy || roles.length === 0 || sameRoles(roles, row.roles)}
                text={t('account.rolesSure', { name })}
                yes={t('account.rolesYes')}
                act={() => write.mutate()}
                busy={write.isPending}
              >
                {t('account.rolesSave')}
              </Sure>
            </div>
          </div>
          <div className="acts">
            {row.locked_until && (
              <Button loading={act.isPending} onClick={() => act.mutate('unlock')} data-testid="unlock">
                {t('account.unlock')}
              </Button>
            )}
            {row.kind === 'person' && (
              <Sure
                name="password"
                disabled={busy}
                text={t('account.passwordSure', { name })}
                yes={t('account.passwordYes')}
                act={() => password.mutate()}
                busy={password.isPending}
              >
                {t('account.password')}
              </Sure>
            )}
            {row.sessions > 0 && (
              <Sure
                name="sign-out"
                disabled={busy}
                text={t('account.signOutSure', { name })}
                yes={t('account.signOutYes')}
                act={() => act.mutate('sign-out')}
                busy={act.isPending}
              >
                {t('account.signOut')}
              </Sure>
            )}
            {row.disabled ? (
              <Button loading={act.isPending} onClick={() => act.mutate('enable')} data-testid="enable">
                {t('account.enable')}
              </Button>
            ) : (
              <Sure
                name="disable"
                disabled={busy}
                text={t('account.disableSure', { name })}
                yes={t('account.disableYes')}
                act={() => act.mutate('disable')}
                busy={act.isPending}
              >
                {t('account.disable')}
              </Sure>
            )}
          </div>
        </>
      )}
      {failed && <Refused error={failed} again={() => void again()} />}
      <Tokens username={row.username} />
    </>
  );
}
