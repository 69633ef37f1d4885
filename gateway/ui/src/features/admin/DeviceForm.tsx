import { Button, Checkbox, Input, Select } from 'antd';
import { type ReactNode, useState } from 'react';

import { useText } from '../../i18n';
import { faultsOf, type Typed } from './device';
import { Field } from './Field';
import { HouseSelect } from './HouseSelect';

/** What devices without a declared character set usually write; the server knows further names. */
const CHARSETS = ['GB18030', 'GBK', 'GB2312', 'ISO_IR 192', 'ISO_IR 100'];

/** A device as it is typed, new or to be changed. */
export function DeviceForm({
  start,
  isNew = false,
  busy,
  save,
  more,
  children,
}: {
  start: Typed;
  isNew?: boolean;
  busy: boolean;
  save: (typed: Typed) => void;
  /** Further steps beside the one that saves. */
  more?: ReactNode;
  children?: ReactNode;
}) {
  const t = useText();
  const [typed, setTyped] = useState(start);
  const [tried, setTried] = useState(false);
  const faults = faultsOf(typed);
  const set = (part: Partial<Typed>) => setTyped((was) => ({ ...was, ...part }));
  const wrong = (key: keyof typeof faults) => tried && faults[key] && t(faults[key]);
  const changed = JSON.stringify(typed) !== JSON.stringify(start);
  return (
    <form
      className="admin-form"
      data-testid="device-form"
      onSubmit={(event) => {
        event.preventDefault();
        setTried(true);
        if (Object.keys(faults).length === 0) save(typed);
      }}
    >
      <div className="admin-fields">
        {isNew && (
          <Field label={t('device.title')} fault={wrong('title')} hint={t('device.titleHint')}>
            {(id, said) => (
              <Input
                id={id}
                autoFocus
                autoComplete="off"
                maxLength={16}
                className="admin-code"
                value={typed.title}
                aria-describedby={said}
                onChange={(event) => set({ title: event.target.value })}
                data-testid="title"
              />
            )}
          </Field>
        )}
        <Field label={t('admin.house')} fault={wrong('institution')}>
          {(id, said) => <HouseSelect id={id} value={typed.institution} described={said} change={(institution) => set({ institution })} />}
        </Field>
        <Field label={t('device.host')} hint={t('device.hostHint')}>
          {(id, said) => (
            <Input
              id={id}
              autoComplete="off"
              className="admin-code"
              value={typed.host}
              aria-describedby={said}
              onChange={(event) => set({ host: event.target.value })}
              data-testid="host"
            />
          )}
        </Field>
        <Field label={t('device.port')} fault={wrong('port')} hint={t('device.portHint')}>
          {(id, said) => (
            <Input
              id={id}
              autoComplete="off"
              inputMode="numeric"
              className="admin-number"
              value={typed.port}
              aria-describedby={said}
              onChange={(event) => set({ port: event.target.value.trim() })}
              data-testid="port"
            />
          )}
        </Field>
        <Field label={t('device.most')} fault={wrong('most')} hint={t('device.mostHint')}>
          {(id, said) => (
            <Input
              id={id}
              autoComplete="off"
              inputMode="numeric"
              className="admin-number"
              value={typed.most}
              aria-describedby={said}
              onChange={(event) => set({ most: event.target.value.trim() })}
            />
          )}
        </Field>
        <Field label={t('device.charset')} hint={t('device.charsetHint')}>
          {(id, said) => (
            <Select
              id={id}
              className="admin-wide"
              aria-describedby={said}
              value={typed.charset}
              onChange={(charset) => set({ charset })}
              options={[
                { value: '', label: t('device.charsetNone') },
                ...[...new Set([...CHARSETS, ...(start.charset ? [start.charset] : [])])].map((value) => ({ value, label: value })),
              ]}
            />
          )}
        </Field>
      </div>
      <fieldset className="admin-checks">
        <legend>{t('device.rules')}</legend>
        <Checkbox checked={typed.mayStore} onChange={(event) => set({ mayStore: event.target.checked })}>
          {t('device.mayStore')}
        </Checkbox>
        <Checkbox checked={typed.mayQuery} onChange={(event) => set({ mayQuery: event.target.checked })}>
          {t('device.mayQuery')}
        </Checkbox>
        <Checkbox checked={typed.tls} onChange={(event) => set({ tls: event.target.checked })}>
          {t('device.tls')}
        </Checkbox>
      </fieldset>
      {children}
      <div className="acts">
        <Button htmlType="submit" loading={busy} disabled={!changed} data-testid="save">
          {t(isNew ? 'device.add' : 'admin.save')}
        </Button>
        {more}
      </div>
    </form>
  );
}
