import { useQuery } from '@tanstack/react-query';
import { Input, type InputRef, Select } from 'antd';
import type { Ref } from 'react';

import { ask } from '../../api/client';
import type { Institution } from '../../api/types';
import { useText } from '../../i18n';
import type { NumberAsk, NumberKind } from './asks';

const KINDS: readonly NumberKind[] = ['resident-id', 'patient-id', 'accession-number'];

export const NO_NUMBER: NumberAsk = { kind: 'resident-id', number: '', institution: '' };

/** Whether *asked* is complete: a number, and whose it is where a house gave it. */
export function isAsked({ kind, number, institution }: NumberAsk): boolean {
  return number.trim() !== '' && (kind === 'resident-id' || institution !== '');
}

/** A patient's exact number, its kind and whose it is; never a name. */
export function NumberFields({
  of,
  asked,
  change,
  field,
}: {
  /** Begins the ids of the fields. */
  of: string;
  asked: NumberAsk;
  change: (asked: NumberAsk) => void;
  field?: Ref<InputRef>;
}) {
  const t = useText();
  const { data: institutions = [] } = useQuery({
    queryKey: ['institutions'],
    queryFn: ({ signal }) => ask<Institution[]>('/api/v1/institutions', { signal }),
    staleTime: 60 * 60_000,
  });
  return (
    <>
      <label htmlFor={`${of}-number`}>{t('access.number')}</label>
      <div className="emergency-number">
        <Select
          value={asked.kind}
          aria-label={t('access.numberKind')}
          options={KINDS.map((value) => ({ value, label: t(`access.kind.${value}`) }))}
          onChange={(kind) => change({ ...asked, kind, institution: kind === 'resident-id' ? '' : asked.institution })}
          data-testid={`${of}-kind`}
        />
        <Input
          id={`${of}-number`}
          ref={field}
          value={asked.number}
          autoComplete="off"
          maxLength={64}
          onChange={(event) => change({ ...asked, number: event.target.value })}
          data-testid={`${of}-number`}
        />
      </div>
      {asked.kind !== 'resident-id' && (
        <>
          <label htmlFor={`${of}-house`}>{t('access.house')}</label>
          <Select
            id={`${of}-house`}
            className="emergency-house"
            showSearch={{ optionFilterProp: 'label' }}
            value={asked.institution || undefined}
            placeholder={t('studies.institution')}
            options={institutions.map(({ code, name }) => ({ value: code, label: name }))}
            onChange={(institution) => change({ ...asked, institution })}
          />
        </>
      )}
    </>
  );
}
