import { Button, Checkbox } from 'antd';
import { useEffect, useMemo, useRef, useState } from 'react';

import { fileSize } from '../../frame/clock';
import { useLanguage } from '../../frame/language';
import { examinationWords } from '../../frame/modality';
import { ageAt, ageText, maskIdentifier, sexText } from '../../frame/patient';
import { useText } from '../../i18n';
import { doubts, type Found, type FoundPatient, type ToSend } from './inspect';
import { BEYOND_MAX, FILES_MAX } from './pick';
import type { TodaysList } from './todays-list';

const SHOWN_SKIPPED = 5;
const SHOWN_UNREADABLE = 5;

const DOUBT = {
  'several-patients': 'check.several',
  'old-exam': 'check.oldExam',
  'future-exam': 'check.futureExam',
  'no-name': 'check.noName',
  'not-on-list': 'check.notOnList',
} as const;

const SKIP = {
  empty: 'check.skipEmpty',
  directory: 'check.skipDirectory',
  'not-dicom': 'check.skipOther',
  'broken-zip': 'check.skipZip',
} as const;

interface Props {
  folder: string;
  found: Found;
  /** Today's worklist, null where it could not be asked. */
  list: TodaysList | null;
  /** Files that were too many to look at. */
  beyond: number;
  send: (files: ToSend[]) => void;
  cancel: () => void;
  /** The stick is back: looks through the same files once more. */
  lookAgain: () => void;
}

/** What was found, before a byte is sent: everybody in doubt is ticked by a person or stays behind. */
export function CheckPanel({ folder, found, list, beyond, send, cancel, lookAgain }: Props) {
  const t = useText();
  const [ticked, setTicked] = useState<ReadonlySet<string>>(new Set());
  const [withoutUnreadable, setWithoutUnreadable] = useState(false);
  const doubtful = useMemo(() => doubts(found.patients, list), [found, list]);
  const asked = new Set(doubtful.map(({ patient }) => patient));
  const chosen = new Set(found.patients.map(({ key }) => key).filter((key) => !asked.has(key) || ticked.has(key)));
  const files = found.send.filter(({ patients }) => patients.every((key) => chosen.has(key)));
  // What cannot be read may be of the same exam: that it stays behind is said by a person.
  const ready = files.length > 0 && (found.unreadable.length === 0 || withoutUnreadable);
  const title = useRef<HTMLHeadingElement>(null);
  useEffect(() => title.current?.focus(), []);

  const tick = (key: string, on: boolean) => {
    const next = new Set(ticked);
    if (on) next.add(key);
    else next.delete(key);
    setTicked(next);
  };

  return (
    <section className="check" aria-labelledby="check-title" data-testid="check">
      <h2 id="check-title" tabIndex={-1} ref={title}>
        {found.send.length
          ? t('check.title', { folder, images: found.images, patients: found.patients.length })
          : t(found.unreadable.length ? 'check.nothingRead' : 'check.nothing', { folder })}
      </h2>
      {found.patients.length > 1 && (
        <p className="note note-soon">{t('queue.mixed', { patients: found.patients.length })}</p>
      )}
      <ul className="check-patients">
        {found.patients.map((patient) => (
          <li key={patient.key}>
            <PatientFound
              patient={patient}
              why={doubtful.filter((doubt) => doubt.patient === patient.key).map(({ why }) => t(DOUBT[why]))}
              ticked={asked.has(patient.key) ? ticked.has(patient.key) : null}
              tick={(on) => tick(patient.key, on)}
            />
          </li>
        ))}
      </ul>
      {found.unread > 0 && <p className="second">{t('check.unread', { count: found.unread })}</p>}
      {beyond > 0 && (
        <p className="note note-soon" role="alert" data-testid="check-beyond">
          {t(beyond < BEYOND_MAX ? 'check.beyond' : 'check.beyondMany', { most: FILES_MAX, beyond })}
        </p>
      )}
      {found.unreadable.length > 0 && (
        <div className="note note-soon unread" role="alert" data-testid="check-unreadable">
          <p>{t('check.unreadable', { count: found.unreadable.length })}</p>
          <ul className="refused">
            {found.unreadable.slice(0, SHOWN_UNREADABLE).map((name) => (
              <li key={name}>{name}</li>
            ))}
          </ul>
          {found.unreadable.length > SHOWN_UNREADABLE && (
            <p>{t('sending.unreadableMore', { count: found.unreadable.length - SHOWN_UNREADABLE })}</p>
          )}
          <p className="acts">
            <Button size="small" onClick={lookAgain}>
              {t('check.lookAgain')}
            </Button>
            {found.send.length > 0 && (
              <Checkbox checked={withoutUnreadable} onChange={(event) => setWithoutUnreadable(event.target.checked)}>
                {t('check.withoutUnreadable', { count: found.unreadable.length })}
              </Checkbox>
            )}
          </p>
        </div>
      )}
      {found.skipped.length > 0 && (
        <details className="second">
          <summary>{t('check.skipped', { count: found.skipped.length })}</summary>
          <ul>
            {found.skipped.slice(0, SHOWN_SKIPPED * 10).map(({ name, why }) => (
              <li key={name}>
                {name} · {t(SKIP[why])}
              </li>
            ))}
          </ul>
        </details>
      )}
      <div className="check-foot">
        {found.send.length > 0 && (
          <Button type="primary" disabled={!ready} onClick={() => send(files)} data-testid="send">
            {t('check.send', { count: files.length })}
          </Button>
        )}
        <Button onClick={cancel}>{t(found.send.length ? 'check.cancel' : 'check.close')}</Button>
        {files.length < found.send.length && (
          <span className="second">{t('check.behind', { count: found.send.length - files.length })}</span>
        )}
        {found.send.length > 0 && <span className="second">{fileSize(found.bytes)}</span>}
      </div>
    </section>
  );
}

function PatientFound({
  patient,
  why,
  ticked,
  tick,
}: {
  patient: FoundPatient;
  why: string[];
  /** null when nothing has to be ticked. */
  ticked: boolean | null;
  tick: (on: boolean) => void;
}) {
  const t = useText();
  const language = useLanguage();
  const age = patient.age
    ? ageText(patient.age, language)
    : ageAt(patient.birthDate, patient.studies[0]?.date ?? '', language);
  const facts = (
    <span className="patient-inline">
      <span className="name">{patient.name || t('patient.noName')}</span>
      <span>{sexText(patient.sex, language)}</span>
      <span>{age || ageText(null, language)}</span>
      <span className="second">{maskIdentifier(patient.patientId) || t('patient.noId')}</span>
    </span>
  );
  return (
    <>
      {ticked === null ? (
        facts
      ) : (
        <Checkbox checked={ticked} onChange={(event) => tick(event.target.checked)}>
          {facts}
        </Checkbox>
      )}
      <ul className="check-studies">
        {patient.studies.map((study) => (
          <li key={study.key}>
            {examinationWords(study.modality.split('/'), study.description || t('study.noDescription'), language)} ·{' '}
            {study.date || t('study.noDate')} {study.time} · {t('study.images', { count: study.images })}
          </li>
        ))}
      </ul>
      {why.length > 0 && <p className="doubt">{why.join(t('app.comma'))}</p>}
    </>
  );
}
