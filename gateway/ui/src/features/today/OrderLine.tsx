import { memo } from 'react';

import type { OrderRow, StudyHere } from '../../api/types';
import { Chip } from '../../frame/Chip';
import { absolute, clockTime, dayAndTime } from '../../frame/clock';
import { useLanguage } from '../../frame/language';
import { examinationWords } from '../../frame/modality';
import { PatientLine } from '../../frame/PatientHeader';
import { useText } from '../../i18n';
import { ReportMark } from '../here/Look';
import { isUnknown } from './KnownPatient';
import type { Wait } from './unread';
import { CHIP, isOf, isPinned, NOBODY, shownPatient } from './worklist';

interface Props {
  row: OrderRow;
  id: string;
  day: string;
  active: boolean;
  open: boolean;
  /** How many others of the day bear this name, or sound like it. */
  alike: number;
  /** What of its study is on this machine; null before that is known, undefined where nobody looks. */
  here: StudyHere | null | undefined;
  /** Why the township does not know yet how it stands; empty where it does. */
  wait: Wait;
  toggle: (id: string) => void;
}

/** One examination of the day in 32 px: when, who, what, where, its number, how far. */
export const OrderLine = memo(function OrderLine({ row, id, day, active, open, alike, here, wait, toggle }: Props) {
  const t = useText();
  const language = useLanguage();
  const { patient, examination } = row;
  return (
    <div
      id={id}
      role="row"
      className={`order-row${row.priority === 'emergency' ? ' is-emergency' : ''}${isPinned(row) ? ' is-pinned' : ''}`}
      tabIndex={active ? 0 : -1}
      aria-expanded={open}
      data-testid="order-row"
      data-state={row.state}
      data-order={row.id}
      onClick={() => toggle(row.id)}
    >
      <div role="gridcell" title={absolute(row.scheduled_at, language)}>
        {isOf(row, day) ? clockTime(row.scheduled_at) : dayAndTime(row.scheduled_at, language)}
      </div>
      <div role="gridcell" className="who">
        {row.priority === 'emergency' && <Chip kind="emergency">{t('priority.emergency')}</Chip>}
        {row.priority === 'urgent' && <Chip kind="soon">{t('today.urgency.urgent')}</Chip>}
        {patient ? (
          <PatientLine patient={shownPatient(patient)} unidentified={isUnknown(patient)} />
        ) : (
          <PatientLine patient={NOBODY} />
        )}
        <span className="second" title={patient?.patient_id}>
          {patient?.patient_id ?? t('today.patientNotHere')}
        </span>
        {alike > 0 && <Chip kind="question">{t('today.alike', { count: alike + 1 })}</Chip>}
      </div>
      <div role="gridcell" className="words" title={examination.name}>
        {examinationWords([examination.modality], examination.name, language)}
      </div>
      <div role="gridcell" className="second words" title={row.station_ae_title || undefined}>
        {row.station_ae_title || t('today.anyDevice')}
      </div>
      <div role="gridcell" className="words" title={row.accession_number} data-testid="accession">
        {row.accession_number}
      </div>
      <div role="gridcell" className="state">
        {wait ? (
          <span data-testid="unread">
            <Chip kind={wait === 'nobody' ? 'overdue' : 'soon'}>{t(`order.${wait}`, { state: t(`order.state.${row.state}`) })}</Chip>
          </span>
        ) : (
          <Chip kind={CHIP[row.state]}>{t(`order.state.${row.state}`)}</Chip>
        )}
        {row.conflicts + (patient?.conflicts ?? 0) > 0 && <Chip kind="conflict">{t('order.conflict')}</Chip>}
        {row.number_disputed && <Chip kind="conflict">{t('order.disputed')}</Chip>}
      </div>
      {here !== undefined && (
        <div role="gridcell">
          <ReportMark here={here ?? undefined} />
        </div>
      )}
    </div>
  );
});
