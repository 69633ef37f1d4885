import { useQuery, useQueryClient } from '@tanstack/react-query';
import { AutoComplete, Button, Input, Radio } from 'antd';
import { useState } from 'react';

import { Problem } from '../../api/client';
import type { OrderDetail as Detail, OrderRow, Urgency } from '../../api/types';
import { Chip } from '../../frame/Chip';
import { absolute, dayAndTime, now } from '../../frame/clock';
import { useLanguage } from '../../frame/language';
import { shownName } from '../../frame/patient';
import { PatientHeader } from '../../frame/PatientHeader';
import { Technical } from '../../frame/Technical';
import { GreyLines, Trouble } from '../../frame/Trouble';
import { hasText, useText } from '../../i18n';
import { changeOrder, moveOrder, settleOrder, showOrder } from './asks';
import { isUnknown, Masked } from './KnownPatient';
import { Field } from './PatientFields';
import { Reconcile } from './Reconcile';
import { TimeChoice, URGENCIES, wallOf } from './What';
import { NOBODY, shownPatient } from './worklist';

/** Acts that need a reason, and the reasons people mostly have. */
const REASONS = ['patient', 'wrong', 'twice', 'device', 'condition'] as const;
type Asking = 'cancel' | 'discontinue' | 'change' | 'who' | null;

interface Props {
  row: OrderRow;
  asking: Asking;
  ask: (asking: Asking) => void;
  print: (order: OrderRow) => void;
}

/** An order opened in place: all that is known of it, and what may be done now. */
export function OrderDetail({ row, asking, ask, print }: Props) {
  const t = useText();
  const language = useLanguage();
  const client = useQueryClient();
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const detail = useQuery({
    queryKey: ['order', row.id, row.etag],
    queryFn: ({ signal }) => showOrder(row.id, signal),
    placeholderData: (before) => before,
  });
  const shown = detail.data;
  const actions = shown?.actions ?? [];

  const done = async (what: Promise<unknown>) => {
    setBusy(true);
    setError(null);
    try {
      await what;
      ask(null);
    } catch (problem) {
      setError(problem);
    } finally {
      setBusy(false);
      // Also after a refusal: somebody else was first, and what is true now belongs on the page.
      void client.invalidateQueries({ queryKey: ['worklist'] });
    }
  };
  const move = (act: string, reason = '') => void done(moveOrder(row.id, act, row.etag, reason));
  const simple = (act: 'begin' | 'complete' | 'reorder') =>
    actions.includes(act) && (
      <Button disabled={busy} onClick={() => move(act)} data-testid={act}>
        {t(`order.act.${act}`)}
      </Button>
    );
  return (
    <div role="row" className="order-detail" data-testid="order-detail">
      <div role="gridcell">
        <PatientHeader
          patient={row.patient ? shownPatient(row.patient) : NOBODY}
          number={row.accession_number}
          unidentified={row.patient ? isUnknown(row.patient) : false}
          emergency={row.priority === 'emergency'}
        />
        {detail.isPending && <GreyLines count={3} />}
        {detail.isError && <Trouble error={detail.error} again={() => void detail.refetch()} />}
        {shown && <Facts detail={shown} row={row} />}
        {error !== null && <ActTrouble error={error} />}
        {shown && shown.open_versions.length > 0 && (
          <Versions detail={shown} settle={(keep) => void done(settleOrder(row.id, row.etag, keep))} busy={busy} />
        )}
        {asking === 'cancel' && <Why act="cancel" busy={busy} say={(reason) => move('cancel', reason)} leave={() => ask(null)} />}
        {asking === 'discontinue' && (
          <Why act="discontinue" busy={busy} say={(reason) => move('discontinue', reason)} leave={() => ask(null)} />
        )}
        {asking === 'change' && shown && (
          <Change
            detail={shown}
            busy={busy}
            save={(changes) => void done(changeOrder(row.id, row.etag, changes))}
            leave={() => ask(null)}
          />
        )}
        {asking === 'who' && row.patient && <Reconcile unknown={row.patient} over={() => ask(null)} />}
        {asking === null && (
          <div className="acts">
            <Button onClick={() => print(row)}>
              {t('today.print')}
              <span className="button-key">P</span>
            </Button>
            {row.patient && isUnknown(row.patient) && (
              <Button onClick={() => ask('who')} data-testid="who-is">
                {t('today.whoIs')}
                <span className="button-key">W</span>
              </Button>
            )}
            {actions.includes('change') && (
              <Button onClick={() => ask('change')} data-testid="change">
                {t('order.act.change')}
              </Button>
            )}
            {simple('begin')}
            {simple('complete')}
            {actions.includes('discontinue') && (
              <Button onClick={() => ask('discontinue')}>{t('order.act.discontinue')}</Button>
            )}
            {simple('reorder')}
            {actions.includes('cancel') && (
              <Button onClick={() => ask('cancel')} data-testid="cancel">
                {t('order.act.cancel')}
                <span className="button-key">X</span>
              </Button>
            )}
          </div>
        )}
        {shown && (
          <ol className="history">
            {shown.history.map((line) => (
              <li key={`${line.at}${line.act}`}>
                <span title={absolute(line.at, language)}>{dayAndTime(line.at, language)}</span>{' '}
                {line.by || t('order.byMachine')} {historyWord(line.act, t)}
                {line.reason && line.reason !== 'not-checked' ? `，${line.reason}` : ''}
              </li>
            ))}
          </ol>
        )}
        <Technical facts={{ 'Study Instance UID': row.study_instance_uid, ETag: row.etag }} />
      </div>
    </div>
  );
}

function historyWord(act: string, t: ReturnType<typeof useText>): string {
  const key = `order.did.${act}`;
  return hasText(key) ? t(key) : act;
}

function Facts({ detail, row }: { detail: Detail; row: OrderRow }) {
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
              <Masked patient={patient} field="resident_id" value={patient.masked_resident_id} />
            </dd>
            <dt>{t('today.phone')}</dt>
            <dd>
              <Masked patient={patient} field="phone" value={patient.masked_phone} />
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

/** A refused act: when somebody else was first, that is what is said. */
function ActTrouble({ error }: { error: unknown }) {
  const t = useText();
  if (error instanceof Problem && (error.status === 412 || error.code === 'act-not-allowed'))
    return (
      <p className="note note-soon" role="alert">
        {t('order.changedMeanwhile')}
      </p>
    );
  return <Trouble error={error} />;
}

function Why({ act, busy, say, leave }: { act: 'cancel' | 'discontinue'; busy: boolean; say: (reason: string) => void; leave: () => void }) {
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

function Change({ detail, busy, save, leave }: { detail: Detail; busy: boolean; save: (changes: Record<string, unknown>) => void; leave: () => void }) {
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

/** Two machines wrote this order while the line was down: both are kept, a person says which holds. */
function Versions({ detail, settle, busy }: { detail: Detail; settle: (keep: string) => void; busy: boolean }) {
  const t = useText();
  const language = useLanguage();
  return (
    <div className="note note-soon" data-testid="versions">
      <p>{t('order.conflictText')}</p>
      <ul>
        {detail.open_versions.map((one) => (
          <li key={one.version}>
            {t('order.versionBy', { by: one.by || t('order.byMachine'), at: dayAndTime(one.at, language) })}{' '}
            {one.shown && <Chip kind="info">{t('order.versionShown')}</Chip>}{' '}
            <span className="second">
              {Object.entries(one.differs)
                .map(([field, value]) => `${fieldWord(field, t)} ${valueText(value, language)}`)
                .join(' · ')}
            </span>{' '}
            <Button size="small" disabled={busy} onClick={() => settle(one.version)}>
              {t('order.keepThis')}
            </Button>
          </li>
        ))}
      </ul>
    </div>
  );
}

const FIELD_WORDS: Readonly<Record<string, string>> = {
  scheduled_at: 'today.when',
  priority: 'today.priority',
  clinical_question: 'today.question',
  station_ae_title: 'today.device',
  patient_class: 'today.class',
  state: 'order.howFar',
  patient: 'today.patient',
  examination: 'today.examination',
  ended_reason: 'order.reason',
};

function fieldWord(field: string, t: ReturnType<typeof useText>): string {
  const key = FIELD_WORDS[field] ?? '';
  return hasText(key) ? t(key) : field;
}

function valueText(value: unknown, language: 'zh-CN' | 'en'): string {
  if (typeof value === 'string') return /^\d{4}-\d{2}-\d{2}T/.test(value) ? dayAndTime(value, language) : value;
  if (value && typeof value === 'object' && 'name' in value) return String(value.name);
  return value === null || value === undefined ? '-' : String(value);
}
