import { useQuery } from '@tanstack/react-query';
import { Button, Checkbox } from 'antd';
import { useState } from 'react';

import type { SeriesRow } from '../../api/types';
import { useLanguage } from '../../frame/language';
import { examinationWords, isDocument } from '../../frame/modality';
import { GreyLines, Trouble } from '../../frame/Trouble';
import { useText } from '../../i18n';
import { Picture } from '../studies/Picture';
import { pieces } from './asks';
import { type Choice, isChosen, toggleImage, toggleSeries } from './choice';

const SHOWN = 60;

interface Props {
  uid: string;
  row: SeriesRow;
  choice: Choice;
  change: (choice: Choice) => void;
}

/** A series to choose, whole or image by image. */
export function SeriesChoice({ uid, row, choice, change }: Props) {
  const t = useText();
  const language = useLanguage();
  const [open, setOpen] = useState(false);
  const series = row.series_instance_uid;
  const some = choice.single.get(series)?.size ?? 0;
  const name = examinationWords([row.modality], row.description || row.body_part, language);
  return (
    <li data-testid="series-choice" data-series={series}>
      <div className="series-line">
        <Checkbox
          checked={choice.whole.has(series)}
          indeterminate={some > 0}
          aria-label={t('amend.wholeSeries', { name })}
          onChange={() => change(toggleSeries(choice, series))}
          data-testid="whole-series"
        />
        <Picture address={row.thumbnail} word={row.modality} />
        <span>
          {name} <span className="second">{t(isDocument(row.modality) ? 'study.objects' : 'study.images', { count: row.instance_count })}</span>
        </span>
        <Button size="small" aria-expanded={open} onClick={() => setOpen(!open)} data-testid="each">
          {some > 0 ? t('amend.someChosen', { count: some }) : t('amend.eachImage')}
        </Button>
      </div>
      {open && <Images uid={uid} row={row} choice={choice} change={change} />}
    </li>
  );
}

function Images({ uid, row, choice, change }: Props) {
  const t = useText();
  const [most, setMost] = useState(SHOWN);
  const series = row.series_instance_uid;
  const list = useQuery({
    queryKey: ['pieces', uid, series, row.instance_count],
    queryFn: ({ signal }) => pieces(uid, series, signal),
  });
  if (list.isPending) return <GreyLines count={2} />;
  if (list.isError) return <Trouble error={list.error} again={() => void list.refetch()} />;
  const all = list.data.map((piece) => piece.uid);
  return (
    <>
      <ul className="pieces" data-testid="pieces">
        {list.data.slice(0, most).map((piece, index) => (
          <li key={piece.uid}>
            <label className="piece">
              <Picture address={piece.thumbnail} word={row.modality} />
              <span>
                <input
                  type="checkbox"
                  checked={isChosen(choice, series, piece.uid)}
                  onChange={() => change(toggleImage(choice, series, piece.uid, all))}
                />{' '}
                {t('amend.image', { number: piece.number ?? index + 1 })}
              </span>
            </label>
          </li>
        ))}
      </ul>
      {all.length > most && (
        <Button size="small" onClick={() => setMost(most + SHOWN)}>
          {t('list.more')}
        </Button>
      )}
    </>
  );
}
