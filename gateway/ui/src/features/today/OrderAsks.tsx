import { AutoComplete, Button, Input, Radio } from 'antd';
import { useState } from 'react';

import type { OrderDetail as Detail, Urgency } from '../../api/types';
import { now } from '../../frame/clock';
import { useText } from '../../i18n';
import { Field } from './PatientFields';
import { TimeChoice, URGENCIES, wallOf } from './What';

/** Acts that need a reason, and the reasons people mostly have. */
const REASONS = ['patient', 'wrong', 'twice', 'device', 'condition'] as const;
/** Why an order is cancelled or broken off. */
export function Why({ act, busy, say, leave }: { act: 'cancel' | 'discontinue'; busy: boolean; say: (reason: string) => void; leave: () => void }) {
  const t = useText();
  const [chosen, setChosen] = useState('');
  const [other, setOther] = useState('');
  const reason = chosen ? t(`order.why.${chosen as (typeof REASONS)[number]}`) : other.trim();
  return (
    <div className="ask" data-testid="why">
      <p>{t(act === 'cancel' ? 'order.whyCancel' : 'order.whyDiscontinue')}</p>
      <Radio.Group
        value={chosen}
        aria-label={t('order.reason')}
        options={REASONS.map((value) => ({ value, label: t(`order.why.${value}`) }))}
        onChange={(event) => {
          setChosen(event.target.value as string);
          setOther('');
        }}
      />
      <Input
        value={other}
        maxLength={200}
        placeholder={t('order.otherReason')}
        aria-label={t('order.otherReason')}
        autoFocus
        data-testid="reason"
        onChange={(event) => {
          setOther(event.target.value);
          setChosen('');
        }}
        onPressEnter={(event) => {
          if (!event.nativeEvent.isComposing && reason) say(reason);
        }}
      />
      <div className="acts">
        <Button type="primary" disabled={!reason || busy} onClick={() => say(reason)} data-testid="why-go">
          {t(`order.act.${act}`)}
        </Button>
        <Button onClick={leave}>{t('order.leaveIt')}</Button>
      </div>
    </div>
  );
}

/** Another time, urgency, device or question. */
export function Change({ detail, busy, save, leave }: { detail: Detail; busy: boolean; save: (changes: Record<string, unknown>) => void; leave: () => void }) {
  const t = useText();
  const { order } = detail;
  const [later, setLater] = useState(wallOf(order.scheduled_at));
  const [priority, setPriority] = useState<Urgency>(order.priority);
  const [question, setQuestion] = useState(detail.clinical_question);
  const [station, setStation] = useState(order.station_ae_title);
  const changes: Record<string, unknown> = {
    ...(later && later !== wallOf(order.scheduled_at) ? { scheduled_at: `${later}:00+08:00` } : {}),
    ...(priority === order.priority ? {} : { priority }),
    ...(question.trim() === detail.clinical_question ? {} : { clinical_question: question.trim() }),
    ...(station.trim() === order.station_ae_title ? {} : { station_ae_title: station.trim() }),
  };
  return (
    <div className="ask fields" data-testid="change-fields">
      <Field label={t('today.when')}>
        {(id) => <TimeChoice id={id} value={later} change={(next) => setLater(next || wallOf(now()))} />}
      </Field>
      <Field label={t('today.priority')}>
        {(id) => (
          <Radio.Group
            id={id}
            optionType="button"
            value={priority}
            options={URGENCIES.map((value) => ({ value, label: t(`today.urgency.${value}`) }))}
            onChange={(event) => setPriority(event.target.value as Urgency)}
          />
        )}
      </Field>
      <Field label={t('today.device')}>
        {(id) => <AutoComplete id={id} className="station" value={station} placeholder={t('today.anyDevice')} maxLength={16} onChange={setStation} />}
      </Field>
      <Field label={t('today.question')}>
        {(id) => (
          <Input.TextArea id={id} rows={2} maxLength={2000} value={question} onChange={(event) => setQuestion(event.target.value)} />
        )}
      </Field>
      <div className="acts">
        <Button type="primary" disabled={busy || !Object.keys(changes).length} onClick={() => save(changes)} data-testid="save-change">
          {t('order.saveChange')}
        </Button>
        <Button onClick={leave}>{t('order.leaveIt')}</Button>
      </div>
    </div>
  );
}
