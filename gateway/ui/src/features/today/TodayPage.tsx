import '../../styles/here.css';
import '../../styles/today.css';

import { Button, Input, type InputRef } from 'antd';
import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { useNavigate, useSearchParams } from 'react-router';

import { useSession, useUser } from '../../api/session';
import type { DayPage, OrderRow } from '../../api/types';
import { today } from '../../frame/clock';
import { type Key, usePageKeys } from '../../frame/keys';
import { useLanguage } from '../../frame/language';
import { useLate } from '../../frame/late';
import { modalityWord } from '../../frame/modality';
import { useRowFocus } from '../../frame/moving';
import { registersPatients } from '../../frame/tabs';
import { TopBar } from '../../frame/TopBar';
import { GreyLines, Trouble } from '../../frame/Trouble';
import { useText } from '../../i18n';
import { useAtRest } from '../../live/at-rest';
import { useReadAgain } from '../../live/again';
import { useChannel } from '../../live/channel';
import { useLiveRows } from '../../live/rows';
import { useHere, useLooksHere } from '../here/live';
import { useOpenHere } from '../here/open';
import { LineHere, useLineHere } from '../township/LineHere';
import { OfflineUntil } from '../township/OfflineUntil';
import { dayPage } from './asks';
import { isUnknown } from './KnownPatient';
import { OrderDetail } from './OrderDetail';
import { OrderLine } from './OrderLine';
import { Slips } from './Slip';
import { useUnread, waitOf } from './unread';
import { dayAfter, devices, hasSlip, isOf, isPinned, sameNames, shownRows, stillToDo } from './worklist';

const keyOf = (row: OrderRow) => row.id;
const READ_AGAIN = ['patient.updated'];
const rowId = (key: string) => `order-${key}`;
const DAY = /^\d{4}-\d{2}-\d{2}$/;
/** Fewer numbers than this are a matter for the county before they are used up. */
const FEW_NUMBERS = 30;
type Asking = 'cancel' | 'discontinue' | 'change' | 'who' | 'earlier' | null;

export default function TodayPage() {
  const t = useText();
  const language = useLanguage();
  const user = useUser();
  const navigate = useNavigate();
  const roles = useSession((store) => store.session?.user?.roles ?? []);
  const mayRegister = registersPatients(roles);
  const channel = useChannel();
  const lineHere = useLineHere();
  const [address, setAddress] = useSearchParams();
  const named = address.get('day') ?? '';
  const day = DAY.test(named) ? named : today();
  const device = address.get('device') ?? '';
  const [typed, setTyped] = useState('');
  const [open, setOpen] = useState<string | null>(null);
  const [asking, setAsking] = useState<Asking>(null);
  const [printing, setPrinting] = useState<OrderRow[]>([]);
  const find = useRef<InputRef>(null);
  const list = useRef<HTMLDivElement>(null);
  const key = useMemo(() => ['worklist', day] as const, [day]);
  const { query, rows, first, freshCount, showFresh } = useLiveRows<OrderRow, DayPage & { next_cursor?: null }>({
    queryKey: key,
    fetchPage: (_, signal) => dayPage(day, signal),
    topic: 'order.updated',
    keyOf,
    belongs: (row) => isOf(row, day),
    urgent: isPinned,
    atRest: useAtRest(list),
  });
  const { refetch } = query;
  useReadAgain(READ_AGAIN, refetch);
  useEffect(() => {
    document.title = t('tab.today');
  }, [t]);

  const ofDay = useMemo(() => rows.filter((row) => isOf(row, day)), [day, rows]);
  const shown = useMemo(() => shownRows(ofDay, device, typed), [device, ofDay, typed]);
  const keys = useMemo(() => [...shown.pinned, ...shown.rest].map(keyOf), [shown]);
  const looks = useLooksHere();
  const unread = useUnread();
  const here = useHere(useMemo(() => ofDay.map((row) => row.study_instance_uid), [ofDay]));
  const openHere = useOpenHere(here);
  const { active, setActive, move } = useRowFocus(keys, rowId);
  const late = useLate(query.isPending);
  const stale = channel.state === 'stale' || channel.state === 'offline';
  const counts = stillToDo(ofDay);
  const found = devices(ofDay);
  const numbers = first?.accession_numbers;

  const go = useCallback(
    (next: { day?: string; device?: string }) => {
      const to = { day: next.day ?? day, device: next.device ?? device };
      setAddress(
        { ...(to.day === today() ? {} : { day: to.day }), ...(to.device ? { device: to.device } : {}) },
        { replace: true },
      );
      setOpen(null);
      setAsking(null);
    },
    [day, device, setAddress],
  );
  const toggle = useCallback(
    (id: string) => {
      setActive(id);
      setAsking(null);
      setOpen((was) => (was === id ? null : id));
    },
    [setActive],
  );
  const askOf = useCallback(
    (what: Asking) => {
      if (!active) return;
      setOpen(active);
      setAsking(what);
    },
    [active],
  );
  const begin = useCallback(
    (unknown: boolean) => void navigate('/today/new', unknown ? { state: { unknown: true } } : undefined),
    [navigate],
  );

  const pageKeys = useMemo<readonly Key[]>(() => {
    const chosen = () => ofDay.find((row) => row.id === active);
    return [
      { keys: ['N'], label: mayRegister ? 'today.new' : 'today.newOrder', run: () => begin(false) },
      ...(mayRegister ? [{ keys: ['U'], label: 'today.unknown' as const, run: () => begin(true) }] : []),
      { keys: ['ArrowDown', 'J'], label: 'keys.next', run: () => move(1) },
      { keys: ['ArrowUp', 'K'], label: 'keys.previous', run: () => move(-1) },
      { keys: ['Enter'], label: 'keys.openRow', run: () => active && toggle(active) },
      { keys: ['P'], label: 'today.print', run: () => setPrinting(ofDay.filter((row) => row.id === active && hasSlip(row))) },
      { keys: ['X'], label: 'order.act.cancel', run: () => chosen()?.state === 'ordered' && askOf('cancel') },
      {
        keys: ['W'],
        label: 'today.whoIs',
        run: () => {
          const patient = chosen()?.patient;
          if (patient && isUnknown(patient)) askOf('who');
        },
      },
      ...(looks
        ? ([
            { keys: ['V'], label: 'keys.seeImages', run: () => openHere.images(chosen()?.study_instance_uid ?? '') },
            { keys: ['R'], label: 'keys.seeReport', run: () => openHere.report(chosen()?.study_instance_uid ?? '') },
            { keys: ['H'], label: 'keys.earlier', run: () => askOf('earlier') },
          ] satisfies Key[])
        : []),
      { keys: ['ArrowLeft'], label: 'today.dayBefore', run: () => go({ day: dayAfter(day, -1) }) },
      { keys: ['ArrowRight'], label: 'today.dayAfter', run: () => go({ day: dayAfter(day, 1) }) },
      {
        keys: ['0', '1', '2', '3', '4', '5'],
        label: 'today.byDevice',
        run: (event) => go({ device: found[Number(event.code.slice(-1)) - 1]?.[0] ?? '' }),
      },
      { keys: ['/'], label: 'keys.find', run: () => find.current?.focus({ cursor: 'all' }) },
      {
        keys: ['Escape'],
        label: 'order.leaveIt',
        run: () => (asking ? setAsking(null) : setOpen(null)),
      },
    ];
  }, [active, askOf, asking, begin, day, found, go, looks, mayRegister, move, ofDay, openHere, toggle]);
  usePageKeys(pageKeys);

  const dayWord = day === today() ? t('studies.today') : weekday(day, language);
  const line = (row: OrderRow) => (
    <div key={row.id} role="rowgroup" className="order-item">
      <OrderLine
        row={row}
        id={rowId(row.id)}
        day={day}
        active={active === row.id || (active === null && row.id === keys[0])}
        open={open === row.id}
        here={looks ? (here.get(row.study_instance_uid) ?? null) : undefined}
        alike={row.patient ? sameNames(ofDay, row.patient) : 0}
        wait={waitOf(unread, row.id)}
        toggle={toggle}
      />
      {open === row.id && (
        <OrderDetail row={row} here={here.get(row.study_instance_uid)} asking={asking} ask={setAsking} print={(order) => setPrinting([order])} />
      )}
    </div>
  );
  return (
    <div className="page">
      <TopBar pill={<LineHere />} />
      <main className="today" data-state={query.isPending ? 'loading' : stale ? 'stale' : 'ready'} data-testid="today">
        <div className="today-answer">
          <h1 className={`answer${stale ? ' is-stale' : ''}`} data-testid="day-answer">
            {first
              ? t('today.answer', { day: dayWord, ordered: counts.ordered, doing: counts.doing, done: counts.done })
              : t('tab.today')}
          </h1>
          {freshCount > 0 && (
            <Button size="small" onClick={showFresh} data-testid="fresh">
              {t('list.fresh', { count: freshCount })}
            </Button>
          )}
          <span className="stretch" />
          {mayRegister && (
            <Button onClick={() => begin(true)} data-testid="unknown">
              {t('today.unknown')}
              <span className="button-key">U</span>
            </Button>
          )}
          <Button type={asking && asking !== 'earlier' ? 'default' : 'primary'} onClick={() => begin(false)} data-testid="new">
            {t(mayRegister ? 'today.new' : 'today.newOrder')}
            <span className="button-key">N</span>
          </Button>
        </div>
        <OfflineUntil down={lineHere?.state === 'down'} />
        {numbers && !numbers.can_order && (
          <p className="note note-bad" role="alert" data-testid="no-numbers">
            {t('trouble.no-accession-numbers')}
          </p>
        )}
        {numbers?.can_order && numbers.left > 0 && numbers.left < FEW_NUMBERS && user.institution.kind === 'township' && (
          <p className="note note-soon" role="status">
            {t('today.fewNumbers', { left: numbers.left })}
          </p>
        )}
        <div className="list-tools" role="search">
          <Button size="small" onClick={() => go({ day: dayAfter(day, -1) })} aria-label={t('today.dayBefore')}>
            ‹
          </Button>
          <span className="day" data-testid="day">
            {dayWord} {day}
          </span>
          <Button size="small" onClick={() => go({ day: dayAfter(day, 1) })} aria-label={t('today.dayAfter')}>
            ›
          </Button>
          {day !== today() && (
            <Button size="small" onClick={() => go({ day: today() })}>
              {t('today.backToToday')}
            </Button>
          )}
          <Input
            ref={find}
            className="find"
            size="small"
            allowClear
            value={typed}
            placeholder={t('today.find')}
            aria-label={t('today.find')}
            suffix={typed ? undefined : <kbd>/</kbd>}
            data-testid="find"
            onChange={(event) => setTyped(event.target.value)}
          />
          {found.length > 1 && (
            <span className="devices" role="group" aria-label={t('today.byDevice')}>
              <Button size="small" className={device ? '' : 'is-on'} aria-pressed={!device} onClick={() => go({ device: '' })}>
                {t('today.allDevices')} {ofDay.length}
              </Button>
              {found.slice(0, 5).map(([modality, count]) => (
                <Button
                  key={modality}
                  size="small"
                  className={device === modality ? 'is-on' : ''}
                  aria-pressed={device === modality}
                  onClick={() => go({ device: device === modality ? '' : modality })}
                >
                  {modalityWord(modality, language)} {count}
                </Button>
              ))}
            </span>
          )}
          {query.isFetching && !query.isPending && <span className="second">{t('list.asking')}</span>}
        </div>
        {query.isError && <Trouble error={query.error} again={() => void query.refetch()} />}
        {query.isPending && late && <GreyLines />}
        {first && ofDay.length === 0 && (
          <div className="trouble" data-testid="empty">
            <h2 className="answer">{t('today.empty', { day: dayWord })}</h2>
            <p>{t(mayRegister ? 'today.emptyNext' : 'today.emptyOrder')}</p>
          </div>
        )}
        {ofDay.length > 0 && (
          <div ref={list} className={`order-list${looks ? ' with-reports' : ''}${stale ? ' is-stale' : ''}`} role="treegrid" aria-label={t('tab.today')}>
            <div role="rowgroup">
              <div role="row" className="order-row order-head">
                {(['When', 'Who', 'What', 'Device', 'Number', 'State'] as const).map((name) => (
                  <div role="columnheader" key={name}>
                    {t(`today.col${name}`)}
                  </div>
                ))}
                {looks && <div role="columnheader">{t('queue.colReport')}</div>}
              </div>
            </div>
            {shown.pinned.map(line)}
            {shown.pinned.length > 0 && <div className="pinned-edge">{t('queue.pinned')}</div>}
            {shown.rest.map(line)}
            {keys.length === 0 && (
              <p className="trouble">
                {t('list.nothingFits')} {ofDay.some(isPinned) ? t('today.emergencyOutside', { count: ofDay.filter(isPinned).length }) : ''}
              </p>
            )}
            {first?.more && <p className="trouble second">{t('today.more')}</p>}
          </div>
        )}
      </main>
      {printing.length > 0 && <Slips orders={printing} printed={() => setPrinting([])} />}
    </div>
  );
}

function weekday(day: string, language: string): string {
  const noon = new Date(`${day}T12:00:00+08:00`);
  return new Intl.DateTimeFormat(language, { weekday: 'long', timeZone: 'Asia/Shanghai' }).format(noon);
}
