import { useQuery } from '@tanstack/react-query';
import { Button } from 'antd';
import { useEffect, useState } from 'react';

import { useUser } from '../../api/session';
import type { RegisteredPatient } from '../../api/types';
import { absolute, dayAndTime } from '../../frame/clock';
import { useLanguage } from '../../frame/language';
import { ageText, sexText, shownName } from '../../frame/patient';
import { PatientLine } from '../../frame/PatientHeader';
import { Chip } from '../../frame/Chip';
import { seesOwnOrdersOnly } from '../../frame/tabs';
import { useTroubleText } from '../../frame/Trouble';
import { useText } from '../../i18n';
import { ordersOf, revealNumber } from './asks';
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

/** A masked number; pressing shows it for as long as the server says, and the look is written down. */
export function Masked({ patient, field, value }: { patient: RegisteredPatient; field: 'resident_id' | 'phone'; value: string }) {
  const t = useText();
  const trouble = useTroubleText();
  const [shown, setShown] = useState<{ value: string; hide_after_s: number } | null>(null);
  const [error, setError] = useState<unknown>(null);
  useEffect(() => {
    if (!shown) return undefined;
    const timer = setTimeout(() => setShown(null), shown.hide_after_s * 1000);
    return () => clearTimeout(timer);
  }, [shown]);
  if (!value) return <span className="second">{t('today.notGiven')}</span>;
  return (
    <span>
      {shown?.value ?? value}{' '}
      <button
        type="button"
        className="linkish"
        onClick={() => {
          setError(null);
          if (shown) setShown(null);
          else void revealNumber(patient.id, field).then(setShown, setError);
        }}
      >
        {t(shown ? 'today.hide' : 'today.reveal')}
      </button>
      {error !== null && <span className="fault">{trouble(error).text}</span>}
    </span>
  );
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
        <dd>{patient.patient_id}</dd>
        <dt>{t('today.residentId')}</dt>
        <dd>
          <Masked patient={patient} field="resident_id" value={patient.masked_resident_id} />
        </dd>
        <dt>{t('today.phone')}</dt>
        <dd>
          <Masked patient={patient} field="phone" value={patient.masked_phone} />
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
