import { Button, Select } from 'antd';
import { type ReactNode, useState } from 'react';

import { useText } from '../../i18n';
import type { InstitutionFields, InstitutionRow } from './asks';
import { Field } from './Field';
import { HouseSelect } from './HouseSelect';
import { TextField } from './TextField';
import { belowOf } from './tree';

const KINDS = ['village', 'township', 'county', 'tcm', 'maternal-child', 'cdc', 'city', 'out-of-county'] as const;
const CODE = /^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$/;

export interface TypedHouse extends InstitutionFields {
  code: string;
}

/** An institution as it is typed, new or to be changed. */
export function InstitutionForm({
  start,
  all,
  isNew = false,
  busy,
  save,
  more,
  children,
}: {
  start: TypedHouse;
  all: readonly InstitutionRow[];
  isNew?: boolean;
  busy: boolean;
  save: (typed: TypedHouse) => void;
  more?: ReactNode;
  children?: ReactNode;
}) {
  const t = useText();
  const [typed, setTyped] = useState(start);
  const [tried, setTried] = useState(false);
  const set = (part: Partial<TypedHouse>) => setTyped((was) => ({ ...was, ...part }));
  const codeBad = !CODE.test(typed.code.trim());
  const nameBad = !typed.name.trim();
  const below = isNew ? new Set<string>() : belowOf(all, start.code);
  const changed = JSON.stringify(typed) !== JSON.stringify(start);
  return (
    <form
      className="admin-form"
      data-testid="institution-form"
      onSubmit={(event) => {
        event.preventDefault();
        setTried(true);
        if (!codeBad && !nameBad && !busy) save({ ...typed, code: typed.code.trim(), name: typed.name.trim(), phone: typed.phone.trim() });
      }}
    >
      <div className="admin-fields">
        {isNew && (
          <TextField
            label={t('house.code')}
            fault={tried && codeBad && t('house.codeBad')}
            hint={t('house.codeHint')}
            autoFocus
            maxLength={64}
            value={typed.code}
            change={(code) => set({ code })}
            testid="code"
          />
        )}
        <TextField
          label={t('house.name')}
          fault={tried && nameBad && t('house.nameBad')}
          maxLength={128}
          value={typed.name}
          change={(name) => set({ name })}
          testid="house-name"
        />
        <Field label={t('house.kind')}>
          {(id) => (
            <Select
              id={id}
              className="admin-wide"
              value={typed.kind}
              onChange={(kind) => set({ kind })}
              options={KINDS.map((value) => ({ value, label: t(`house.kind.${value}`) }))}
            />
          )}
        </Field>
        <Field label={t('house.parent')} hint={t('house.parentHint')}>
          {(id, said) => (
            <HouseSelect
              id={id}
              described={said}
              value={typed.parent ?? ''}
              none={t('house.noParent')}
              among={({ code }) => !below.has(code)}
              change={(parent) => set({ parent: parent || null })}
            />
          )}
        </Field>
        <TextField
          label={t('house.phone')}
          hint={t('house.phoneHint')}
          maxLength={64}
          value={typed.phone}
          change={(phone) => set({ phone })}
          testid="house-phone"
        />
      </div>
      {children}
      <div className="acts">
        <Button htmlType="submit" loading={busy} disabled={!changed} data-testid="save">
          {t(isNew ? 'house.add' : 'admin.save')}
        </Button>
        {more}
      </div>
    </form>
  );
}
