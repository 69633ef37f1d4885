import { memo } from 'react';

import type { StudyRow } from '../../api/types';
import { Chip } from '../../frame/Chip';
import { absolute, dayAndTime, shortTime } from '../../frame/clock';
import { useLanguage } from '../../frame/language';
import { examinationWords } from '../../frame/modality';
import { shownIdentifier } from '../../frame/patient';
import { PatientLine } from '../../frame/PatientHeader';
import { useText } from '../../i18n';
import { arriving } from './arrival';

interface Props {
  row: StudyRow;
  id: string;
  active: boolean;
  /** Whether it stands among the emergencies at the top. */
  zone?: boolean;
  /** Whether Tab leads to it: one row of the list at a time. */
  reachable: boolean;
  choose: (uid: string) => void;
  open: (uid: string) => void;
}

/** One study in 32 px. */
export const StudyLine = memo(function StudyLine({ row, id, active, zone = false, reachable, choose, open }: Props) {
  const t = useText();
  const language = useLanguage();
  const uid = row.study_instance_uid;
  const coming = arriving(row.completeness, row.instance_count);
  const identifier = shownIdentifier(row.patient);
  const exam = examinationWords(row.modalities, row.description || row.body_part, language);
  const conflicts = row.conflicts > 0 ? t('study.conflicts', { count: row.conflicts }) : '';
  const time = (iso: string | null) =>
    iso ? <span title={absolute(iso, language)}>{dayAndTime(iso, language)}</span> : t('study.noDate');
  return (
    <div
      id={id}
      role="row"
      className={`study-row${active ? ' is-active' : ''}${row.priority === 'emergency' ? ' is-emergency' : ''}`}
      tabIndex={reachable ? 0 : -1}
      aria-selected={active}
      data-testid="study-row"
      data-study={uid}
      data-zone={zone || undefined}
      onClick={() => choose(uid)}
      onDoubleClick={() => open(uid)}
    >
      <div role="gridcell" className="who">
        {row.priority === 'emergency' && <Chip kind="emergency">{t('priority.emergency')}</Chip>}
        <PatientLine patient={row.patient} unidentified={row.unidentified} />
        <span className="second" title={identifier}>
          {identifier}
        </span>
      </div>
      <div role="gridcell" className="exam">
        <span className="words" title={exam || undefined}>
          {exam || t('study.noDescription')}
        </span>
        {coming && <Coming coming={coming} />}
        {conflicts && (
          <Chip kind="conflict" title={conflicts}>
            {/* The short words leave the row one line high; what is read out is the whole. */}
            <span aria-hidden>{t('study.conflictsShort', { count: row.conflicts })}</span>
            <span className="unseen">{conflicts}</span>
          </Chip>
        )}
      </div>
      <div role="gridcell" className="second number" title={row.accession_number}>
        {row.accession_number}
      </div>
      <div role="gridcell" className="house" title={row.institution.name}>
        {row.institution.name}
      </div>
      <div role="gridcell">{time(row.study_date_time)}</div>
      <div role="gridcell" className="second">
        {time(row.received_at)}
      </div>
      <div role="gridcell" className="count" data-testid="images">
        {coming && !coming.maybe ? (
          <span title={coming.downSince ? absolute(coming.downSince, language) : undefined}>
            {coming.arrived}/{coming.of}
          </span>
        ) : (
          t('study.imagesCell', { count: row.instance_count })
        )}
      </div>
    </div>
  );
});

/** What is here can be looked at; why the rest is not stands beside. */
export function Coming({ coming }: { coming: NonNullable<ReturnType<typeof arriving>> }) {
  const t = useText();
  const language = useLanguage();
  const { arrived, of, downSince, short, maybe } = coming;
  const at = downSince ? shortTime(downSince, language) : '';
  return (
    <span className="coming" data-testid="coming">
      <Chip kind={maybe ? 'soon' : downSince ? 'paused' : 'info'}>
        {downSince
          ? t(maybe ? 'studies.comingMaybe' : 'studies.comingDown', { arrived, of, at })
          : t(short ? 'studies.comingShort' : 'studies.coming', { arrived, of })}
      </Chip>
    </span>
  );
}
