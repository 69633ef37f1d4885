import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Button, Select } from 'antd';
import { useState } from 'react';

import { dayAndTime, now } from '../../frame/clock';
import { useLanguage } from '../../frame/language';
import { useText } from '../../i18n';
import { ACCOUNTS, addToken, tokens, TOKENS, type TokenRow, withdrawToken } from './asks';
import { Field } from './Field';
import { Refused } from './Refused';
import { Secret } from './Secret';
import { Sure } from './Sure';
import { TextField } from './TextField';

const DAYS = [30, 90, 365] as const;

/** The tokens other systems come in with under one account. */
export function Tokens({ username }: { username: string }) {
  const t = useText();
  const client = useQueryClient();
  const list = useQuery({ queryKey: TOKENS, queryFn: ({ signal }) => tokens(signal), staleTime: 0 });
  const [making, setMaking] = useState(false);
  const [label, setLabel] = useState('');
  const [days, setDays] = useState<number>(90);
  const again = async () => {
    await client.invalidateQueries({ queryKey: TOKENS });
    await client.invalidateQueries({ queryKey: ACCOUNTS });
  };
  const make = useMutation({
    mutationFn: () => addToken(username, label.trim(), days || null),
    onSuccess: async () => {
      setMaking(false);
      setLabel('');
      await again();
    },
  });
  const withdraw = useMutation({ mutationFn: withdrawToken, onSuccess: again });
  const mine = (list.data ?? []).filter((one) => one.username === username);
  return (
    <section className="tokens" aria-label={t('token.title')}>
      <h3>{t('token.title')}</h3>
      {list.isError && <Refused error={list.error} again={() => void list.refetch()} />}
      {list.data && mine.length === 0 && <p className="second">{t('token.none')}</p>}
      {mine.length > 0 && (
        <ul className="token-list">
          {mine.map((one) => (
            <Token key={one.id} one={one} withdraw={() => withdraw.mutate(one.id)} busy={withdraw.isPending} />
          ))}
        </ul>
      )}
      {withdraw.isError && <Refused error={withdraw.error} again={() => void list.refetch()} />}
      {make.data && (
        <Secret title={t('token.made', { label: make.data.label })} secret={make.data.token} hint={t('token.madeHint')} close={make.reset} />
      )}
      {making ? (
        <form
          className="admin-form"
          onSubmit={(event) => {
            event.preventDefault();
            if (label.trim() && !make.isPending) make.mutate();
          }}
        >
          <div className="admin-fields">
            <TextField
              label={t('token.label')}
              hint={t('token.labelHint')}
              autoFocus
              maxLength={64}
              value={label}
              change={setLabel}
              testid="token-label"
            />
            <Field label={t('token.days')}>
              {(id) => (
                <Select
                  id={id}
                  className="admin-wide"
                  value={days}
                  onChange={setDays}
                  options={[...DAYS.map((value) => ({ value, label: t('token.daysFor', { count: value }) })), { value: 0, label: t('token.always') }]}
                />
              )}
            </Field>
          </div>
          {make.isError && <Refused error={make.error} />}
          <div className="acts">
            <Button htmlType="submit" disabled={!label.trim()} loading={make.isPending} data-testid="token-make">
              {t('token.make')}
            </Button>
            <Button onClick={() => setMaking(false)}>{t('admin.leaveIt')}</Button>
          </div>
        </form>
      ) : (
        <Button size="small" onClick={() => setMaking(true)} data-testid="token-new">
          {t('token.new')}
        </Button>
      )}
    </section>
  );
}

function Token({ one, withdraw, busy }: { one: TokenRow; withdraw: () => void; busy: boolean }) {
  const t = useText();
  const language = useLanguage();
  const over = one.expires_at !== null && Date.parse(one.expires_at) <= now().getTime();
  return (
    <li data-testid="token">
      <span>{one.label || t('token.noLabel')}</span>
      <span className="second">{t('token.from', { at: dayAndTime(one.created_at, language) })}</span>
      <span className="second">
        {one.expires_at === null ? t('token.always') : t(over ? 'token.over' : 'token.until', { at: dayAndTime(one.expires_at, language) })}
      </span>
      <Sure name="withdraw-token" text={t('token.withdrawSure', { label: one.label })} yes={t('token.withdrawYes')} act={withdraw} busy={busy}>
        {t('token.withdraw')}
      </Sure>
    </li>
  );
}
