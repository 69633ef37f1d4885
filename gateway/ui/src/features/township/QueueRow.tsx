import { Button, Progress } from 'antd';
import { useState } from 'react';

import { saveInstance } from '../../api/download';
import type { QueueItem, StudyHere } from '../../api/types';
import { Chip } from '../../frame/Chip';
import { absolute, dayAndTime, type Language, moment, shortTime, today } from '../../frame/clock';
import { IsNow } from '../../frame/IsNow';
import { useLanguage } from '../../frame/language';
import { examinationWords } from '../../frame/modality';
import { PatientLine } from '../../frame/PatientHeader';
import { Technical } from '../../frame/Technical';
import { useTroubleText } from '../../frame/Trouble';
import { type TextKey, useText } from '../../i18n';
import { Earlier } from '../here/Earlier';
import { notBackOf } from '../here/here';
import { LookHere, NotBack, ReportMark } from '../here/Look';
import { hereOf, isEmergency, lineWord, progress, type Way } from './queue-words';
import { helpsFor, isDamagedHere, mayPass } from './refusal-help';
import { reason, WhatHelps } from './Refusals';

/** More than this on one page helps nobody; the command line has them all. */
const ASIDE_SHOWN = 5;

export interface RowActs {
  priority: (item: QueueItem) => void;
  retry: (item: QueueItem) => void;
  pause: (item: QueueItem) => void;
  first: (item: QueueItem) => void;
  /** No more of it is to come. */
  whole: (item: QueueItem) => void;
  /** Of one image that was set aside. */
  one: (id: string | number, act: 'retry' | 'release') => void;
}

interface Props {
  item: QueueItem;
  /** What of it can be looked at on this machine. */
  here: StudyHere | undefined;
  /** Images of it that this page knows not to come. */
  lost: number;
  id: string;
  way: Way;
  open: boolean;
  active: boolean;
  toggle: () => void;
  acts: RowActs;
  countyPhone: string;
  /** Whether the patient's earlier studies are shown, and how that is changed. */
  earlier: boolean;
  showEarlier: () => void;
}

/** One study: who and what, and the four facts side by side. */
export function QueueRow(props: Props) {
  const { item, here, id, way, open, active, toggle } = props;
  const t = useText();
  const language = useLanguage();
  const { of } = progress(item);
  return (
    <div
      className={`queue-item${isEmergency(item) ? ' is-emergency' : ''}${needsAct(item, here) ? ' needs-act' : ''}`}
      role="rowgroup"
    >
      <div
        id={id}
        role="row"
        className="queue-row"
        tabIndex={active ? 0 : -1}
        aria-expanded={open}
        data-testid="queue-row"
        data-state={item.state}
        data-study={item.study_instance_uid}
        onClick={toggle}
      >
        <div role="gridcell" className="who">
          {isEmergency(item) && <Chip kind="emergency">{t('priority.emergency')}</Chip>}
          <PatientLine patient={item.patient} unidentified={item.unidentified} />
          <IsNow patient={item.patient_is_now} />
          <span className="second" title={item.description || item.body_part || undefined}>
            {examinationWords([item.modality], item.description || item.body_part, language)}{' '}
            {t('study.images', { count: of + item.instances.set_aside })}
            {earlierDay(item.study_date_time, language)}
          </span>
          {item.priority === 'urgent' && <Chip kind="soon">{t('lane.urgent')}</Chip>}
          {item.priority === 'backfill' && <Chip kind="paused">{t('lane.backfill')}</Chip>}
          {item.put_first && item.state !== 'at_county' && <Chip kind="info">{t('queue.putFirst')}</Chip>}
          {item.conflicts > 0 && <Chip kind="conflict">{t('queue.conflict')}</Chip>}
        </div>
        <div role="gridcell" data-testid="here">
          <HereCell item={item} lost={props.lost} />
        </div>
        <div role="gridcell">
          <LineCell item={item} way={way} />
        </div>
        <div role="gridcell" data-testid="county">
          <CountyCell item={item} />
        </div>
        <div role="gridcell">
          <ReportMark here={here} />
        </div>
      </div>
      {open && <Detail {...props} />}
    </div>
  );
}

function needsAct(item: QueueItem, here: StudyHere | undefined): boolean {
  return item.state === 'set_aside' || item.unread_at_county > 0 || Boolean(notBackOf(here));
}

/** What the county has of it, and whether anybody there can read that. */
function CountyCell({ item }: { item: QueueItem }) {
  const t = useText();
  const language = useLanguage();
  const { at_county: arrived } = item.instances;
  const unread = item.unread_at_county;
  if (unread > 0) return <Chip kind="soon">{t('queue.countyUnread', { count: unread })}</Chip>;
  if (item.state === 'at_county' && item.county_received_at && !hereOf(item))
    return <>{t('queue.county', { at: shortTime(item.county_received_at, language) })}</>;
  return <>{arrived > 0 ? t('queue.countySome', { count: arrived }) : '-'}</>;
}

/** The day of an exam that is not of today: two exams of one patient otherwise look alike. */
function earlierDay(at: string | null, language: Language): string {
  return at && today(moment(at)) !== today() ? ` ${dayAndTime(at, language)}` : '';
}

/** Safe here, and of how many there will be. What came to harm here is not safe. */
function HereCell({ item, lost }: Pick<Props, 'item' | 'lost'>) {
  const t = useText();
  const { damaged_here: damaged } = item;
  if (damaged > 0) return <Chip kind="overdue">{t('queue.damagedHere', { count: damaged, safe: item.instances.here - damaged })}</Chip>;
  const coming = hereOf(item, lost);
  if (!coming) return <>{t(item.state === 'arriving' ? 'queue.arrivingHere' : 'queue.safeShort')}</>;
  const { here, expected, short } = coming;
  return short ? (
    <Chip kind="soon">{t('queue.short', { here, expected })}</Chip>
  ) : (
    <>{t('queue.arrivingOf', { here, expected })}</>
  );
}

function LineCell({ item, way }: { item: QueueItem; way: Way }) {
  const t = useText();
  const word = lineWord(item, way);
  const { of, sent, share } = progress(item);
  const language = useLanguage();
  const at = item.eta ? shortTime(item.eta, language) : '';
  switch (word) {
    case 'none':
      return <>{t('queue.lineDone')}</>;
    case 'aside':
      return <Chip kind="overdue">{t('queue.asideChip', { count: item.instances.set_aside })}</Chip>;
    case 'paused':
      return <Chip kind="paused">{t('queue.paused', { sent, of })}</Chip>;
    case 'waitingLine':
      return <>{t('queue.waitLine', { sent, of })}</>;
    case 'waitingCounty':
      return <>{t('queue.waitCounty', { sent, of })}</>;
    case 'held':
      return <>{t('queue.waitHeld', { sent, of })}</>;
    case 'arriving':
      return <span className="second">{t('queue.arriving')}</span>;
    case 'allSent':
      return <>{t('queue.allSent')}</>;
    case 'waiting':
      if (item.position === null) return <>{t('queue.waiting')}</>;
      return (
        <>
          {at
            ? t('queue.positionEta', { position: item.position, at })
            : t('queue.position', { position: item.position })}
        </>
      );
    case 'sending':
      return (
        <span className="line-bar">
          <Progress percent={Math.floor(share * 100)} showInfo={false} size="small" aria-label={t('queue.onTheLine')} />
          <span>{at ? t('queue.sendingEta', { sent, of, at }) : t('queue.sending', { sent, of })}</span>
        </span>
      );
  }
}

/** One image that was set aside: why, and what can be done with it alone. */
function Aside({ one, acts }: { one: QueueItem['set_aside'][number]; acts: RowActs }) {
  const t = useText();
  const trouble = useTroubleText();
  const [sure, setSure] = useState(false);
  const [error, setError] = useState<unknown>(null);
  return (
    <li data-testid="aside">
      <span>{reason(one.reason_code, t)}</span>
      {sure ? (
        <span className="acts">
          {t('queue.releaseSure')}
          <Button size="small" onClick={() => acts.one(one.id, 'release')} data-testid="release-go">
            {t('queue.release')}
          </Button>
          <Button size="small" type="text" onClick={() => setSure(false)}>
            {t('order.leaveIt')}
          </Button>
        </span>
      ) : (
        <span className="acts">
          {mayPass(one.reason_code) && (
            <Button size="small" onClick={() => acts.one(one.id, 'retry')}>
              {t('queue.retry')}
            </Button>
          )}
          {!isDamagedHere(one.reason_code) && (
            <Button
              size="small"
              onClick={() => {
                setError(null);
                void saveInstance(`/api/v1/set-aside/${one.id}/file`, `${one.sop_instance_uid}.dcm`).catch(setError);
              }}
            >
              {t('queue.export')}
            </Button>
          )}
          <Button size="small" onClick={() => setSure(true)}>
            {t('queue.release')}
          </Button>
        </span>
      )}
      {error !== null && <span className="fault">{trouble(error).text}</span>}
    </li>
  );
}

/** What is said above what is set aside: the county is not at fault for what came to harm here. */
function asideText(codes: readonly string[]): TextKey {
  if (codes.every(isDamagedHere)) return 'queue.asideDamaged';
  if (helpsFor(codes).includes('again')) return 'queue.aside';
  return codes.some(isDamagedHere) ? 'queue.asideMixed' : 'queue.asideForGood';
}

function Detail({ item, here, lost, acts, countyPhone, earlier, showEarlier }: Props) {
  const t = useText();
  const language = useLanguage();
  const open = item.state !== 'at_county';
  const codes = item.set_aside.map(({ reason_code: code }) => code);
  const helps = helpsFor(codes);
  const passes = helps.includes('again');
  const damaged = item.damaged_here;
  return (
    <div role="row" className="queue-detail" data-testid="queue-detail">
      <div role="gridcell">
        <ul className="facts-line">
          <li>{t('detail.here', { count: item.instances.here - damaged })}</li>
          {damaged > 0 && <li>{t('detail.damaged', { count: damaged })}</li>}
          {item.instances.released > 0 && <li>{t('detail.released', { count: item.instances.released })}</li>}
          <li>{t('detail.sent', { count: item.instances.sent })}</li>
          <li>{t('detail.atCounty', { count: item.instances.at_county })}</li>
          {item.county_received_at && (
            <li>{t('detail.receipt', { at: absolute(item.county_received_at, language) })}</li>
          )}
          {item.study_date_time && <li>{t('detail.exam', { at: absolute(item.study_date_time, language) })}</li>}
        </ul>
        {hereOf(item, lost)?.short && <p className="note note-soon">{t('queue.shortText')}</p>}
        {item.conflicts > 0 && <p>{t('queue.conflictText')}</p>}
        {item.unidentified && <p>{t('queue.unidentifiedText')}</p>}
        {item.set_aside.length > 0 && (
          <div className="note note-soon">
            <p>{t(asideText(codes), { count: item.instances.set_aside })}</p>
            <ul className="aside">
              {item.set_aside.slice(0, ASIDE_SHOWN).map((one) => (
                <Aside key={one.id} one={one} acts={acts} />
              ))}
            </ul>
            {item.set_aside.length > ASIDE_SHOWN && (
              <p className="second">{t('queue.asideMore', { count: item.set_aside.length - ASIDE_SHOWN })}</p>
            )}
            <WhatHelps codes={codes} phone={countyPhone} />
          </div>
        )}
        {item.unread_at_county > 0 && (
          <div className="note note-soon" data-testid="unread-at-county">
            <p>{t('queue.countyUnreadText', { count: item.unread_at_county })}</p>
            {countyPhone && <p>{t('queue.callCounty', { phone: countyPhone })}</p>}
          </div>
        )}
        <NotBack study={item.study_instance_uid} here={here} />
        <div className="acts">
          <LookHere study={item.study_instance_uid} here={here} keys />
          {item.patient.patient_id && (
            <Button onClick={showEarlier} aria-expanded={earlier} data-testid="show-earlier">
              {t(earlier ? 'earlier.hide' : 'earlier.show')}
              <span className="button-key">H</span>
            </Button>
          )}
          {(passes || helps.includes('county')) && !codes.some(isDamagedHere) && (
            <Button onClick={() => acts.retry(item)}>{t(passes ? 'queue.retry' : 'queue.retryAsked')}</Button>
          )}
          {open && (
            <Button onClick={() => acts.priority(item)}>
              {t(isEmergency(item) ? 'queue.notEmergency' : 'queue.markEmergency')}
              <span className="button-key">E</span>
            </Button>
          )}
          {open && (
            <Button onClick={() => acts.first(item)} data-testid="first">
              {t(item.put_first ? 'queue.putBack' : 'queue.putFirstAct')}
              <span className="button-key">F</span>
            </Button>
          )}
          {hereOf(item, lost)?.short && (
            <Button onClick={() => acts.whole(item)} data-testid="whole">
              {t('queue.whole')}
            </Button>
          )}
          {open && <Button onClick={() => acts.pause(item)}>{t(item.paused ? 'queue.goOn' : 'queue.pause')}</Button>}
        </div>
        {earlier && item.patient.patient_id && <Earlier whose={{ study: item.study_instance_uid }} study={item.study_instance_uid} />}
        <Technical
          facts={{
            'Study Instance UID': item.study_instance_uid,
            'SOP Instance UID': item.set_aside.map((one) => one.sop_instance_uid).join(' '),
          }}
        />
      </div>
    </div>
  );
}
