import { useQuery } from '@tanstack/react-query';
import { Button } from 'antd';
import { useState } from 'react';

import { useUser } from '../../api/session';
import type { RegisteredPatient } from '../../api/types';
import { absolute, dayAndTime } from '../../frame/clock';
import { useLanguage } from '../../frame/language';
import { Masked } from '../../frame/Masked';
import { ageText, sexText, shownName } from '../../frame/patient';
import { PatientLine } from '../../frame/PatientHeader';
import { Chip } from '../../frame/Chip';
import { seesOwnOrdersOnly } from '../../frame/tabs';
import { useText } from '../../i18n';
import { ordersOf, type RevealedField, revealNumber } from './asks';
import { CorrectPatient } from './CorrectPatient';

import { CHIP, shownPatient } from './worklist';

/** Somebody as a row of a list of people: who, and by what to tell them from others of the name. */
export function PatientOption({ patient }: { patient: RegisteredPatient }) {
  const t = useText();
  const language = useLanguage();
  return (
    <>
      <PatientLine patient={shownPatient(patient)} unidentified={isUnknown(patient)} />
      <span className="second">
        {patient.patient_id}
        {patient.masked_resident_id ? ` · ${patient.masked_resident_id}` : ''}
        {patient.status === 'reconciled' ? ` · ${t('today.merged')}` : ''}
        {` · ${t('today.registeredAt', { at: dayAndTime(patient.registered_at, language) })}`}
      </span>
    </>
  );
}

export function isUnknown(patient: RegisteredPatient): boolean {
  return patient.temporary !== null && patient.status === 'active';
}

/** A number of somebody registered here: masked with a way to show it, or as it is where nothing is hidden. */
export function NumberOf({ patient, field, value }: { patient: RegisteredPatient; field: RevealedField; value: string }) {
  const t = useText();
  if (!value) return <span className="second">{t('today.notGiven')}</span>;
  return value.includes('*') ? <Masked value={value} reveal={() => revealNumber(patient.id, field)} /> : value;
}

/** The chosen patient on the ordering page, with what was ordered for them lately. */
export function KnownPatient({
  patient,
  another,
  corrected,
}: {
  patient: RegisteredPatient;
  another: () => void;
  /** Absent for whom may not mend what is registered. */
  corrected?: (patient: RegisteredPatient) => void;
}) {
  const t = useText();
  const [mending, setMending] = useState(false);
  const user = useUser();
  // An empty list of theirs says nothing of what was examined: that must not invite a repetition.
  const ownOnly = seesOwnOrdersOnly(user);
  const language = useLanguage();
  const orders = useQuery({
    queryKey: ['orders-of', patient.id],
    queryFn: ({ signal }) => ordersOf(patient.id, signal),
    staleTime: 5_000,
  });
  const items = orders.data?.items ?? [];
  if (mending && corrected) {
    return (
      <CorrectPatient
        patient={patient}
        over={(mended) => {
          setMending(false);
          if (mended) corrected(mended);
        }}
      />
    );
  }
  return (
    <div className="known" data-testid="known-patient">
      <p>
        <b>{shownName(shownPatient(patient), language)}</b> {sexText(patient.sex, language)}{' '}
        {ageText(patient.age, language, patient.age_estimated)}{' '}
        {isUnknown(patient) && <Chip kind="question">{t('patient.unidentified')}</Chip>}
      </p>
      <dl className="facts-two">
        <dt>{t('today.patientId')}</dt>
        <dd>
          <NumberOf patient={patient} field="patient_id" value={patient.patient_id} />
        </dd>
        <dt>{t('today.residentId')}</dt>
        <dd>
          <NumberOf patient={patient} field="resident_id" value={patient.masked_resident_id} />
        </dd>
        <dt>{t('today.phone')}</dt>
        <dd>
          <NumberOf patient={patient} field="phone" value={patient.masked_phone} />
        </dd>
        <dt>{t('today.birth')}</dt>
        <dd>{patient.birth_date ?? <span className="second">{t('today.notGiven')}</span>}</dd>
      </dl>
      <span className="acts">
        <Button size="small" onClick={another}>
          {t('today.another')}
        </Button>
        {corrected && !isUnknown(patient) && (
          <Button size="small" onClick={() => setMending(true)} data-testid="mend">
            {t('today.correct')}
          </Button>
        )}
      </span>
      <h3>{t(ownOnly ? 'today.latelyOwn' : 'today.lately')}</h3>
      {orders.isSuccess && items.length === 0 && (
        <p className="second">{t(ownOnly ? 'today.latelyOwnNone' : 'today.latelyNone')}</p>
      )}
      <ul className="lately">
        {items.slice(0, 8).map((order) => (
          <li key={order.id}>
            <span title={absolute(order.scheduled_at, language)}>{dayAndTime(order.scheduled_at, language)}</span>
            <span>{order.examination.name}</span>
            <Chip kind={CHIP[order.state]}>{t(`order.state.${order.state}`)}</Chip>
          </li>
        ))}
      </ul>
      {ownOnly && (
        <p className="note note-soon" data-testid="own-only">
          {t('today.latelyOwnOnly', { house: (user.orders_at ?? user.institution).name })}
        </p>
      )}
    </div>
  );
}
