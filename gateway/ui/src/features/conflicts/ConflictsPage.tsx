import '../../styles/conflicts.css';

import { useInfiniteQuery, useQuery, useQueryClient } from '@tanstack/react-query';
import { Button } from 'antd';
import { type RefObject, useCallback, useEffect, useMemo, useRef, useState } from 'react';

import { Problem } from '../../api/client';
import type { RecordConflict } from '../../api/types';
import { Chip } from '../../frame/Chip';
import { absolute, dayAndTime, type Language, shortTime } from '../../frame/clock';
import { type Key, usePageKeys } from '../../frame/keys';
import { useLanguage } from '../../frame/language';
import { useLate } from '../../frame/late';
import { useRowFocus } from '../../frame/moving';
import { shownName } from '../../frame/patient';
import { PatientLine } from '../../frame/PatientHeader';
import { Technical } from '../../frame/Technical';
import { TopBar } from '../../frame/TopBar';
import { GreyLines, Trouble } from '../../frame/Trouble';
import { type Say, useText } from '../../i18n';
import { useAtRest } from '../../live/at-rest';
import { onLive } from '../../live/channel';
import { useSteady } from '../../live/steady';
import { LineHere } from '../township/LineHere';
import { isUnknown } from '../today/KnownPatient';
import { shownPatient } from '../today/worklist';
import { conflictPage, settle, showConflict } from './asks';
import { Versions } from './Versions';

/** What no event tells: that the days are over in which somebody may choose otherwise. */
const LOOK_AGAIN_MS = 60_000;
/** After a long cut a township tells many at once. */
const TOGETHER_MS = 500;
const keyOf = ({ kind, id }: RecordConflict) => `${kind}-${id}`;
const rowId = (key: string) => `conflict-${key}`;

/** Patients and orders that two machines wrote differently: a person says which holds, and may say otherwise for some days. */
export default function ConflictsPage() {
  const t = useText();
  const language = useLanguage();
  const choices = useRef<HTMLDivElement>(null);
  const [settled, setSettled] = useState(false);
  const [open, setOpen] = useState<string | null>(null);
  const [done, setDone] = useState('');
  const [lost, setLost] = useState('');
  const list = useInfiniteQuery({
    queryKey: ['conflicts', settled],
    queryFn: ({ pageParam, signal }) => conflictPage(settled, pageParam, signal),
    initialPageParam: '',
    getNextPageParam: (last) => last.next_cursor ?? undefined,
    refetchInterval: LOOK_AGAIN_MS,
    staleTime: 0,
  });
  const { refetch } = list;
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const stop = onLive('conflict.updated', () => {
      clearTimeout(timer);
      timer = setTimeout(() => void refetch(), TOGETHER_MS);
    });
    return () => {
      clearTimeout(timer);
      stop();
    };
  }, [refetch]);
  const rows = useMemo(() => list.data?.pages.flatMap(({ items }) => items) ?? [], [list.data]);
  // Whoever looks at one that somebody else has just chosen about is told where it went.
  const looking = useRef<RecordConflict | null>(null);
  const choosing = useRef(false);
  useEffect(() => {
    if (!open) {
      looking.current = null;
      return;
    }
    const there = rows.find((row) => keyOf(row) === open);
    if (there) looking.current = there;
    else if (looking.current && !list.isFetching && !choosing.current) {
      const what = wordsOf(looking.current, t, language);
      setOpen(null);
      setLost((was) => was || t('conflicts.gone', { what }));
    }
  }, [language, list.isFetching, open, rows, t]);
  const page = useRef<HTMLElement>(null);
  const lines = useRef<HTMLDivElement>(null);
  const { shown, waiting, take } = useSteady(rows, keyOf, String(settled), useAtRest(lines, page));
  const order = shown.map(keyOf).join(' ');
  const keys = useMemo(() => (order ? order.split(' ') : []), [order]);
  const { active, setActive, move } = useRowFocus(keys, rowId);
  const toggle = useCallback(
    (key: string) => {
      setActive(key);
      setOpen((was) => (was === key ? null : key));
    },
    [setActive],
  );
  const chosen = useCallback(
    (row: RecordConflict) => {
      const at = keys.indexOf(keyOf(row));
      setOpen(null);
      setLost('');
      setDone(wordsOf(row, t, language));
      // The hand goes on at the next one; the button it pressed is gone.
      const next = settled ? keyOf(row) : (keys[at + 1] ?? keys[at - 1] ?? null);
      setActive(next);
      (next ? document.getElementById(rowId(next)) : choices.current?.querySelector('button'))?.focus();
    },
    [keys, language, setActive, settled, t],
  );
  // Said on the page: the row is another one now, or gone.
  const tellLost = useCallback(
    (row: RecordConflict, { extra }: Problem) => {
      const changed = extra.changed as { by: string; at: string } | undefined;
      const what = wordsOf(row, t, language);
      setDone('');
      setLost(
        changed
          ? t('conflicts.lost', { what, by: changed.by, at: shortTime(changed.at, language) })
          : t('conflicts.lostToSomebody', { what }),
      );
    },
    [language, t],
  );
  const pageKeys = useMemo<readonly Key[]>(
    () => [
      { keys: ['ArrowDown', 'J'], label: 'keys.next', run: () => move(1) },
      { keys: ['ArrowUp', 'K'], label: 'keys.previous', run: () => move(-1) },
      { keys: ['Enter'], label: 'keys.openRow', run: () => active && toggle(active) },
    ],
    [active, move, toggle],
  );
  usePageKeys(pageKeys);
  useEffect(() => {
    document.title = t('tab.conflicts');
  }, [t]);
  const late = useLate(list.isPending);
  // What is asked for next has the same number of open ones: the answer does not flicker.
  const known = useRef<number | null>(null);
  if (list.data) known.current = list.data.pages[0]?.open ?? 0;
  const left = known.current;
  return (
    <div className="page">
      <TopBar pill={<LineHere />} />
      <main ref={page} className="record-conflicts" data-testid="record-conflicts" data-state={list.isPending ? 'loading' : 'ready'}>
        <h1 className="answer" data-testid="conflicts-answer">
          {left === null ? t('tab.conflicts') : left > 0 ? t('conflicts.answer', { count: left }) : t('conflicts.none')}
        </h1>
        <div ref={choices} className="record-which" role="group" aria-label={t('conflicts.which')}>
          {([false, true] as const).map((choice) => (
            <Button
              key={String(choice)}
              size="small"
              className={settled === choice ? 'is-on' : ''}
              aria-pressed={settled === choice}
              data-testid={choice ? 'settled' : 'open'}
              onClick={() => {
                setSettled(choice);
                setOpen(null);
                setDone('');
                setLost('');
              }}
            >
              {t(choice ? 'conflicts.settled' : 'conflicts.open')}
            </Button>
          ))}
          {waiting.length > 0 && (
            <Button size="small" onClick={take} data-testid="fresh">
              {t('list.fresh', { count: waiting.length })}
            </Button>
          )}
        </div>
        <p role="status" className={done ? 'note note-info chosen' : 'unseen'} data-testid="chosen">
          {done && t(settled ? 'conflicts.chosenAgain' : 'conflicts.chosen', { what: done })}
        </p>
        {lost && (
          <p className="note note-soon chosen" role="alert" data-testid="lost">
            {lost}
          </p>
        )}
        {list.isError && <Trouble error={list.error} again={() => void list.refetch()} />}
        {list.isPending && late && <GreyLines />}
        {list.data && rows.length === 0 && (
          <div className="trouble" data-testid="empty">
            {settled && (
              <p>
                <b>{t('conflicts.noneSettled')}</b>
              </p>
            )}
            <p>{t(settled ? 'conflicts.noneSettledText' : 'conflicts.noneText')}</p>
          </div>
        )}
        {rows.length > 0 && (
          <div ref={lines} className="record-list" role="treegrid" aria-label={t('tab.conflicts')}>
            <div role="rowgroup">
              <div role="row" className="record-row record-head">
                {(['Who', 'Patient', 'What', 'Number', 'When'] as const).map((name) => (
                  <div role="columnheader" key={name}>
                    {t(`conflicts.col${name}`)}
                  </div>
                ))}
              </div>
            </div>
            {shown.map((row, index) => {
              const key = keyOf(row);
              return (
                <div key={key} role="rowgroup">
                  <Row
                    row={row}
                    active={active === key || (active === null && index === 0)}
                    open={open === key}
                    toggle={() => toggle(key)}
                  />
                  {open === key && (
                    <Detail row={row} choosing={choosing} over={() => chosen(row)} late={(error) => tellLost(row, error)} />
                  )}
                </div>
              );
            })}
          </div>
        )}
        {list.hasNextPage && (
          <Button disabled={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()} data-testid="more">
            {t('list.more')}
          </Button>
        )}
      </main>
    </div>
  );
}

/** The record in a few words, for the line that says what was just chosen. */
function wordsOf({ patient, order }: RecordConflict, t: Say, language: Language): string {
  const name = patient ? shownName(shownPatient(patient), language) : t('today.patientNotHere');
  return `${name} ${order ? `${order.examination.name} ${order.accession_number}` : t('conflicts.registration')}`;
}

function Row({ row, active, open, toggle }: { row: RecordConflict; active: boolean; open: boolean; toggle: () => void }) {
  const t = useText();
  const language = useLanguage();
  const { patient, order, settled } = row;
  return (
    <div
      id={rowId(keyOf(row))}
      role="row"
      className="record-row"
      tabIndex={active ? 0 : -1}
      aria-expanded={open}
      data-testid="conflict-row"
      onClick={toggle}
    >
      <div role="gridcell">
        <b>{row.institution.name}</b>
      </div>
      <div role="gridcell">
        {patient ? <PatientLine patient={shownPatient(patient)} unidentified={isUnknown(patient)} /> : t('today.patientNotHere')}
      </div>
      <div role="gridcell">{order ? order.examination.name : t('conflicts.registration')}</div>
      <div role="gridcell">{order ? order.accession_number : (patient?.patient_id ?? '')}</div>
      <div role="gridcell" title={absolute(settled?.at ?? row.updated_at, language)}>
        {settled ? (
          <>
            <Chip kind="done">{t('conflicts.by', { by: settled.by })}</Chip> {dayAndTime(settled.at, language)}
          </>
        ) : (
          dayAndTime(row.updated_at, language)
        )}
      </div>
    </div>
  );
}

interface DetailProps {
  row: RecordConflict;
  /** True while a choice made here is on its way: its event may come before its answer. */
  choosing: RefObject<boolean>;
  over: () => void;
  late: (error: Problem) => void;
}

function Detail({ row, choosing, over, late }: DetailProps) {
  const t = useText();
  const language = useLanguage();
  const client = useQueryClient();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const detail = useQuery({
    queryKey: ['conflict', row.kind, row.id, row.updated_at],
    queryFn: ({ signal }) => showConflict(row, signal),
    staleTime: 0,
  });
  const choose = async (keep: string, etag: string) => {
    setBusy(true);
    choosing.current = true;
    setError(null);
    try {
      await settle(row, etag, keep);
      over();
    } catch (problem) {
      if (problem instanceof Problem && (problem.status === 412 || problem.code === 'no-such-conflict')) late(problem);
      else setError(problem);
    } finally {
      setBusy(false);
      choosing.current = false;
      // Also after a refusal: somebody else was first, and what is true now belongs on the page.
      void client.invalidateQueries({ queryKey: ['conflicts'] });
      void client.invalidateQueries({ queryKey: ['conflict', row.kind, row.id] });
    }
  };
  const shown = detail.data;
  return (
    <div role="row" className="record-detail" data-testid="conflict-detail">
      <div role="gridcell">
        <p>
          {row.settled
            ? t('conflicts.settledText', { until: dayAndTime(row.settled.until, language) })
            : t(row.kind === 'order' ? 'order.conflictText' : 'conflicts.patientText')}
        </p>
        {detail.isPending && <GreyLines count={2} />}
        {detail.isError && <Trouble error={detail.error} again={() => void detail.refetch()} />}
        {error !== null && <Trouble error={error} />}
        {shown && (
          <Versions
            versions={shown.versions}
            busy={busy}
            house={row.institution}
            chosen={row.settled !== null}
            settle={(keep) => void choose(keep, shown.etag)}
          />
        )}
        {shown && shown.more > 0 && <p className="second">{t('conflicts.more', { count: shown.more })}</p>}
        <Technical facts={{ ID: row.id, ...(shown ? { ETag: shown.etag } : {}) }} />
      </div>
    </div>
  );
}
