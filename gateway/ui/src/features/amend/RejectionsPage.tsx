import { useInfiniteQuery } from '@tanstack/react-query';
import { Button } from 'antd';
import { useEffect, useState } from 'react';
import { Link } from 'react-router';

import type { RejectionRow } from '../../api/types';
import { Chip } from '../../frame/Chip';
import { absolute, dayAndTime } from '../../frame/clock';
import { useLanguage } from '../../frame/language';
import { Technical } from '../../frame/Technical';
import { useText } from '../../i18n';
import { onLive } from '../../live/channel';
import { AdminFrame } from '../admin/Frame';
import { useHouses } from '../admin/HouseSelect';
import { type Column, Ledger } from '../admin/Ledger';
import { useLedger } from '../admin/rows';
import { REJECTIONS, rejections } from './asks';
import { RejectionFacts } from './RejectionFacts';
import type { CameFrom } from './StudyFrame';

const idOf = ({ id }: RejectionRow) => String(id);
const HERE: CameFrom = { from: '/amend/rejections' };

/** What does not count in the house's studies: why, who said so, and how to take it back. */
export function RejectionsPage() {
  const t = useText();
  const language = useLanguage();
  const [said, setSaid] = useState('');
  const list = useInfiniteQuery({
    queryKey: [REJECTIONS, ''],
    queryFn: ({ pageParam, signal }) => rejections('', pageParam, signal),
    initialPageParam: '',
    getNextPageParam: (last) => last.next_cursor,
    staleTime: 0,
  });
  const { refetch } = list;
  useEffect(() => onLive('study.rejected', () => void refetch()), [refetch]);
  const rows = list.data?.pages.flatMap(({ items }) => items) ?? [];
  const stands = rows.filter(({ undone_at }) => undone_at === null).length;
  const houses = useHouses();
  const ledger = useLedger(rows.map(idOf), undefined, false);
  const columns: Column<RejectionRow>[] = [
    { head: t('amend.when'), width: '120px', cell: (row) => <span title={absolute(row.made_at, language)}>{dayAndTime(row.made_at, language)}</span> },
    {
      head: t('today.patient'),
      width: 'minmax(220px, 1.2fr)',
      cell: (row) =>
        row.name || row.patient_id ? (
          <>
            <b>{row.name || t('patient.noName')}</b> <span className="second">{row.patient_id}</span>
          </>
        ) : (
          <span className="second">{t('amend.notHereYet')}</span>
        ),
    },
    {
      head: t('today.examination'),
      width: 'minmax(180px, 1fr)',
      cell: (row) => (
        <>
          {row.description} <span className="second">{houses.get(row.institution)?.name ?? row.institution}</span>
        </>
      ),
    },
    {
      head: t('amend.why'),
      width: 'minmax(220px, 1.2fr)',
      cell: (row) => (
        <>
          {t(`amend.title.${row.title}`)} <span className="second">{row.reason}</span>
        </>
      ),
    },
    { head: t('amend.howMany'), width: '84px', cell: (row) => (row.undone_at ? '-' : t('study.images', { count: row.objects })) },
    { head: t('amend.by'), width: '110px', cell: (row) => (row.sent_by ? t('amend.bySystem', { title: row.sent_by }) : row.made_by) },
    {
      head: t('amend.now'),
      width: '110px',
      cell: (row) => (row.undone_at ? <Chip kind="done">{t('amend.restored')}</Chip> : <Chip kind="paused">{t('amend.stands')}</Chip>),
    },
  ];
  return (
    <AdminFrame
      title="tab.rejections"
      answer={list.data && t(list.hasNextPage ? 'amend.rejectionsMore' : stands === 0 ? 'amend.noneStand' : 'amend.rejections', { count: stands })}
      state={list}
      said={said}
    >
      {list.data && rows.length === 0 && (
        <p className="trouble second" data-testid="empty">
          {t('amend.noRejections')}
        </p>
      )}
      {rows.length > 0 && (
        <Ledger
          label={t('tab.rejections')}
          columns={columns}
          rows={rows}
          keyOf={idOf}
          {...ledger}
          detail={(row) => (
            <>
              <RejectionFacts
                row={row}
                undone={() => {
                  setSaid(t('amend.countsAgain'));
                  ledger.setOpen(null);
                }}
              />
              {row.undone_at && (
                <Link to={`/studies/${row.study_instance_uid}`} state={HERE}>
                  {t('studies.open')}
                </Link>
              )}
              <Technical facts={{ 'Study Instance UID': row.study_instance_uid, [t('amend.why')]: row.title }} />
            </>
          )}
        />
      )}
      {list.hasNextPage && (
        <Button className="admin-more" size="small" loading={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()} data-testid="more">
          {t('list.more')}
        </Button>
      )}
    </AdminFrame>
  );
}
