import { dayAndTime } from '../../frame/clock';
import { IsNow } from '../../frame/IsNow';
import { useLanguage } from '../../frame/language';
import { useText } from '../../i18n';
import { useOrderBehind } from '../studies/OrderBehind';

/** What the ordering doctor asks, in one line over the images; nothing where nobody ordered it here. */
export function Question({ study }: { study: string }) {
  const t = useText();
  const language = useLanguage();
  const found = useOrderBehind(study);
  if (found?.other_patient)
    return (
      <p className="reading-question is-wrong" role="alert" data-testid="wrong-number">
        {t('study.otherPatientsOrder')}
      </p>
    );
  if (!found?.order) return null;
  const { clinical_question: question, ordered_by_name: doctor, ordered_at: at, patient_is_now: now } = found.order;
  return (
    <>
      {now && (
        <p className="reading-question">
          <IsNow patient={now} />
        </p>
      )}
      <p className="reading-question" data-testid="question" title={question}>
        <b>{t('today.question')}</b> {question || t('today.notGiven')}{' '}
        <span className="second">
          {doctor} {dayAndTime(at, language)}
        </span>
      </p>
    </>
  );
}
