import { useEffect, useRef } from 'react';
import { createPortal } from 'react-dom';

import { useUser } from '../../api/session';
import type { OrderRow } from '../../api/types';
import { absolute } from '../../frame/clock';
import { useLanguage } from '../../frame/language';
import { examinationWords } from '../../frame/modality';
import { ageText, sexText, shownName } from '../../frame/patient';
import { useText } from '../../i18n';
import { NOBODY, shownPatient } from './worklist';

/** One slip of paper an examination, in the browser's print view; nothing of it is on the screen. */
export function Slips({ orders, printed }: { orders: readonly OrderRow[]; printed: () => void }) {
  const over = useRef(printed);
  over.current = printed;
  useEffect(() => {
    const end = () => over.current();
    window.addEventListener('afterprint', end, { once: true });
    window.print();
    return () => window.removeEventListener('afterprint', end);
  }, [orders]);
  return createPortal(
    <div className="slips" data-testid="slips">
      {orders.map((order) => (
        <Slip key={order.id} order={order} />
      ))}
    </div>,
    document.body,
  );
}

function Slip({ order }: { order: OrderRow }) {
  const t = useText();
  const language = useLanguage();
  const user = useUser();
  const patient = order.patient ? shownPatient(order.patient) : NOBODY;
  return (
    <section className="slip">
      <p>{user.institution.name}</p>
      <h1>{t('slip.title')}</h1>
      <p className="slip-patient">
        <b>{shownName(patient, language) || t('patient.noName')}</b> {sexText(patient.sex, language)}{' '}
        {ageText(patient.age, language, patient.age_estimated)} {patient.masked_id} {patient.patient_id}
      </p>
      <p>{t('patient.allergiesUnchecked')}</p>
      <p className="slip-number">{order.accession_number}</p>
      <dl>
        <dt>{t('today.examination')}</dt>
        <dd>
          {examinationWords([order.examination.modality], order.examination.name, language)}
          {order.priority === 'routine' ? '' : ` · ${t(`today.urgency.${order.priority}`)}`}
        </dd>
        <dt>{t('today.when')}</dt>
        <dd>{absolute(order.scheduled_at, language)}</dd>
        <dt>{t('today.device')}</dt>
        <dd>{order.station_ae_title || t('today.anyDevice')}</dd>
        <dt>{t('today.orderedBy')}</dt>
        <dd>
          {order.ordered_by_name} {absolute(order.ordered_at, language)}
        </dd>
      </dl>
    </section>
  );
}
