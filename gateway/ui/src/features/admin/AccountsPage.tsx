import { useQuery } from '@tanstack/react-query';
import { useCallback, useMemo, useState } from 'react';

import { Chip } from '../../frame/Chip';
import { dayAndTime, shortTime } from '../../frame/clock';
import { useLanguage } from '../../frame/language';
import { hasText, useText } from '../../i18n';
import { AccountDetail } from './AccountDetail';
import { type AccountRow, accounts, ACCOUNTS, type Password } from './asks';
import { AddAccount } from './AddAccount';
import { AddButton, AdminFrame, Find } from './Frame';
import { useHouses } from './HouseSelect';
import { type Column, Ledger } from './Ledger';
import { useLedger } from './rows';
import { Secret } from './Secret';

const nameOf = ({ username }: AccountRow) => username;

/** Who may come in, as what, and who cannot just now. */
export function AccountsPage() {
  const t = useText();
  const language = useLanguage();
  const list = useQuery({ queryKey: ACCOUNTS, queryFn: ({ signal }) => accounts(signal), staleTime: 0 });
  const houses = useHouses();
  const [find, setFind] = useState('');
  const [adding, setAdding] = useState(false);
  const [said, setSaid] = useState('');
  const [secret, setSecret] = useState<Password | null>(null);
  const house = (code: string) => houses.get(code)?.name ?? code;
  const role = (name: string) => {
    const key = `role.${name}`;
    return hasText(key) ? t(key) : name;
  };
  const words = (roles: string[]) => roles.map(role).join(t('app.listed'));
  const all = list.data ?? [];
  const wanted = find.trim().toLowerCase();
  const shown = all.filter((one) =>
    [one.username, one.display_name, house(one.institution), words(one.roles)].some((text) => text.toLowerCase().includes(wanted)),
  );
  const locked = all.filter((one) => one.locked_until).length;
  const closed = all.filter((one) => one.disabled).length;
  const add = useCallback(() => setAdding((was) => !was), []);
  const key = useMemo(() => ({ label: 'account.addOne' as const, run: add }), [add]);
  const ledger = useLedger(shown.map(nameOf), key);
  const what = [
    ...(locked ? [t('account.lockedCount', { count: locked })] : []),
    ...(closed ? [t('account.closedCount', { count: closed })] : []),
  ].join(t('app.comma'));
  const columns: Column<AccountRow>[] = [
    {
      head: t('account.who'),
      width: 'minmax(200px, 1fr)',
      cell: (one) => (
        <>
          <b>{one.display_name}</b> <span className="second">{one.username}</span>
        </>
      ),
    },
    { head: t('admin.house'), width: 'minmax(180px, 1fr)', cell: (one) => house(one.institution) },
    { head: t('account.roles'), width: 'minmax(220px, 1.2fr)', cell: (one) => words(one.roles) || t('account.noRoles') },
    {
      head: t('account.lastIn'),
      width: '170px',
      cell: (one) =>
        one.signed_in_at ? (
          dayAndTime(one.signed_in_at, language)
        ) : (
          <span className="second">{t(one.kind === 'machine' ? 'account.byToken' : 'account.neverIn')}</span>
        ),
    },
    {
      head: t('account.state'),
      width: '230px',
      cell: (one) => (
        <span className="cells-line">
          {one.disabled && <Chip kind="paused">{t('account.disabled')}</Chip>}
          {one.locked_until && <Chip kind="overdue">{t('account.locked', { at: shortTime(one.locked_until, language) })}</Chip>}
          {one.sessions > 0 && <span>{t('account.inNow')}</span>}
          {one.must_change_password && !one.disabled && <span className="second">{t('account.mustChange')}</span>}
        </span>
      ),
    },
  ];
  return (
    <AdminFrame
      title="tab.accounts"
      answer={list.data && t(what ? 'account.answerBut' : 'account.answer', { count: all.length, what })}
      state={list}
      said={said}
      tools={
        <>
          <Find value={find} change={setFind} placeholder={t('account.find')} />
          <span className="stretch" />
          <AddButton open={adding} toggle={add}>
            {t('account.addOne')}
          </AddButton>
        </>
      }
    >
      {secret && (
        <Secret
          title={t('account.firstPassword', { username: secret.username })}
          secret={secret.password}
          hint={t('account.firstPasswordHint')}
          close={() => setSecret(null)}
        />
      )}
      {adding && (
        <AddAccount
          made={(password) => {
            setAdding(false);
            setSaid('');
            setSecret(password.password ? password : null);
            if (!password.password) setSaid(t('account.machineDone', { name: password.username }));
          }}
          close={() => setAdding(false)}
        />
      )}
      {list.data && shown.length === 0 && <p className="trouble second">{t('list.nothingFits')}</p>}
      {shown.length > 0 && (
        <Ledger
          label={t('tab.accounts')}
          columns={columns}
          rows={shown}
          keyOf={nameOf}
          marked={(one) => one.locked_until !== null}
          {...ledger}
          detail={(one) => (
            <AccountDetail
              key={`${one.username} ${one.version}`}
              row={one}
              said={setSaid}
              reset={(password) => {
                setSaid('');
                setSecret(password);
              }}
            />
          )}
        />
      )}
    </AdminFrame>
  );
}
