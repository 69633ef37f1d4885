import '../../styles/studies.css';

import { useQuery } from '@tanstack/react-query';
import { Button, type InputRef } from 'antd';
import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { useLocation, useNavigate, useSearchParams } from 'react-router';

import { ask } from '../../api/client';
import { useSession } from '../../api/session';
import type { Institution, StudyPage, StudyRow } from '../../api/types';
import { type Key, usePageKeys } from '../../frame/keys';
import { useLate } from '../../frame/late';
import { useRowFocus } from '../../frame/moving';
import { breaksGlass } from '../../frame/tabs';
import { TopBar } from '../../frame/TopBar';
import { GreyLines, Trouble } from '../../frame/Trouble';
import { addWords, useText } from '../../i18n';
import { useChannel } from '../../live/channel';
import { useAtRest } from '../../live/at-rest';
import { useLiveRows } from '../../live/rows';
import { openEmergency } from '../access/sheet';
import { useArrivals } from './arrival-live';
import { FilterBar } from './FilterBar';
import { belongsTo, type Filters, fromAddress, isFiltered, NO_FILTERS, toAddress, toQuery } from './filters';
import { Preview } from './Preview';
import { StudyLine } from './StudyLine';
import en from './words/en.json';
import zh from './words/zh-CN.json';

addWords(zh, en);

const keyOf = (row: StudyRow) => row.study_instance_uid;
const rowId = (key: string) => `study-${key}`;
const TYPING_MS = 300;

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
  const { query, rows, first, freshCount, showFresh } = useLiveRows<StudyRow, StudyPage>({
    queryKey: ['studies', toAddress(filters).toString(), asked],
    fetchPage: (cursor, signal) =>
      ask<StudyPage>(`/api/v1/studies?${toQuery(filters, asked, cursor).toString()}`, { signal }),
    topic: 'study.updated',
    keyOf,
    belongs,
    atRest: useAtRest(list),
  });
  useArrivals(rows, query.refetch);
  const institutions = useInstitutions(rows);
  const keys = useMemo(() => rows.map(keyOf), [rows]);
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
  return (
    <div className="page">
      <TopBar />
      <main className="studies" data-state={query.isPending ? 'loading' : stale ? 'stale' : 'ready'}>
        <div className="studies-answer">
          <h1 className="answer" data-testid="total">
            {first ? t(filtered ? 'studies.found' : 'studies.all', { count: first.total }) : t('tab.studies')}
          </h1>
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
              <div role="rowgroup">
                {rows.map((row, index) => {
                  const key = keyOf(row);
                  return (
                    <StudyLine
                      key={key}
                      id={rowId(key)}
                      row={row}
                      active={active === key}
                      reachable={active === key || (active === null && index === 0)}
                      choose={setActive}
                      open={open}
                    />
                  );
                })}
              </div>
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
