import { useQuery } from '@tanstack/react-query';

import { ask } from '../../api/client';
import type { StudyOrder } from '../../api/types';
import { dayAndTime } from '../../frame/clock';
import { IsNow } from '../../frame/IsNow';
import { useLanguage } from '../../frame/language';
import { useText } from '../../i18n';
import { orderKey } from './order-live';

/** The order a study was made for, to read only; null while nobody knows, and where nobody ordered it here. */
export function useOrderBehind(study: string): StudyOrder | null {
  const asked = useQuery({
    queryKey: orderKey(study),
    queryFn: ({ signal }) => ask<StudyOrder>(`/api/v1/studies/${study}/order`, { signal }),
    // Without it the study is read all the same.
    retry: false,
  });
  return asked.data ?? null;
}

/** What was asked, by whom and when; where the number is another patient's, that. */
export function OrderBehind({ study }: { study: string }) {
  const t = useText();
  const language = useLanguage();
  const found = useOrderBehind(study);
  if (found?.other_patient) return <p className="note note-soon">{t('study.otherPatientsOrder')}</p>;
  if (!found?.order) return null;
  const { order } = found;
  return (
    <>
      {order.patient_is_now && (
        <p className="note note-soon">
          <IsNow patient={order.patient_is_now} />
        </p>
      )}
      <dl className="order-behind" data-testid="order-behind">
        <dt>{t('today.question')}</dt>
        <dd>{order.clinical_question || t('today.notGiven')}</dd>
        <dt>{t('today.orderedBy')}</dt>
        <dd>
          {order.ordered_by_name} {dayAndTime(order.ordered_at, language)} · {t(`today.class.${order.patient_class}`)}
        </dd>
        {order.former_accession_numbers.length > 0 && (
          <>
            <dt>{t('order.formerNumbers')}</dt>
            <dd>{order.former_accession_numbers.join(' ')}</dd>
          </>
        )}
      </dl>
    </>
  );
}
