import { useQuery } from '@tanstack/react-query';
import { Button } from 'antd';
import { type DragEvent, useEffect, useRef } from 'react';

import type { SeriesRow, StudyRow } from '../../api/types';
import { useLanguage } from '../../frame/language';
import { examinationWords } from '../../frame/modality';
import { useTroubleText } from '../../frame/Trouble';
import { useText } from '../../i18n';
import { followLink } from './acts';
import { Document } from './Document';
import type { Engine, Hand } from './engine';
import { loadSeries } from './library';
import { Missed } from './Missed';
import { Overlay } from './Overlay';
import { EMPTY, Pane } from './pane';
import type { Prefetch } from './prefetch';
import { panes, setCell, setPaneState, useViewer } from './state';

/** Type of what a dragged thumbnail carries. */
export const SERIES_DRAG = 'application/x-yilian-series';

export function useSeries(study: string, series: string) {
  return useQuery({
    queryKey: ['series', study, series],
    queryFn: ({ signal }) => loadSeries(study, series, signal),
    enabled: series !== '',
    staleTime: Infinity,
  });
}

interface Props {
  cell: number;
  hidden: boolean;
  study: StudyRow;
  row: SeriesRow | undefined;
  engine: Engine;
  hand: Hand;
  prefetch: Prefetch;
}

/** One place of the layout: a viewport, or what stands where images cannot be shown. */
export function Cell({ cell, hidden, study, row, engine, hand, prefetch }: Props) {
  const t = useText();
  const troubleText = useTroubleText();
  const active = useViewer((viewer) => viewer.active === cell);
  const uid = useViewer((viewer) => viewer.cells[cell] ?? '');
  const state = useViewer((viewer) => viewer.states[cell]) ?? EMPTY;
  const overlay = useViewer((viewer) => viewer.overlay);
  const element = useRef<HTMLDivElement>(null);
  const box = useRef<HTMLDivElement>(null);
  const pane = useRef<Pane | null>(null);
  const series = useSeries(study.study_instance_uid, uid);

  useEffect(() => {
    if (!element.current) return undefined;
    const mine = new Pane(cell, engine, hand, element.current, prefetch, (next) => {
      const before = useViewer.getState().states[cell];
      setPaneState(cell, next);
      if (before?.index !== next.index && useViewer.getState().active === cell) followLink(cell);
    });
    pane.current = mine;
    panes.set(cell, mine);
    return () => {
      panes.delete(cell);
      pane.current = null;
      mine.destroy();
      setPaneState(cell, undefined);
    };
  }, [cell, engine, hand, prefetch]);

  const loaded = series.data;
  useEffect(() => {
    if (loaded?.kind === 'images') void pane.current?.show(loaded);
    else if (loaded) pane.current?.clear();
  }, [loaded, engine, hand, prefetch]);

  useEffect(() => {
    if (active && !hidden) {
      prefetch.prefer(cell);
      box.current?.focus({ preventScroll: true });
    }
  }, [active, cell, hidden, prefetch]);

  const drop = (event: DragEvent) => {
    const dropped = event.dataTransfer.getData(SERIES_DRAG);
    if (!dropped) return;
    event.preventDefault();
    setCell(cell, dropped);
  };

  const document = loaded && loaded.kind !== 'images' ? loaded : null;
  const status = uid === '' ? 'empty' : series.isError ? 'error' : series.isPending ? 'loading' : document ? 'document' : state.status;
  const language = useLanguage();
  const name = row ? examinationWords([row.modality], row.description || row.body_part, language) : '';
  return (
    <div
      ref={box}
      className={`cell${active ? ' is-active' : ''}`}
      hidden={hidden}
      tabIndex={active ? 0 : -1}
      role="group"
      aria-label={t('viewer.viewport', { name, index: state.index + 1, count: state.count })}
      data-testid={`cell-${cell}`}
      data-state={status}
      data-series={uid}
      data-index={state.index}
      onPointerDownCapture={() => useViewer.setState({ active: cell })}
      onDoubleClick={() => useViewer.setState((was) => ({ oneUp: !was.oneUp, active: cell }))}
      onDragOver={(event) => {
        if (event.dataTransfer.types.includes(SERIES_DRAG)) event.preventDefault();
      }}
      onDrop={drop}
      onContextMenu={(event) => event.preventDefault()}
    >
      <div
        ref={element}
        className="pixels"
        style={{ visibility: status === 'ready' || status === 'error' ? 'visible' : 'hidden' }}
      />
      {status === 'empty' && <p className="said second">{t('viewer.emptyCell')}</p>}
      {status === 'loading' && (
        <p className="said second" role="status">
          {t('viewer.loading')}
        </p>
      )}
      {series.isError && (
        <div className="said" role="alert">
          <p>{troubleText(series.error).text}</p>
          <Button onClick={() => void series.refetch()}>{t('trouble.again')}</Button>
        </div>
      )}
      {document && <Document key={uid} cell={cell} study={study.study_instance_uid} series={document} name={name} />}
      {!document && status === 'error' && !series.isError && (
        <Missed
          key={state.imageId}
          imageId={state.imageId}
          undrawable={state.undrawable}
          index={state.index}
          count={state.count}
          again={() => void pane.current?.again()}
          leaf={(by) => pane.current?.scroll(by)}
        />
      )}
      {!document && loaded && (status === 'ready' || status === 'error') && overlay && (
        <Overlay study={study} state={state} missing={loaded.missing} />
      )}
      {!document && status === 'ready' && loaded && state.count > 1 && (
        <input
          className="slider"
          type="range"
          min={1}
          max={state.count}
          value={state.index + 1}
          tabIndex={-1}
          aria-label={t('viewer.slider')}
          onChange={(event) => void pane.current?.goTo(Number(event.target.value) - 1)}
        />
      )}
    </div>
  );
}
