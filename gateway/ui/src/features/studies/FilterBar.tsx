import { Button, Input, type InputRef, Select } from 'antd';
import type { Ref } from 'react';

import type { Institution } from '../../api/types';
import { useLanguage } from '../../frame/language';
import { modalityWord } from '../../frame/modality';
import { useText } from '../../i18n';
import { ExamDates } from './ExamDates';
import type { Filters } from './filters';

/** Modalities a county's townships have, in the words of the list; others are found by searching. */
const MODALITIES = ['CT', 'DX', 'CR', 'MR', 'US', 'MG', 'XA', 'RF', 'ECG', 'ES', 'OT'] as const;

interface Props {
  filters: Filters;
  change: (filters: Filters) => void;
  typed: string;
  type: (typed: string) => void;
  institutions: readonly Institution[];
  find: Ref<InputRef>;
  filtered: boolean;
  clear: () => void;
}

export function FilterBar({ filters, change, typed, type, institutions, find, filtered, clear }: Props) {
  const t = useText();
  const language = useLanguage();
  const set = (part: Partial<Filters>) => change({ ...filters, ...part });
  const toggle = (key: 'unidentified' | 'conflicts', label: string) => (
    <Button
      size="small"
      aria-pressed={filters[key]}
      className={filters[key] ? 'is-on' : ''}
      onClick={() => set({ [key]: !filters[key] })}
    >
      {label}
    </Button>
  );
  return (
    <div className="filters" role="search">
      <Input
        ref={find}
        size="small"
        className="find"
        allowClear
        value={typed}
        placeholder={t('studies.find')}
        aria-label={t('studies.find')}
        suffix={typed ? undefined : <kbd>/</kbd>}
        data-testid="find"
        onChange={(event) => type(event.target.value)}
      />
      <Select
        size="small"
        className="narrow"
        allowClear
        aria-label={t('studies.modality')}
        placeholder={t('studies.modality')}
        value={filters.modality || undefined}
        options={MODALITIES.map((value) => ({ value, label: modalityWord(value, language) }))}
        onChange={(value?: string) => set({ modality: value ?? '' })}
      />
      <Select
        size="small"
        className="wide"
        allowClear
        showSearch={{ optionFilterProp: 'label' }}
        popupMatchSelectWidth={false}
        aria-label={t('studies.institution')}
        placeholder={t('studies.institution')}
        value={filters.institution || undefined}
        options={institutions.map(({ code, name }) => ({ value: code, label: name }))}
        onChange={(value?: string) => set({ institution: value ?? '' })}
      />
      <ExamDates from={filters.from} to={filters.to} change={(from, to) => set({ from, to })} />
      {toggle('unidentified', t('patient.unidentified'))}
      {toggle('conflicts', t('studies.conflicts'))}
      {filtered && (
        <Button size="small" type="text" onClick={clear}>
          {t('studies.clear')}
        </Button>
      )}
    </div>
  );
}
