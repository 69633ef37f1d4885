import '../../styles/here.css';
import '../../styles/township.css';

import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Button, Input, type InputRef } from 'antd';
import { useCallback, useEffect, useMemo, useRef, useState } from 'react';

import { ask } from '../../api/client';
import { useUser } from '../../api/session';
import type { QueueItem, QueuePage, TownshipNode } from '../../api/types';
import { now } from '../../frame/clock';
import { type Key, usePageKeys } from '../../frame/keys';
import { useLate } from '../../frame/late';
import { useRowFocus } from '../../frame/moving';
import { TopBar } from '../../frame/TopBar';
import { GreyLines, Trouble } from '../../frame/Trouble';
import { addWords, useText } from '../../i18n';
import { useReadAgain } from '../../live/again';
import { useChannel } from '../../live/channel';
import { useAtRest } from '../../live/at-rest';
import { useLiveRows } from '../../live/rows';
import { reportOf } from '../here/here';
import { useHere } from '../here/live';
import { useOpenHere } from '../here/open';
import { AddImages, type AddHandle } from './AddImages';
import { forgetBatch, keptBatches } from './kept-batch';
import { LinePill } from './LinePill';
import { lostInAll } from './lost';
import { HowToSend, NodeAway, Notices } from './Notices';
import { isEmergency, matches, pinned, wayOf } from './queue-words';
import { QueueRow, type RowActs } from './QueueRow';
import { useSending } from './sending-store';
import { Summary } from './Summary';
import { useLiveSummary } from './summary-live';
import en from './words/en.json';
import zh from './words/zh-CN.json';

addWords(zh, en);

const QUEUE = ['queue'] as const;
const READ_AGAIN = ['prior.updated', 'patient.updated'];
const keyOf = (item: QueueItem) => item.study_instance_uid;
const always = () => true;
const rowId = (key: string) => `queue-${key}`;
/** Emergencies, and what this page itself has just sent, wait for nobody. */
const mayJoin = (item: QueueItem) => isEmergency(item) || useSending.getState().studies.has(keyOf(item));

function fetchQueue(cursor: string, signal: AbortSignal): Promise<QueuePage> {
  const asked = new URLSearchParams({ limit: '100', ...(cursor ? { cursor } : {}) });
  return ask<QueuePage>(`/api/v1/queue?${asked.toString()}`, { signal });
}

function useRowActs() {
  const client = useQueryClient();
  const [error, setError] = useState<unknown>(null);
  const send = useCallback(
    async (path: string, body: unknown) => {
      setError(null);
      try {
        await ask<unknown>(`/api/v1/${path}`, { method: 'POST', body });
        await client.invalidateQueries({ queryKey: QUEUE });
      } catch (problem) {
        setError(problem);
      }
    },
    [client],
  );
  const acts = useMemo<RowActs>(() => {
    const post = (item: QueueItem, act: string, body: unknown) => send(`queue/${item.study_instance_uid}/${act}`, body);
    return {
      priority: (item) => void post(item, 'priority', { priority: isEmergency(item) ? 'routine' : 'emergency' }),
      retry: (item) => void post(item, 'retry', {}),
      pause: (item) => void post(item, 'pause', { paused: !item.paused }),
      first: (item) => void post(item, 'first', { first: !item.put_first }),
      whole: (item) => void post(item, 'whole', {}),
      one: (id, act) => void send(`set-aside/${id}/${act}`, {}),
    };
  }, [send]);
  const hold = useCallback((minutes: number) => void send('line/pause', { minutes }), [send]);
  const resume = useCallback(() => void send('line/resume', {}), [send]);
  return { acts, hold, resume, error };
}

export default function TownshipPage() {
  const t = useText();
  const user = useUser();
  const channel = useChannel();
  const add = useRef<AddHandle>(null);
  const find = useRef<InputRef>(null);
  const scroller = useRef<HTMLElement>(null);
  const queue = useRef<HTMLDivElement>(null);
  const [typed, setTyped] = useState('');
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const [kept, setKept] = useState(() => {
    const here = new Set(useSending.getState().batches.map(({ sender }) => sender.batch));
    return keptBatches(user.username).filter(({ batch }) => !here.has(batch));
  });
  const noLonger = useCallback((batch: string) => setKept((was) => was.filter((one) => one.batch !== batch)), []);
  const node = useQuery({
    queryKey: ['node'],
    queryFn: ({ signal }) => ask<TownshipNode>('/api/v1/node', { signal }),
    staleTime: Infinity,
  });
  const { query, rows, first, freshCount, showFresh } = useLiveRows<QueueItem, QueuePage>({
    queryKey: QUEUE,
    fetchPage: fetchQueue,
    topic: 'queue.updated',
    keyOf,
    belongs: always,
    urgent: mayJoin,
    atRest: useAtRest(queue, scroller),
  });
  const summary = useLiveSummary(first?.summary);
  const { refetch } = query;
  // What could not come back counts among what needs somebody; who nobody knew may be known now.
  useReadAgain(READ_AGAIN, refetch);
  const { acts, hold, resume, error: actError } = useRowActs();
  const [holding, setHolding] = useState(false);
  const shown = useMemo(() => pinned(rows.filter((item) => matches(item, typed))), [rows, typed]);
  const keys = useMemo(() => [...shown.urgent, ...shown.rest].map(keyOf), [shown]);
  const here = useHere(useMemo(() => rows.map(keyOf), [rows]));
  const openHere = useOpenHere(here);
  const reports = useMemo(() => [...here.values()].filter((one) => reportOf(one).state === 'here').length, [here]);
  const lostBy = useSending((store) => store.lost);
  const lost = useMemo(() => lostInAll(lostBy.values()), [lostBy]);
  const [earlier, setEarlier] = useState<string | null>(null);
  const { active, setActive, move } = useRowFocus(keys, rowId);
  const late = useLate(query.isPending);
  const stale = channel.state === 'stale' || channel.state === 'offline';
  const way = wayOf(summary?.line, now());

  useEffect(() => {
    document.title = t('tab.township');
  }, [t]);

  const toggle = useCallback(
    (key: string) => {
      setActive(key);
      setOpen((was) => {
        const next = new Set(was);
        if (!next.delete(key)) next.add(key);
        return next;
      });
    },
    [setActive],
  );

  const showEarlier = useCallback((key: string) => {
    setOpen((was) => new Set(was).add(key));
    setEarlier((was) => (was === key ? null : key));
  }, []);

  const pageKeys = useMemo<readonly Key[]>(() => {
    const chosen = () => rows.find((item) => keyOf(item) === active);
    return [
      { keys: ['A'], label: 'keys.add', run: () => add.current?.choose() },
      { keys: ['ArrowDown', 'J'], label: 'keys.next', run: () => move(1) },
      { keys: ['ArrowUp', 'K'], label: 'keys.previous', run: () => move(-1) },
      { keys: ['Enter'], label: 'keys.openRow', run: () => active && toggle(active) },
      {
        keys: ['E'],
        label: 'keys.emergency',
        run: () => {
          const item = chosen();
          if (item && item.state !== 'at_county') acts.priority(item);
        },
      },
      {
        keys: ['F'],
        label: 'keys.first',
        run: () => {
          const item = chosen();
          if (item && item.state !== 'at_county') acts.first(item);
        },
      },
      { keys: ['V'], label: 'keys.seeImages', run: () => active && openHere.images(active) },
      { keys: ['R'], label: 'keys.seeReport', run: () => active && openHere.report(active) },
      { keys: ['H'], label: 'keys.earlier', run: () => active && showEarlier(active) },
      { keys: ['S'], label: 'keys.hold', run: () => (way === 'held' ? resume() : setHolding((was) => !was)) },
      { keys: ['/'], label: 'keys.find', run: () => find.current?.focus({ cursor: 'all' }) },
    ];
  }, [active, acts, move, openHere, resume, rows, showEarlier, toggle, way]);
  usePageKeys(pageKeys);

  const row = (item: QueueItem, index: number) => {
    const key = keyOf(item);
    return (
      <QueueRow
        key={key}
        id={rowId(key)}
        item={item}
        here={here.get(key)}
        lost={lost.get(key) ?? 0}
        way={way}
        open={open.has(key)}
        active={active === key || (active === null && index === 0)}
        toggle={() => toggle(key)}
        acts={acts}
        countyPhone={node.data?.county.phone ?? ''}
        earlier={earlier === key}
        showEarlier={() => showEarlier(key)}
      />
    );
  };

  return (
    <div className="page">
      <TopBar pill={<LinePill line={channel.state === 'offline' ? undefined : summary?.line} />} />
      <main ref={scroller} className="township" data-state={query.isPending ? 'loading' : stale ? 'stale' : 'ready'}>
        {summary && <Summary summary={summary} reports={reports} stale={stale} add={() => add.current?.choose()} />}
        {channel.state === 'offline' && <NodeAway node={node.data} />}
        {summary && (
          <Notices
            summary={summary}
            countyPhone={node.data?.county.phone ?? ''}
            resume={resume}
            kept={kept}
            chooseAgain={() => add.current?.choose()}
            forget={(batch) => {
              noLonger(batch);
              forgetBatch(batch);
            }}
          />
        )}
        <AddImages
          ref={add}
          kept={kept}
          took={noLonger}
          countyPhone={node.data?.county.phone ?? ''}
        />
        {holding && way !== 'held' && (
          <HoldLine
            hold={(minutes) => {
              setHolding(false);
              hold(minutes);
            }}
            leave={() => setHolding(false)}
          />
        )}
        {actError !== null && <Trouble error={actError} />}
        {query.isError && rows.length === 0 && <Trouble error={query.error} again={() => void query.refetch()} />}
        {query.isPending && late && <GreyLines />}
        {first && rows.length === 0 && <HowToSend node={node.data} />}
        {rows.length > 0 && (
          <>
            <div className="list-tools">
              <Input
                ref={find}
                className="find"
                size="small"
                allowClear
                value={typed}
                placeholder={t('queue.find')}
                aria-label={t('queue.find')}
                data-testid="find"
                onChange={(event) => setTyped(event.target.value)}
              />
              {freshCount > 0 && (
                <Button size="small" onClick={showFresh} data-testid="fresh">
                  {t('list.fresh', { count: freshCount })}
                </Button>
              )}
              <span className="stretch" />
              {way !== 'held' && (
                <Button size="small" onClick={() => setHolding((was) => !was)} data-testid="hold">
                  {t('queue.holdLine')}
                  <span className="button-key">S</span>
                </Button>
              )}
            </div>
            <div ref={queue} className={`queue${stale ? ' is-stale' : ''}`} role="treegrid" aria-label={t('tab.township')}>
              <div role="rowgroup">
                <div role="row" className="queue-row queue-head">
                  <div role="columnheader">{t('queue.colWho')}</div>
                  <div role="columnheader">{t('queue.colHere')}</div>
                  <div role="columnheader">{t('queue.colLine')}</div>
                  <div role="columnheader">{t('queue.colCounty')}</div>
                  <div role="columnheader">{t('queue.colReport')}</div>
                </div>
              </div>
              {shown.urgent.map(row)}
              {shown.urgent.length > 0 && <div className="pinned-edge">{t('queue.pinned')}</div>}
              {shown.rest.map((item, index) => row(item, index + shown.urgent.length))}
              {keys.length === 0 && <p className="trouble">{t('list.nothingFits')}</p>}
            </div>
            {query.hasNextPage && (
              <Button onClick={() => void query.fetchNextPage()} loading={query.isFetchingNextPage}>
                {t('list.more')}
              </Button>
            )}
          </>
        )}
      </main>
      <footer className="township-foot">{t('queue.dropHint')}</footer>
    </div>
  );
}

const HOLD_MINUTES = [15, 60, 240] as const;

/** Nothing goes out for a while: for how long is asked, and said that emergencies wait as well. */
function HoldLine({ hold, leave }: { hold: (minutes: number) => void; leave: () => void }) {
  const t = useText();
  return (
    <div className="note note-soon township-note" data-testid="hold-line">
      <p>{t('queue.holdAsk')}</p>
      {HOLD_MINUTES.map((minutes, index) => (
        <Button key={minutes} size="small" autoFocus={index === 0} onClick={() => hold(minutes)}>
          {minutes < 60 ? t('queue.minutes', { count: minutes }) : t('queue.hours', { count: minutes / 60 })}
        </Button>
      ))}
      <Button size="small" type="text" onClick={leave}>
        {t('order.leaveIt')}
      </Button>
    </div>
  );
}
