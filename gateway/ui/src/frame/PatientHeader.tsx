import type { ReactNode } from 'react';

import type { Patient } from '../api/types';
import { useText } from '../i18n';
import { Chip } from './Chip';
import { useLanguage } from './language';
import { Masked, type Revealed } from './Masked';
import { ageText, sexText, shownIdentifier, shownName } from './patient';

/** The first facts about a patient, in the one order every page keeps: name, sex, age. */
export function PatientLine({ patient, unidentified = false }: { patient: Patient; unidentified?: boolean }) {
  const t = useText();
  const language = useLanguage();
  const name = shownName(patient, language);
  return (
    <span className="patient-inline">
      <span className="name" title={name || undefined}>
        {name || t('patient.noName')}
      </span>
      <span>{sexText(patient.sex, language)}</span>
      <span>{ageText(patient.age, language, patient.age_estimated)}</span>
      {unidentified && <Chip kind="question">{t('patient.unidentified')}</Chip>}
    </span>
  );
}

interface Props {
  patient: Patient;
  /** Visit, accession or study number. */
  number: string;
  /** Gives the masked identifier whole; absent where nobody may have it. */
  reveal?: () => Promise<Revealed>;
  unidentified?: boolean;
  emergency?: boolean;
  lead?: ReactNode;
  children?: ReactNode;
}

/** The patient's own bar: never truncates the name, never scrolls away. */
export function PatientHeader({ patient, number, reveal, unidentified, emergency, lead, children }: Props) {
  const t = useText();
  const language = useLanguage();
  const identifier = shownIdentifier(patient);
  const name = shownName(patient, language);
  return (
    <header className="patient" data-testid="patient-header">
      {lead}
      <span className="name" title={name || undefined}>
        {name || t('patient.noName')}
      </span>
      <span className="fact">{sexText(patient.sex, language)}</span>
      <span className="fact">{ageText(patient.age, language, patient.age_estimated)}</span>
      <span className="fact" title={identifier || undefined}>
        {reveal && identifier.includes('*') ? <Masked value={identifier} reveal={reveal} /> : identifier || t('patient.noId')}
      </span>
      {number && number !== identifier && <span className="fact" title={number}>{number}</span>}
      <span className="fact second">{t('patient.allergiesUnchecked')}</span>
      {unidentified && <Chip kind="question">{t('patient.unidentified')}</Chip>}
      {emergency && <Chip kind="emergency">{t('priority.emergency')}</Chip>}
      {children}
    </header>
  );
}
