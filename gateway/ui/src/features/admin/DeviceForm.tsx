import { Button, Checkbox, Select } from 'antd';
import { type ReactNode, useState } from 'react';

import { useText } from '../../i18n';
import { faultsOf, type Typed } from './device';
import { Field } from './Field';
import { HouseSelect } from './HouseSelect';
import { TextField } from './TextField';

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
          <TextField
            label={t('device.title')}
            fault={wrong('title')}
            hint={t('device.titleHint')}
            autoFocus
            maxLength={16}
            className="admin-code"
            value={typed.title}
            change={(title) => set({ title })}
            testid="title"
          />
        )}
        <Field label={t('admin.house')} fault={wrong('institution')}>
          {(id, said) => <HouseSelect id={id} value={typed.institution} described={said} change={(institution) => set({ institution })} />}
        </Field>
        <TextField
          label={t('device.host')}
          hint={t('device.hostHint')}
          className="admin-code"
          value={typed.host}
          change={(host) => set({ host })}
          testid="host"
        />
        <TextField
          label={t('device.port')}
          fault={wrong('port')}
          hint={t('device.portHint')}
          inputMode="numeric"
          className="admin-number"
          value={typed.port}
          change={(port) => set({ port: port.trim() })}
          testid="port"
        />
        <TextField
          label={t('device.most')}
          fault={wrong('most')}
          hint={t('device.mostHint')}
          inputMode="numeric"
          className="admin-number"
          value={typed.most}
          change={(most) => set({ most: most.trim() })}
        />
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
