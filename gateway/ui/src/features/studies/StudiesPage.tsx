import '../../styles/studies.css';

import { useQuery } from '@tanstack/react-query';
import { Button, type InputRef } from 'antd';
import { type RefObject, useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from 'react';
import { useLocation, useNavigate, useSearchParams } from 'react-router';

import { ask } from '../../api/client';
import { useSession } from '../../api/session';
import type { Institution, StudyPage, StudyRow } from '../../api/types';
import { now } from '../../frame/clock';
import { type Key, usePageKeys } from '../../frame/keys';
import { useLate } from '../../frame/late';
import { useRowFocus } from '../../frame/moving';
import { breaksGlass } from '../../frame/tabs';
import { TopBar } from '../../frame/TopBar';
import { GreyLines, Trouble } from '../../frame/Trouble';
import { addWords, useText } from '../../i18n';
import { onLive, useChannel } from '../../live/channel';
import { useAtRest } from '../../live/at-rest';
import { useLiveRows } from '../../live/rows';
import { openEmergency } from '../access/sheet';
import { useArrivals } from './arrival-live';
import { FilterBar } from './FilterBar';
import { belongsTo, type Filters, fromAddress, isFiltered, NO_FILTERS, toAddress, toQuery } from './filters';
import { isPinned, once, withPinned, zones } from './pinned';
import { Preview } from './Preview';
import { StudyLine } from './StudyLine';
import en from './words/en.json';
import zh from './words/zh-CN.json';

addWords(zh, en);

const keyOf = (row: StudyRow) => row.study_instance_uid;
const rowId = (key: string) => `study-${key}`;
const TYPING_MS = 300;
const mayJoin = (row: StudyRow) => isPinned(row, now());

interface Typed {
  /** What stands in the field. */
  typed: string;
  /** What the list was asked for: the same, a moment later. */
  asked: string;
  type: (typed: string) => void;
  /** Writes it into the history entry now, before the page is left. */
  keep: () => void;
}

/** What is typed lives in the history entry: back from a study it is there again, and the address never holds it. */
function useTyped(): Typed {
  const location = useLocation();
  const navigate = useNavigate();
  const asked = (location.state as { typed?: string } | null)?.typed ?? '';
  const [typed, type] = useState(asked);
  const { search } = location;
  const keep = useCallback(() => {
    // The page may be on its way out already, waiting for the next one's code.
    if (window.location.pathname !== location.pathname || typed === asked) return;
    void navigate({ search }, { replace: true, state: { typed } });
  }, [asked, location.pathname, navigate, search, typed]);
  useEffect(() => {
    const timer = setTimeout(keep, TYPING_MS);
    return () => clearTimeout(timer);
  }, [keep]);
  return { typed, asked, type, keep };
}

/** The houses to choose from; until the server has told them, those met in the list. */
function useInstitutions(rows: readonly StudyRow[]): Institution[] {
  const { data } = useQuery({
    queryKey: ['institutions'],
    queryFn: ({ signal }) => ask<Institution[]>('/api/v1/institutions', { signal }),
    staleTime: 60 * 60_000,
  });
  return useMemo(() => {
    const met = new Map(rows.map(({ institution }) => [institution.code, institution]));
    const all = data ?? [...met.values()].filter(({ code }) => code);
    return [...all].sort((a, b) => a.name.localeCompare(b.name, 'zh-CN'));
  }, [data, rows]);
}

/** The emergencies the filter leaves out: as the list came, and as they have come since. */
function useOutside(
  key: string,
  told: readonly string[] | undefined,
  belongs: (row: StudyRow) => boolean,
): ReadonlySet<string> {
  const [since, setSince] = useState<ReadonlySet<string>>(new Set());
  useEffect(() => setSince(new Set()), [key]);
  useEffect(
    () =>
      onLive('study.updated', (payload) => {
        const row = payload as StudyRow;
        if (mayJoin(row) && !belongs(row)) setSince((was) => new Set(was).add(keyOf(row)));
      }),
    [belongs],
  );
  return useMemo(() => new Set([...(told ?? []), ...since]), [since, told]);
}

/**
 * Holds what the reader is at where it is while a row joins the zone above it; how many have joined unseen, and how to
 * see them.
 */
function useHeldStill(list: RefObject<HTMLDivElement | null>, pinned: readonly StudyRow[], atRest: () => boolean) {
  const [joined, setJoined] = useState(0);
  const before = useRef<{ keys: ReadonlySet<string>; anchor: string; top: number } | null>(null);
  const look = useCallback(() => {
    const box = list.current;
    if (!box) return;
    const rows = [...box.querySelectorAll<HTMLElement>('[data-study]')];
    const at = rows.find((row) => row.classList.contains('is-active')) ?? rows.find((row) => row.offsetTop >= box.scrollTop);
    const keys = new Set(rows.filter((row) => row.dataset.zone).map(({ id }) => id));
    before.current = at ? { keys, anchor: at.id, top: at.offsetTop } : null;
  }, [list]);
  useLayoutEffect(() => {
    const [box, was] = [list.current, before.current];
    const more = was ? pinned.filter((row) => !was.keys.has(rowId(keyOf(row)))).length : 0;
    if (box && was && more > 0 && !atRest()) {
      const by = (document.getElementById(was.anchor)?.offsetTop ?? was.top) - was.top;
      // A list that is all in view has nowhere to go: it gets the room below.
      const last = box.lastElementChild as HTMLElement;
      const room = box.scrollTop + by + box.clientHeight - (last.offsetTop + last.offsetHeight);
      if (room > 0) box.style.paddingBottom = `${room}px`;
      box.scrollTop += by;
      if (box.scrollTop > 0) setJoined((count) => count + more);
    }
    look();
  }, [atRest, list, look, pinned]);
  const onScroll = useCallback(() => {
    look();
    if (list.current?.scrollTop !== 0) return;
    list.current.style.paddingBottom = '';
    setJoined(0);
  }, [list, look]);
  const seeJoined = useCallback(() => list.current?.scrollTo({ top: 0 }), [list]);
  return { joined, seeJoined, onScroll };
}

export default function StudiesPage() {
  const t = useText();
  const navigate = useNavigate();
  const channel = useChannel();
  const [address, setAddress] = useSearchParams();
  const { typed, asked, type: setTyped, keep } = useTyped();
  const filters = useMemo(() => fromAddress(address), [address]);
  const find = useRef<InputRef>(null);
  const list = useRef<HTMLDivElement>(null);
  const [previewing, setPreviewing] = useState(true);
  const session = useSession((store) => store.session);
  const mayBreak = breaksGlass(session);
  const belongs = useCallback((row: StudyRow) => belongsTo(row, filters, asked), [filters, asked]);
  const listKey = toAddress(filters).toString();
  const atRest = useAtRest(list);
  const live = useLiveRows<StudyRow, StudyPage>({
    queryKey: ['studies', listKey, asked],
    fetchPage: async (cursor, signal) =>
      withPinned(await ask<StudyPage>(`/api/v1/studies?${toQuery(filters, asked, cursor).toString()}`, { signal })),
    topic: 'study.updated',
    keyOf,
    belongs,
    urgent: mayJoin,
    atRest,
  });
  const { query, first, freshCount, showFresh } = live;
  const { pinned, rest } = useMemo(() => zones(once(live.rows), now()), [live.rows]);
  const rows = useMemo(() => [...pinned, ...rest], [pinned, rest]);
  const { joined, seeJoined, onScroll } = useHeldStill(list, pinned, atRest);
  useArrivals(rows, query.refetch);
  const institutions = useInstitutions(rows);
  const keys = useMemo(() => rows.map(keyOf), [rows]);
  const left = useOutside(`${listKey} ${asked}`, first?.pinned_elsewhere, belongs);
  const outside = [...left].filter((uid) => !keys.includes(uid)).length;
  const { active, setActive, move } = useRowFocus(keys, rowId);
  const late = useLate(query.isPending);
  const stale = channel.state === 'stale' || channel.state === 'offline';
  const filtered = isFiltered(filters, asked);

  useEffect(() => {
    document.title = t('tab.studies');
  }, [t]);

  // The next page's code comes while this one is read, so that the first study opens as fast as the tenth.
  const listed = rows.length > 0;
  useEffect(() => {
    if (!listed) return undefined;
    const soon = requestIdleCallback(() => void import('../viewer/ViewerPage').catch(() => undefined), {
      timeout: 10_000,
    });
    return () => cancelIdleCallback(soon);
  }, [listed]);

  const change = useCallback(
    (next: Filters) => setAddress(toAddress(next), { replace: true, state: { typed } }),
    [setAddress, typed],
  );
  const clear = useCallback(() => {
    setTyped('');
    setAddress(toAddress(NO_FILTERS), { replace: true });
  }, [setAddress, setTyped]);
  const open = useCallback(
    (uid: string) => {
      keep();
      void navigate(`/studies/${uid}`);
    },
    [keep, navigate],
  );

  const pageKeys = useMemo<readonly Key[]>(
    () => [
      { keys: ['J', 'ArrowDown'], label: 'keys.next', run: () => move(1) },
      { keys: ['K', 'ArrowUp'], label: 'keys.previous', run: () => move(-1) },
      { keys: ['Enter'], label: 'keys.openStudy', run: () => active && open(active) },
      { keys: ['P'], label: 'keys.preview', run: () => setPreviewing((was) => !was) },
      { keys: ['/'], label: 'keys.find', run: () => find.current?.focus({ cursor: 'all' }) },
    ],
    [active, move, open],
  );
  usePageKeys(pageKeys);

  const chosen = rows.find((row) => keyOf(row) === active);
  const line = (row: StudyRow, isFirst: boolean, zone = false) => {
    const key = keyOf(row);
    return (
      <StudyLine
        key={key}
        id={rowId(key)}
        row={row}
        zone={zone}
        active={active === key}
        reachable={active === key || (active === null && isFirst)}
        choose={setActive}
        open={open}
      />
    );
  };
  return (
    <div className="page">
      <TopBar />
      <main className="studies" data-state={query.isPending ? 'loading' : stale ? 'stale' : 'ready'}>
        <div className="studies-answer">
          <h1 className="answer" data-testid="total">
            {first ? t(filtered ? 'studies.found' : 'studies.all', { count: first.total }) : t('tab.studies')}
          </h1>
          {joined > 0 && (
            <Button danger onClick={seeJoined} data-testid="joined">
              {t('studies.joined', { count: joined })}
            </Button>
          )}
          {filtered && outside > 0 && (
            <Button danger onClick={clear} data-testid="outside">
              {t('studies.outside', { count: outside })}
            </Button>
          )}
          {freshCount > 0 && (
            <Button onClick={showFresh} data-testid="fresh">
              {t('studies.fresh', { count: freshCount })}
            </Button>
          )}
          {query.isFetching && !query.isPending && <span className="second">{t('list.asking')}</span>}
          {mayBreak && (
            <Button className="emergency-open" size="small" onClick={openEmergency} data-testid="emergency-ask">
              {t('access.emergency')}
            </Button>
          )}
        </div>
        <FilterBar
          filters={filters}
          change={change}
          typed={typed}
          type={setTyped}
          institutions={institutions}
          find={find}
          filtered={filtered}
          clear={clear}
        />
        {query.isError && <Trouble error={query.error} again={() => void query.refetch()} />}
        {query.isPending && late && <GreyLines />}
        {first && rows.length === 0 && (
          <div className="trouble" data-testid="empty">
            <h2 className="answer">{t(filtered ? 'studies.nothingFits' : 'studies.empty')}</h2>
            <p>{t(filtered ? 'studies.nothingFitsNext' : 'studies.emptyNext')}</p>
            {filtered && mayBreak && <p>{t('access.elsewhere')}</p>}
            <div className="acts">
              {filtered && <Button onClick={clear}>{t('studies.clear')}</Button>}
              {filtered && mayBreak && <Button onClick={openEmergency}>{t('access.emergency')}</Button>}
            </div>
          </div>
        )}
        {rows.length > 0 && (
          <div className="studies-body">
            <div
              ref={list}
              className={`study-list${stale ? ' is-stale' : ''}`}
              role="grid"
              aria-label={t('tab.studies')}
              aria-rowcount={first?.total}
              onScroll={onScroll}
            >
              <div role="rowgroup">
                <div role="row" className="study-row study-head">
                  {(['Who', 'Exam', 'Number', 'Institution', 'When', 'Received', 'Images'] as const).map((name) => (
                    <div role="columnheader" key={name}>
                      {t(`studies.col${name}`)}
                    </div>
                  ))}
                </div>
              </div>
              {pinned.length > 0 && (
                <div role="rowgroup" aria-label={t('queue.pinned')} data-testid="pinned">
                  {pinned.map((row, index) => line(row, index === 0, true))}
                </div>
              )}
              {pinned.length > 0 && <div className="pinned-edge">{t('queue.pinned')}</div>}
              <div role="rowgroup">{rest.map((row, index) => line(row, index === 0 && pinned.length === 0))}</div>
              {query.hasNextPage && (
                <Button className="more" onClick={() => void query.fetchNextPage()} loading={query.isFetchingNextPage}>
                  {t('list.more')}
                </Button>
              )}
            </div>
            {previewing &&
              (chosen ? (
                <Preview row={chosen} open={open} />
              ) : (
                // Its place is kept, so that choosing a row moves none.
                <aside className="preview trouble second">{t('studies.choose')}</aside>
              ))}
          </div>
        )}
      </main>
    </div>
  );
}
