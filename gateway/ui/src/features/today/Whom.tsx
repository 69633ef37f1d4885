import { useQuery } from '@tanstack/react-query';
import { Button, Input, type InputRef } from 'antd';
import { type Ref, useEffect, useState } from 'react';

import type { RegisteredPatient } from '../../api/types';
import { useText } from '../../i18n';
import { patientsLike } from './asks';
import { ageFits, fieldsFrom, type Who } from './desk';
import { isUnknown, KnownPatient, PatientOption } from './KnownPatient';
import { Lookup } from './Lookup';
import { Field, PatientFields, SexChoice } from './PatientFields';

const people = async (typed: string, signal: AbortSignal): Promise<RegisteredPatient[]> =>
  (await patientsLike(typed, signal)).items;

interface Props {
  who: Who;
  change: (who: Who) => void;
  unknown: () => void;
  knownAfterAll: () => void;
  mayRegister: boolean;
  inputRef: Ref<InputRef>;
  /** A number of whom is registered already, as the server found out. */
  taken: RegisteredPatient | null;
}

/** For whom: somebody registered is looked for before somebody new is registered. */
export function Whom({ who, change, unknown, knownAfterAll, mayRegister, inputRef, taken }: Props) {
  const t = useText();
  const known = (patient: RegisteredPatient) => change({ kind: 'known', patient });
  if (who.kind === 'known') {
    return (
      <KnownPatient
        patient={who.patient}
        another={() => change({ kind: 'nobody' })}
        corrected={mayRegister ? known : undefined}
      />
    );
  }
  if (who.kind === 'nobody') {
    return (
      <>
        <Lookup<RegisteredPatient>
          name="patient"
          label={t('today.findPatient')}
          load={people}
          keyOf={(patient) => patient.id}
          draw={(patient) => <PatientOption patient={patient} />}
          choose={known}
          other={
            mayRegister
              ? {
                  label: (typed) => (typed ? t('today.registerTyped', { typed }) : t('today.registerNew')),
                  choose: (typed) => change({ kind: 'new', fields: fieldsFrom(typed) }),
                }
              : undefined
          }
          empty={t(mayRegister ? 'today.nobodyFound' : 'today.nobodyFoundHere')}
          untyped={mayRegister ? undefined : t('today.typeToFind')}
          inputRef={inputRef}
          autoFocus
        />
        {mayRegister && (
          <Button onClick={unknown} data-testid="unknown">
            {t('today.unknown')}
            <span className="button-key">Alt+U</span>
          </Button>
        )}
      </>
    );
  }
  if (who.kind === 'unknown') {
    return (
      <div className="fields" data-testid="unknown-fields">
        <p className="note note-soon">{t('today.unknownText')}</p>
        <Field label={t('today.sex')}>
          {(id) => <SexChoice id={id} value={who.sex} change={(sex) => change({ ...who, sex })} unknown />}
        </Field>
        <Field label={t('today.estimatedAge')} fault={ageFits(who.age) ? undefined : 'today.badAge'}>
          {(id, said) => (
            <Input
              id={id}
              aria-describedby={said}
              inputMode="numeric"
              maxLength={3}
              suffix={t('today.years')}
              value={who.age}
              data-testid="estimated-age"
              onChange={(event) => change({ ...who, age: event.target.value })}
            />
          )}
        </Field>
        <Field label={t('today.marks')}>
          {(id) => (
            <Input.TextArea
              id={id}
              rows={3}
              maxLength={500}
              placeholder={t('today.marksHow')}
              value={who.marks}
              onChange={(event) => change({ ...who, marks: event.target.value })}
            />
          )}
        </Field>
        <Button size="small" onClick={knownAfterAll} data-testid="known-after-all">
          {t('today.knownAfterAll')}
        </Button>
      </div>
    );
  }
  return (
    <>
      {taken && (
        <div className="note note-bad" role="alert" data-testid="taken">
          <p>{t('today.taken')}</p>
          <p className="taken-by">
            <PatientOption patient={taken} />
          </p>
          <Button size="small" onClick={() => known(taken)}>
            {t('today.thisOne')}
          </Button>
        </div>
      )}
      <PatientFields
        fields={who.fields}
        change={(fields) => change({ kind: 'new', fields })}
        nameTaken={<NameTaken name={who.fields.name} choose={known} />}
      />
      <Button size="small" onClick={() => change({ kind: 'nobody' })}>
        {t('today.findInstead')}
      </Button>
    </>
  );
}

const NAME_SETTLES_MS = 400;

/** Those who are registered under *name* already, each to be taken instead. */
function NameTaken({ name, choose }: { name: string; choose: (patient: RegisteredPatient) => void }) {
  const t = useText();
  const [asked, setAsked] = useState(name.trim());
  useEffect(() => {
    const timer = setTimeout(() => setAsked(name.trim()), NAME_SETTLES_MS);
    return () => clearTimeout(timer);
  }, [name]);
  const found = useQuery({
    queryKey: ['lookup', 'patient', asked],
    queryFn: ({ signal }) => people(asked, signal),
    enabled: asked.length > 1,
    staleTime: 10_000,
  });
  const same = asked.length > 1 ? (found.data ?? []).filter((one) => one.name === asked && !isUnknown(one)) : [];
  if (!same.length) return null;
  return (
    <span className="same-names" data-testid="same-names">
      {t('today.sameName', { count: same.length })}
      {same.slice(0, 3).map((patient) => (
        <span key={patient.id} className="same-name">
          <PatientOption patient={patient} />{' '}
          <button type="button" className="linkish" onClick={() => choose(patient)}>
            {t('today.thisOne')}
          </button>
        </span>
      ))}
    </span>
  );
}
