import type { HistoryLine, OrderDetail as Detail, OrderRow } from '../../api/types';
import { absolute, dayAndTime } from '../../frame/clock';
import { useLanguage } from '../../frame/language';
import { shownName } from '../../frame/patient';
import { hasText, type Say, useText } from '../../i18n';
import { NumberOf } from './KnownPatient';
import { shownPatient } from './worklist';

/** All that is known of an order besides its row. */
export function Facts({ detail, row }: { detail: Detail; row: OrderRow }) {
  const t = useText();
  const language = useLanguage();
  const { patient } = row;
  return (
    <>
      {!row.recognition_checked && <p className="second">{t('order.uncheckedText')}</p>}
      {row.number_disputed && <p className="note note-soon">{t('order.disputedText')}</p>}
      <dl className="facts-many">
        <dt>{t('today.question')}</dt>
        <dd>{detail.clinical_question || <span className="second">{t('today.notGiven')}</span>}</dd>
        <dt>{t('today.orderedBy')}</dt>
        <dd>
          {row.ordered_by_name} {dayAndTime(row.ordered_at, language)}
        </dd>
        <dt>{t('today.class')}</dt>
        <dd>{t(`today.class.${row.patient_class}`)}</dd>
        {patient && (
          <>
            <dt>{t('today.residentId')}</dt>
            <dd>
              <NumberOf patient={patient} field="resident_id" value={patient.masked_resident_id} />
            </dd>
            <dt>{t('today.phone')}</dt>
            <dd>
              <NumberOf patient={patient} field="phone" value={patient.masked_phone} />
            </dd>
            {patient.temporary?.marks && (
              <>
                <dt>{t('today.marks')}</dt>
                <dd>{patient.temporary.marks}</dd>
              </>
            )}
          </>
        )}
        {row.performed_at && (
          <>
            <dt>{t('order.performed')}</dt>
            <dd>{dayAndTime(row.performed_at, language)}</dd>
          </>
        )}
        {row.ended_at && (
          <>
            <dt>{t('order.ended')}</dt>
            <dd>
              {dayAndTime(row.ended_at, language)} {detail.ended_reason}
            </dd>
          </>
        )}
        {detail.first_patient && (
          <>
            <dt>{t('order.firstPatient')}</dt>
            <dd>{shownName(shownPatient(detail.first_patient), language)}</dd>
          </>
        )}
        {row.former_accession_numbers.length > 0 && (
          <>
            <dt>{t('order.formerNumbers')}</dt>
            <dd>{row.former_accession_numbers.join(' ')}</dd>
          </>
        )}
      </dl>
    </>
  );
}

/** Who did what to it, and when. */
export function History({ lines }: { lines: readonly HistoryLine[] }) {
  const t = useText();
  const language = useLanguage();
  return (
    <ol className="history">
      {lines.map((line, number) => (
        // A line of the patient's may bear the version one of the order's has.
        <li key={`${number} ${line.version}`}>
          <span title={absolute(line.at, language)}>{dayAndTime(line.at, language)}</span> {line.by || t('order.byMachine')}{' '}
          {historyWord(line.act, t)}
          {reasonWord(line, t)}
        </li>
      ))}
    </ol>
  );
}

function historyWord(act: string, t: Say): string {
  const key = `order.did.${act}`;
  return hasText(key) ? t(key) : act;
}

/** A reason somebody typed, or that the county gives in a word of its own; others are for machines. */
function reasonWord({ act, reason }: HistoryLine, t: Say): string {
  if (!reason || reason === 'not-checked' || act === 'settle') return '';
  const key = `order.because.${reason}`;
  return `${t('app.comma')}${hasText(key) ? t(key) : reason}`;
}
