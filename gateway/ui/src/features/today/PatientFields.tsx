import { Input, Radio } from 'antd';
import { type ReactNode, useId } from 'react';

import type { Sex } from '../../api/types';
import { today } from '../../frame/clock';
import { useLanguage } from '../../frame/language';
import { ageAt } from '../../frame/patient';
import { type TextKey, useText } from '../../i18n';
import { birthOf } from './birth';
import { faultsOf, type Fields, filledFrom } from './desk';

/** One field with its label in front and what is wrong or meant behind. */
export function Field({
  label,
  fault,
  hint,
  children,
}: {
  label: string;
  fault?: TextKey;
  hint?: ReactNode;
  children: (id: string, described: string | undefined) => ReactNode;
}) {
  const t = useText();
  const id = useId();
  const said = fault ? t(fault) : hint;
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <div>
        {children(id, said ? `${id}-said` : undefined)}
        {said && (
          <p id={`${id}-said`} className={fault ? 'fault' : 'second'} role={fault ? 'alert' : undefined}>
            {said}
          </p>
        )}
      </div>
    </div>
  );
}

export function SexChoice({ id, value, change, unknown = false }: { id: string; value: Sex; change: (sex: Sex) => void; unknown?: boolean }) {
  const t = useText();
  const options: { value: Sex; label: string }[] = [
    { value: 'M', label: t('sex.M') },
    { value: 'F', label: t('sex.F') },
    ...(unknown ? [{ value: '' as const, label: t('sex.unknown') }] : [{ value: 'O' as const, label: t('sex.O') }]),
  ];
  return (
    <Radio.Group
      id={id}
      optionType="button"
      value={unknown || value ? value : null}
      options={options}
      aria-label={t('today.sex')}
      data-testid="sex"
      onChange={(event) => change(event.target.value as Sex)}
    />
  );
}

/** Who somebody is, as it is typed at the counter. A resident number fills in what it states. */
export function PatientFields({ fields, change, nameTaken }: { fields: Fields; change: (fields: Fields) => void; nameTaken?: ReactNode }) {
  const t = useText();
  const language = useLanguage();
  const day = today();
  const faults = faultsOf(fields, day);
  const birth = birthOf(fields.birth, day);
  const set = (part: Partial<Fields>) => change({ ...fields, ...part });
  const started = fields.residentId.replace(/\s/g, '');
  return (
    <div className="fields" data-testid="patient-fields">
      <Field label={t('today.name')} fault={faults.name} hint={nameTaken}>
        {(id, said) => (
          <Input
            id={id}
            aria-describedby={said}
            autoFocus={!fields.name}
            autoComplete="off"
            maxLength={64}
            value={fields.name}
            data-testid="name"
            onChange={(event) => set({ name: event.target.value })}
          />
        )}
      </Field>
      <Field
        label={t('today.residentId')}
        // While it is being typed it is not wrong, only short.
        fault={faults.residentId === 'today.resident.length' ? undefined : faults.residentId}
        hint={
          started && faults.residentId === 'today.resident.length'
            ? t('today.resident.length', { count: started.length })
            : started && !faults.residentId
              ? t('today.resident.right')
              : undefined
        }
      >
        {(id, said) => (
          <Input
            id={id}
            aria-describedby={said}
            autoComplete="off"
            maxLength={24}
            value={fields.residentId}
            data-testid="resident-id"
            onChange={(event) => change(filledFrom({ ...fields, residentId: event.target.value }))}
          />
        )}
      </Field>
      <Field label={t('today.sex')} fault={faults.sex}>
        {(id) => <SexChoice id={id} value={fields.sex} change={(sex) => set({ sex })} />}
      </Field>
      <Field
        label={t('today.birth')}
        fault={faults.birth}
        hint={
          birth &&
          (birth.fromAge
            ? t('today.birthFromAge', { date: birth.date })
            : `${birth.date} ${ageAt(birth.date, day, language)}`)
        }
      >
        {(id, said) => (
          <Input
            id={id}
            aria-describedby={said}
            autoComplete="off"
            placeholder={t('today.birthHow')}
            value={fields.birth}
            data-testid="birth"
            onChange={(event) => set({ birth: event.target.value })}
          />
        )}
      </Field>
      <Field label={t('today.phone')} fault={faults.phone}>
        {(id, said) => (
          <Input
            id={id}
            aria-describedby={said}
            autoComplete="off"
            inputMode="tel"
            maxLength={31}
            value={fields.phone}
            data-testid="phone"
            onChange={(event) => set({ phone: event.target.value })}
          />
        )}
      </Field>
      <Field label={t('today.patientId')}>
        {(id, said) => (
          <Input
            id={id}
            aria-describedby={said}
            autoComplete="off"
            maxLength={64}
            placeholder={t('today.patientIdHow')}
            value={fields.patientId}
            data-testid="patient-id"
            onChange={(event) => set({ patientId: event.target.value })}
          />
        )}
      </Field>
    </div>
  );
}
