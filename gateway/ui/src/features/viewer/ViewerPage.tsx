import '../../styles/viewer.css';

import { RenderingEngine } from '@cornerstonejs/core';
import { useQuery } from '@tanstack/react-query';
import { Button, ConfigProvider } from 'antd';
import { useCallback, useEffect, useLayoutEffect, useMemo, useState } from 'react';
import { Link, useLocation, useParams, useSearchParams } from 'react-router';

import { ask, Problem } from '../../api/client';
import { useSession } from '../../api/session';
import type { StudyDetail, StudyRow } from '../../api/types';
import { Chip } from '../../frame/Chip';
import { usePageKeys } from '../../frame/keys';
import { useLanguage } from '../../frame/language';
import { LanguageSwitch } from '../../frame/LanguageSwitch';
import { useLate } from '../../frame/late';
import { isDocument, modalityWords } from '../../frame/modality';
import { revealOfStudy } from '../../frame/Masked';
import { PatientHeader } from '../../frame/PatientHeader';
import { tabsOf } from '../../frame/tabs';
import { darkTheme } from '../../frame/theme';
import { LivePill } from '../../frame/TopBar';
import { GreyLines, Trouble } from '../../frame/Trouble';
import { useText } from '../../i18n';
import { onLive } from '../../live/channel';
import { AmendDoors } from '../amend/Doors';
import type { CameFrom } from '../here/Look';
import { useOrderBehind } from '../studies/OrderBehind';
import { withOrderedAge } from '../studies/ordered-age';
import { HereNote, NotHere } from './HereNote';
import { type Study, viewerKeys } from './acts';
import { Cell } from './Cell';
import { StillComing } from './StillComing';
import { type Engine, Hand, startEngine } from './engine';
import { Prefetch } from './prefetch';
import { CELLS, FRESH, setCell, useViewer } from './state';
import { Question } from './Question';
import { Strip } from './Strip';
import { Tools } from './Tools';

interface Room {
  engine: Engine;
  hand: Hand;
  prefetch: Prefetch;
}

let mounts = 0;

/** The renderer, tools and prefetching of one visit; a fresh set per mount, since a destroyed one cannot be used again. */
function useRoom(): Room | null {
  const [room, setRoom] = useState<Room | null>(null);
  useEffect(() => {
    let mine: Room | null = null;
    let left = false;
    useViewer.setState(FRESH, true);
    void startEngine().then(() => {
      if (left) return;
      mounts += 1;
      const engine = new RenderingEngine(`viewer-${mounts}`);
      const prefetch = new Prefetch(() => useViewer.setState((was) => ({ fetched: was.fetched + 1 })));
      mine = { engine: engine as Engine, hand: new Hand(`hand-${mounts}`), prefetch };
      setRoom(mine);
    });
    return () => {
      left = true;
      if (!mine) return;
      mine.prefetch.close();
      mine.hand.destroy();
      mine.engine.destroy();
    };
  }, []);
  return room;
}

function hasSeries(detail: StudyDetail | undefined, series: string): boolean {
  return detail?.series.some(({ series_instance_uid }) => series_instance_uid === series) ?? false;
}

/** The series that was asked for; else the first that is more than a localizer or a note, as the machine numbered them. */
function firstToShow(detail: StudyDetail, asked: string | null): string {
  if (asked && hasSeries(detail, asked)) return asked;
  const pictures = detail.series.filter(({ modality }) => !isDocument(modality));
  const stack = pictures.find(({ instance_count }) => instance_count > 1);
  return (stack ?? pictures[0] ?? detail.series[0])?.series_instance_uid ?? '';
}

/** How many images came since the page was opened, told by the live channel. */
function useGrowth(uid: string, known: number | undefined): { grew: number } {
  const [count, setCount] = useState(0);
  useEffect(() => setCount(0), [uid, known]);
  useEffect(
    () =>
      onLive('study.updated', (payload) => {
        const row = payload as StudyRow;
        if (row.study_instance_uid === uid) setCount(row.instance_count);
      }),
    [uid],
  );
  return { grew: known === undefined ? 0 : Math.max(0, count - known) };
}

/** The images were here and are only at the county now. */
function isAtCounty(error: unknown): boolean {
  return error instanceof Problem && error.code === 'study-at-county';
}

function Viewer({ uid }: { uid: string }) {
  const t = useText();
  const language = useLanguage();
  const room = useRoom();
  const study = useQuery({
    queryKey: ['study', uid],
    queryFn: ({ signal }) => ask<StudyDetail>(`/api/v1/studies/${uid}`, { signal }),
    // It may have grown since it was last open: by a report, most of all.
    staleTime: 0,
  });
  const ordered = useOrderBehind(uid);
  const late = useLate(study.isPending);
  const detail = study.data;
  const layout = useViewer((viewer) => viewer.layout);
  const oneUp = useViewer((viewer) => viewer.oneUp);
  const active = useViewer((viewer) => viewer.active);
  const cells = useViewer((viewer) => viewer.cells);
  const { grew } = useGrowth(uid, detail?.study.instance_count);
  const series = useMemo(() => detail?.series.map(({ series_instance_uid }) => series_instance_uid) ?? [], [detail]);
  const keys = useMemo(() => viewerKeys({ series, hand: () => room?.hand ?? null } satisfies Study), [series, room]);
  usePageKeys(keys);

  useEffect(() => {
    document.title = t('viewer.title', { number: detail?.study.accession_number ?? '' });
  }, [detail, t]);

  const [address] = useSearchParams();
  const asked = address.get('series');
  // What is known from before may not have it yet.
  const awaited = asked !== null && study.isFetching && !hasSeries(detail, asked);
  const opened = room !== null && detail !== undefined && !awaited;
  useEffect(() => {
    if (opened && detail && !useViewer.getState().cells[0]) setCell(0, firstToShow(detail, asked));
  }, [opened, detail, asked]);

  const back = useCallback(() => {
    document.querySelector<HTMLElement>('.cell.is-active')?.focus({ preventScroll: true });
  }, []);

  const township = useSession((store) => store.session?.node === 'township');
  const landing = useSession((store) => tabsOf(store.session)[0]?.path ?? '/');
  const came = useLocation().state as CameFrom | null;
  const toList = (
    <Link to={township ? (came?.from ?? landing) : '/studies'} className="to-list" data-testid="back">
      {t(township ? 'viewer.backHere' : 'viewer.back')}
    </Link>
  );
  if (study.isError && !detail) {
    return (
      <div className="page dark reading">
        <header className="patient">{toList}</header>
        {township && isAtCounty(study.error) ? (
          <NotHere study={uid} again={() => void study.refetch()} />
        ) : (
          <Trouble error={study.error} again={() => void study.refetch()} />
        )}
      </div>
    );
  }
  if (!detail) return <div className="page dark reading">{late && <GreyLines />}</div>;
  // The header and each image say the same of the patient.
  const row = { ...detail.study, patient: withOrderedAge(detail.study.patient, ordered) };
  const count = CELLS[layout];
  const examined = row.description || modalityWords(row.modalities, language);
  return (
    <div className="page dark reading" data-testid="reading">
      <PatientHeader
        key={row.study_instance_uid}
        patient={row.patient}
        number={row.accession_number}
        reveal={() => revealOfStudy(row.study_instance_uid)}
        unidentified={row.unidentified}
        emergency={row.priority === 'emergency'}
        lead={toList}
      >
        <span className="fact second examined" title={examined}>
          {examined}
        </span>
        {row.conflicts > 0 && <Chip kind="conflict">{t('study.conflicts', { count: row.conflicts })}</Chip>}
        {!township && <StillComing uid={uid} row={row} />}
        <span className="stretch" />
        <AmendDoors study={row} />
        <LivePill />
        <LanguageSwitch />
      </PatientHeader>
      <Question study={uid} />
      <Tools hand={room?.hand ?? null} series={series} back={back} />
      {township && <HereNote study={uid} />}
      {grew > 0 && (
        <p className="note note-info grew" role="status" data-testid="grew">
          {t('viewer.grew', { count: grew })}{' '}
          <Button size="small" onClick={() => void study.refetch()}>
            {t('viewer.showGrown')}
          </Button>
        </p>
      )}
      <div className="reading-body">
        <Strip study={uid} series={detail.series} prefetch={room?.prefetch ?? null} />
        <main className={`cells layout-${oneUp ? '1x1' : layout}`} data-testid="cells" data-layout={layout}>
          {room &&
            Array.from({ length: count }, (_, cell) => (
              <Cell
                key={cell}
                cell={cell}
                hidden={oneUp && cell !== active}
                study={row}
                row={detail.series.find(({ series_instance_uid }) => series_instance_uid === cells[cell])}
                {...room}
              />
            ))}
        </main>
      </div>
    </div>
  );
}

export default function ViewerPage() {
  const { study = '' } = useParams();
  const language = useLanguage();
  useLayoutEffect(() => {
    document.documentElement.classList.add('dark-ground');
    return () => document.documentElement.classList.remove('dark-ground');
  }, []);
  return (
    <ConfigProvider theme={darkTheme(language)}>
      <Viewer key={study} uid={study} />
    </ConfigProvider>
  );
}
