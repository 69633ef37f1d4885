import { useState } from 'react';

import type { SeriesRow } from '../../api/types';
import { useLanguage } from '../../frame/language';
import { isDocument, modalityWord } from '../../frame/modality';
import { useText } from '../../i18n';
import { SERIES_DRAG, useSeries } from './Cell';
import type { Prefetch } from './prefetch';
import { setCell, useViewer } from './state';

interface Props {
  study: string;
  series: readonly SeriesRow[];
  prefetch: Prefetch | null;
}

/** The series of the study, each with its picture and how many images it has. */
export function Strip({ study, series, prefetch }: Props) {
  const t = useText();
  return (
    <nav className="strip" aria-label={t('viewer.seriesList')} data-testid="strip">
      {series.map((row) => (
        <Thumbnail key={row.series_instance_uid} study={study} row={row} prefetch={prefetch} />
      ))}
    </nav>
  );
}

function Thumbnail({ study, row, prefetch }: { study: string; row: SeriesRow; prefetch: Prefetch | null }) {
  const t = useText();
  const [noPicture, setNoPicture] = useState(false);
  const uid = row.series_instance_uid;
  const shown = useViewer((viewer) => viewer.cells.includes(uid));
  const active = useViewer((viewer) => viewer.cells[viewer.active] === uid);
  useViewer((viewer) => viewer.fetched);
  const here = useSeries(study, shown ? uid : '').data;
  const count = here?.kind === 'images' ? here.imageIds.length : row.instance_count;
  const fetched = here && prefetch ? prefetch.loadedOf(here.imageIds) : 0;
  const language = useLanguage();
  const modality = modalityWord(row.modality, language);
  const name = row.description || row.body_part || modality;
  return (
    <button
      type="button"
      className={`thumb${active ? ' is-active' : ''}${shown ? ' is-shown' : ''}`}
      draggable
      aria-pressed={active}
      title={`${modality} ${name}`}
      data-testid="thumb"
      data-series={uid}
      onDragStart={(event) => event.dataTransfer.setData(SERIES_DRAG, uid)}
      onClick={() => setCell(useViewer.getState().active, uid)}
    >
      {noPicture || !row.thumbnail ? (
        <span className="no-picture">{modality}</span>
      ) : (
        <img src={row.thumbnail} alt="" loading="lazy" draggable={false} onError={() => setNoPicture(true)} />
      )}
      <span className="count">
        {fetched > 0 && fetched < count
          ? `${fetched}/${count}`
          : t(isDocument(row.modality) ? 'study.objects' : 'study.images', { count })}
      </span>
      <span className="label">{name}</span>
      {here && here.missing.length > 0 && (
        <span className="gap">{t('viewer.gap', { count: here.missing.length })}</span>
      )}
    </button>
  );
}
