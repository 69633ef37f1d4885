import '../../styles/access.css';

import { useInfiniteQuery } from '@tanstack/react-query';
import { Button } from 'antd';
import { useEffect, useState } from 'react';

import { useUser } from '../../api/session';
import { Chip } from '../../frame/Chip';
import { absolute, dayAndTime, shortTime } from '../../frame/clock';
import { useLanguage } from '../../frame/language';
import { useLate } from '../../frame/late';
import { TopBar } from '../../frame/TopBar';
import { GreyLines, Trouble } from '../../frame/Trouble';
import { useText } from '../../i18n';
import { onLive } from '../../live/channel';
import { type LookRow, WATCHED, watchedLooks } from './asks';
import { ByNumber } from './ByNumber';
import { Judge } from './Judge';
import { Lookers } from './Lookers';

/** Emergency looks, those nobody has judged first: who opened whom, why, and who else looked at that patient. */
export default function LooksPage() {
  const t = useText();
  const [waiting, setWaiting] = useState(true);
  const [open, setOpen] = useState<number | null>(null);
  const list = useInfiniteQuery({
    queryKey: [...WATCHED, waiting],
    queryFn: ({ pageParam, signal }) => watchedLooks(waiting, pageParam, signal),
    initialPageParam: null as number | null,
    getNextPageParam: (last) => last.next_before,
    staleTime: 0,
  });
  const { refetch } = list;
  useEffect(() => {
    const stops = ['glass.opened', 'glass.reviewed'].map((topic) => onLive(topic, () => void refetch()));
    return () => stops.forEach((stop) => stop());
  }, [refetch]);
  useEffect(() => {
    document.title = t('tab.looks');
  }, [t]);
  const reviews = useUser().roles.includes('privacy-officer');
  const late = useLate(list.isPending);
  const rows = list.data?.pages.flatMap(({ items }) => items) ?? [];
  const left = list.data?.pages[0]?.waiting ?? null;
  return (
    <div className="page">
      <TopBar />
      <main className="looks" data-testid="looks" data-state={list.isPending ? 'loading' : 'ready'}>
        <h1 className="answer" data-testid="looks-answer">
          {left === null ? t('tab.looks') : left > 0 ? t('access.waiting', { count: left }) : t('access.noneWaiting')}
        </h1>
        <div className="looks-which" role="group" aria-label={t('access.which')}>
          {([true, false] as const).map((choice) => (
            <Button
              key={String(choice)}
              size="small"
              className={waiting === choice ? 'is-on' : ''}
              aria-pressed={waiting === choice}
              data-testid={choice ? 'waiting' : 'all'}
              onClick={() => {
                setWaiting(choice);
                setOpen(null);
              }}
            >
              {t(choice ? 'access.toReview' : 'access.all')}
            </Button>
          ))}
        </div>
        {reviews && <ByNumber />}
        {list.isError && <Trouble error={list.error} again={() => void refetch()} />}
        {list.isPending && late && <GreyLines />}
        {list.data && rows.length === 0 && <p className="trouble second">{t('access.noneText')}</p>}
        <ul className="look-list">
          {rows.map((row) => (
            <One key={row.id} row={row} open={open === row.id} toggle={() => setOpen(open === row.id ? null : row.id)} />
          ))}
        </ul>
        {list.hasNextPage && (
          <Button size="small" loading={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
            {t('list.more')}
          </Button>
        )}
      </main>
    </div>
  );
}

function One({ row, open, toggle }: { row: LookRow; open: boolean; toggle: () => void }) {
  const t = useText();
  const language = useLanguage();
  const reviews = useUser().roles.includes('privacy-officer');
  return (
    <li className={row.verdict ? '' : 'needs-act'} data-testid="look">
      <button type="button" className="look-line" aria-expanded={open} onClick={toggle}>
        <span title={absolute(row.since, language)}>{dayAndTime(row.since, language)}</span>
        <span>
          <b>{row.display_name}</b> <span className="second">{row.institution.name}</span>
        </span>
        <span>
          {row.patient_name || t('access.hiddenPatient')} <span className="second">{row.owner.name}</span>
        </span>
        <span className="look-why">{row.why}</span>
        <span>
          <Chip kind={row.verdict === 'justified' ? 'done' : 'question'}>
            {t(row.verdict ? `access.verdict.${row.verdict}` : 'access.toReview')}
          </Chip>
        </span>
      </button>
      {open && (
        <div className="look-detail">
          <dl className="facts-two">
            <dt>{t('access.whySaid')}</dt>
            <dd>{row.why}</dd>
            <dt>{t('access.lasted')}</dt>
            <dd>
              {dayAndTime(row.since, language)} – {shortTime(row.ended_at ?? row.until, language)}
            </dd>
            {row.patient_id && (
              <>
                <dt>{t('today.patientId')}</dt>
                <dd>{row.patient_id}</dd>
              </>
            )}
            {row.verdict && row.reviewed_at && (
              <>
                <dt>{t('access.reviewedBy')}</dt>
                <dd>
                  {row.reviewed_by} {dayAndTime(row.reviewed_at, language)} {row.note}
                </dd>
              </>
            )}
          </dl>
          {reviews && !row.verdict && <Judge row={row} />}
          {reviews && row.study_instance_uid && <Lookers study={row.study_instance_uid} />}
        </div>
      )}
    </li>
  );
}
