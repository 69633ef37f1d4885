import { Chip } from '../../frame/Chip';
import { dayAndTime } from '../../frame/clock';
import { useLanguage } from '../../frame/language';
import { hasText, useText } from '../../i18n';
import type { Found } from './asks';
import { shown } from './compare';

/** Whose the study could be, in one line: who, and which order. */
export function TargetOption({ found }: { found: Found }) {
  const t = useText();
  const language = useLanguage();
  const { who, examination, scheduled_at: at, state, differs } = found;
  const how = `order.state.${state}`;
  return (
    <span className="target-option">
      <b>{who.name || t('patient.noName')}</b> {shown('sex', who.sex, language)} {shown('birth_date', who.birth_date, language)}{' '}
      <span className="second">{who.patient_id}</span>{' '}
      {examination ? (
        <>
          {examination} {who.accession_number} {at && <span className="second">{dayAndTime(at, language)}</span>}{' '}
          {hasText(how) && <span className="second">{t(how)}</span>}
        </>
      ) : (
        <span className="second">{t('amend.noOrder')}</span>
      )}{' '}
      {differs.length === 0 && <Chip kind="info">{t('amend.asNow')}</Chip>}
    </span>
  );
}
