import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Button, Radio } from 'antd';
import { useState } from 'react';

import { useText } from '../../i18n';
import { ACCOUNTS, addAccount, type NewAccount, type Password } from './asks';
import { Field } from './Field';
import { HouseSelect } from './HouseSelect';
import { Refused } from './Refused';
import { RoleChoice } from './RoleChoice';
import { TextField } from './TextField';

const USERNAME = /^[a-z0-9._-]{1,64}$/i;
const EMPTY: NewAccount = { username: '', display_name: '', institution: '', roles: [], kind: 'person' };

/** Makes an account; what its owner signs in with first is handed on, and shown this once. */
export function AddAccount({ made, close }: { made: (password: Password) => void; close: () => void }) {
  const t = useText();
  const client = useQueryClient();
  const [asked, setAsked] = useState(EMPTY);
  const [tried, setTried] = useState(false);
  const write = useMutation({
    mutationFn: () => addAccount({ ...asked, username: asked.username.trim(), display_name: asked.display_name.trim() }),
    onSuccess: async (password) => {
      await client.invalidateQueries({ queryKey: ACCOUNTS });
      made(password);
    },
  });
  const set = (part: Partial<NewAccount>) => setAsked((was) => ({ ...was, ...part }));
  const nameBad = !USERNAME.test(asked.username.trim());
  const wrong = nameBad || !asked.display_name.trim() || !asked.institution || asked.roles.length === 0;
  return (
    <section className="admin-panel" aria-label={t('account.addOne')}>
      <h2>{t('account.addOne')}</h2>
      <form
        className="admin-form"
        data-testid="account-form"
        onSubmit={(event) => {
          event.preventDefault();
          setTried(true);
          if (!wrong && !write.isPending) write.mutate();
        }}
      >
        <div className="admin-fields">
          <TextField
            label={t('account.username')}
            fault={tried && nameBad && t('account.usernameBad')}
            hint={t('account.usernameHint')}
            autoFocus
            maxLength={64}
            value={asked.username}
            change={(username) => set({ username })}
            testid="new-username"
          />
          <TextField
            label={t('account.name')}
            fault={tried && !asked.display_name.trim() && t('account.nameMissing')}
            maxLength={64}
            value={asked.display_name}
            change={(display_name) => set({ display_name })}
            testid="new-name"
          />
          <Field label={t('admin.house')} fault={tried && !asked.institution && t('account.houseMissing')}>
            {(id, said) => <HouseSelect id={id} value={asked.institution} described={said} change={(institution) => set({ institution })} />}
          </Field>
          <Field label={t('account.kind')} hint={t(`account.kindHint.${asked.kind}`)}>
            {(id, said) => (
              <Radio.Group
                id={id}
                aria-describedby={said}
                optionType="button"
                value={asked.kind}
                options={[
                  { value: 'person', label: t('account.kind.person') },
                  { value: 'machine', label: t('account.kind.machine') },
                ]}
                onChange={(event) => set({ kind: event.target.value as NewAccount['kind'] })}
              />
            )}
          </Field>
        </div>
        <RoleChoice roles={asked.roles} change={(roles) => set({ roles })} />
        {tried && asked.roles.length === 0 && <p className="fault">{t('account.rolesMissing')}</p>}
        {write.isError && <Refused error={write.error} />}
        <div className="acts">
          <Button htmlType="submit" loading={write.isPending} data-testid="save">
            {t('account.add')}
          </Button>
          <Button onClick={close}>{t('admin.leaveIt')}</Button>
        </div>
      </form>
    </section>
  );
}
