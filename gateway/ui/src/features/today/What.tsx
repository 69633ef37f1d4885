import { AutoComplete, Button, DatePicker, Input, type InputRef, Radio } from 'antd';
import dayjs from 'dayjs';
import 'dayjs/locale/zh-cn';
import type { Ref } from 'react';

import type { Examination, PatientClass, Urgency } from '../../api/types';
import { Chip } from '../../frame/Chip';
import { dayAndTime, now } from '../../frame/clock';
import { useLanguage } from '../../frame/language';
import { examinationWords } from '../../frame/modality';
import { useTroubleText } from '../../frame/Trouble';
import { useText } from '../../i18n';
import { examinationsLike } from './asks';
import type { Desk, Line } from './desk';
import { Lookup } from './Lookup';
import { Field } from './PatientFields';

export const URGENCIES: readonly Urgency[] = ['routine', 'urgent', 'emergency'];
export const CLASSES: readonly PatientClass[] = ['outpatient', 'emergency', 'inpatient', 'checkup'];

const COUNTY_AHEAD_MS = 8 * 3_600_000;

/** The county's wall clock at *at*, `YYYY-MM-DDTHH:mm`, as the picker takes it. */
export function wallOf(at: string | Date): string {
  return new Date(new Date(at).getTime() + COUNTY_AHEAD_MS).toISOString().slice(0, 16);
}

const nextHour = () => dayjs(wallOf(now())).add(1, 'hour').startOf('hour').format('YYYY-MM-DDTHH:mm');

export function TimeChoice({ id, value, change }: { id: string; value: string; change: (later: string) => void }) {
  const t = useText();
  return (
    <span className="time-choice">
      <Radio.Group
        id={id}
        optionType="button"
        value={value ? 'later' : 'now'}
        options={[
          { value: 'now', label: t('today.now') },
          { value: 'later', label: t('today.later') },
        ]}
        onChange={(event) => change(event.target.value === 'now' ? '' : nextHour())}
      />
      {value && (
        <DatePicker
          showTime={{ minuteStep: 5 }}
          format="MM-DD HH:mm"
          value={dayjs(value)}
          allowClear={false}
          aria-label={t('today.when')}
          onChange={(at) => at && change(at.format('YYYY-MM-DDTHH:mm'))}
        />
      )}
    </span>
  );
}

interface Props {
  desk: Desk;
  change: (part: Partial<Desk>) => void;
  stations: readonly string[];
  inputRef: Ref<InputRef>;
}

/** What: examinations from the house's catalogue, and once for all of them how urgently, when, where and why. */
export function What({ desk, change, stations, inputRef }: Props) {
  const t = useText();
  const language = useLanguage();
  const add = (examination: Examination) => {
    const there = desk.lines.some((line) => !line.order && line.examination.code === examination.code);
    if (!there) change({ lines: [...desk.lines, { examination }] });
  };
  const drop = (line: Line) => change({ lines: desk.lines.filter((one) => one !== line) });
  return (
    <>
      <Lookup<Examination>
        name="examination"
        label={t('today.findExamination')}
        load={examinationsLike}
        keyOf={(examination) => examination.code}
        draw={(examination) => (
          <>
            <span>
              {examinationWords([examination.modality], examination.name, language)}
            </span>
            {examination.example && !examination.name.includes(t('today.example')) && <span className="second">{t('today.example')}</span>}
          </>
        )}
        choose={add}
        empty={t('today.noExamination')}
        inputRef={inputRef}
      />
      {desk.lines.length > 0 && (
        <ol className="order-lines" data-testid="lines">
          {desk.lines.map((line) => (
            <OneLine key={`${line.examination.code}-${line.order?.id ?? ''}`} line={line} drop={() => drop(line)} />
          ))}
        </ol>
      )}
      <div className="fields">
        <Field label={t('today.priority')}>
          {(id) => (
            <Radio.Group
              id={id}
              optionType="button"
              value={desk.priority}
              options={URGENCIES.map((value) => ({ value, label: t(`today.urgency.${value}`) }))}
              data-testid="priority"
              onChange={(event) => change({ priority: event.target.value as Urgency })}
            />
          )}
        </Field>
        <Field label={t('today.question')}>
          {(id) => (
            <Input.TextArea
              id={id}
              rows={2}
              maxLength={2000}
              placeholder={t('today.questionHow')}
              value={desk.question}
              data-testid="question"
              onChange={(event) => change({ question: event.target.value })}
            />
          )}
        </Field>
        <Field label={t('today.when')}>
          {(id) => <TimeChoice id={id} value={desk.later} change={(later) => change({ later })} />}
        </Field>
        <Field label={t('today.device')}>
          {(id) => (
            <AutoComplete
              id={id}
              className="station"
              value={desk.station}
              options={stations.map((value) => ({ value }))}
              placeholder={t('today.anyDevice')}
              maxLength={16}
              onChange={(station: string) => change({ station })}
            />
          )}
        </Field>
        <Field label={t('today.class')}>
          {(id) => (
            <Radio.Group
              id={id}
              optionType="button"
              value={desk.patientClass}
              options={CLASSES.map((value) => ({ value, label: t(`today.class.${value}`) }))}
              onChange={(event) => change({ patientClass: event.target.value as PatientClass })}
            />
          )}
        </Field>
      </div>
    </>
  );
}

function OneLine({ line, drop }: { line: Line; drop: () => void }) {
  const t = useText();
  const language = useLanguage();
  const trouble = useTroubleText();
  const { examination, order } = line;
  return (
    <li data-testid="order-line" data-state={order ? 'done' : line.error ? 'refused' : 'open'}>
      <span className="line-name">
        {examinationWords([examination.modality], examination.name, language)}
      </span>
      {order ? (
        <>
          <b data-testid="accession">{order.accession_number}</b>
          <Chip kind="done">{t('today.ordered')}</Chip>
          {!order.recognition_checked && <Chip kind="question">{t('order.unchecked')}</Chip>}
          <span className="second">{dayAndTime(order.scheduled_at, language)}</span>
        </>
      ) : (
        <Button size="small" type="text" onClick={drop}>
          {t('today.drop')}
        </Button>
      )}
      {line.error !== undefined && !order && <span className="fault">{trouble(line.error).text}</span>}
    </li>
  );
}
