import { useInfiniteQuery, useMutation } from '@tanstack/react-query';
import { Button, Input, Select } from 'antd';
import { useState } from 'react';

import { saveTable } from '../../api/download';
import { useUser } from '../../api/session';
import { absolute, clockTime, dayAndTime, today } from '../../frame/clock';
import { useLanguage } from '../../frame/language';
import { Technical } from '../../frame/Technical';
import { hasText, useText } from '../../i18n';
import { ExamDates } from '../studies/ExamDates';
import { trail, trailExport, type TrailLine, type TrailWanted } from './asks';
import { Chain } from './Chain';
import { AdminFrame } from './Frame';
import { HouseSelect, useHouses } from './HouseSelect';
import { type Column, Ledger } from './Ledger';
import { Refused } from './Refused';
import { useLedger } from './rows';

const EVENTS = [
  'signed-in',
  'sign-in-refused',
  'signed-out',
  'study-seen',
  'record-seen',
  'queried',
  'stored',
  'exported',
  'changed',
  'deleted',
  'account-changed',
  'network-changed',
  'audit-read',
  'access-refused',
  'emergency-opened',
  'emergency-reviewed',
  'started',
  'stopped',
] as const;

const idOf = ({ id }: TrailLine) => String(id);

/** Who did what, to whose record, when; and whether the record of it is whole. */
export function AuditPage() {
  const t = useText();
  const language = useLanguage();
  const checks = useUser().roles.includes('audit-administrator');
  const houses = useHouses();
  const start: TrailWanted = { username: '', institution: '', event: '', patient: '', from: today(), to: today() };
  const [typed, setTyped] = useState(start);
  const [wanted, setWanted] = useState(start);
  const list = useInfiniteQuery({
    queryKey: ['admin', 'trail', wanted],
    queryFn: ({ pageParam, signal }) => trail(wanted, pageParam, signal),
    initialPageParam: null as number | null,
    getNextPageParam: (last) => last.next_before,
    staleTime: 0,
  });
  const table = useMutation({ mutationFn: () => saveTable(trailExport(wanted), `audit-${today()}.csv`) });
  const rows = list.data?.pages.flatMap(({ items }) => items) ?? [];
  const ledger = useLedger(rows.map(idOf));
  const set = (part: Partial<TrailWanted>) => setTyped((was) => ({ ...was, ...part }));
  const event = (name: string) => {
    const key = `audit.event.${name}`;
    return hasText(key) ? t(key) : name;
  };
  const columns: Column<TrailLine>[] = [
    { head: t('audit.at'), width: '160px', cell: (one) => <span title={absolute(one.at, language)}>{dayAndTime(one.at, language)}</span> },
    {
      head: t('audit.who'),
      width: 'minmax(220px, 1fr)',
      cell: (one) => (
        <>
          <b>{one.username || t('audit.nobody')}</b> <span className="second">{houses.get(one.institution)?.name ?? one.institution}</span>
        </>
      ),
    },
    {
      head: t('audit.what'),
      width: 'minmax(200px, 1fr)',
      cell: (one) => (
        <>
          {event(one.event)} {one.outcome !== 0 && !one.event.endsWith('-refused') && <span className="fault">{t('audit.failed')}</span>}
        </>
      ),
    },
    { head: t('audit.patient'), width: '190px', cell: (one) => one.patient || '-' },
    {
      head: t('audit.times'),
      width: '200px',
      cell: (one) =>
        one.later_accesses > 0 && one.last_at
          ? t('audit.again', { count: one.later_accesses, at: dayAndTime(one.last_at, language) })
          : '-',
    },
  ];
  return (
    <AdminFrame
      title="tab.audit"
      answer={list.data && t(list.hasNextPage ? 'audit.answerMore' : 'audit.answer', { count: rows.length })}
      state={list}
      tools={
        <form
          className="audit-ask"
          data-testid="audit-form"
          onSubmit={(asked) => {
            asked.preventDefault();
            ledger.setOpen(null);
            if (JSON.stringify(typed) === JSON.stringify(wanted)) void list.refetch();
            setWanted(typed);
          }}
        >
          <ExamDates from={typed.from} to={typed.to} change={(from, to) => set({ from, to })} />
          <Input
            id="admin-find"
            className="audit-who"
            size="small"
            autoComplete="off"
            value={typed.username}
            placeholder={t('audit.username')}
            aria-label={t('audit.username')}
            onChange={({ target }) => set({ username: target.value })}
            data-testid="audit-username"
          />
          {checks && (
            <span className="audit-house">
              <HouseSelect id="audit-house" label={t('admin.house')} value={typed.institution} none={t('audit.everyHouse')} change={(institution) => set({ institution })} />
            </span>
          )}
          <Select
            size="small"
            className="audit-event"
            aria-label={t('audit.what')}
            value={typed.event}
            onChange={(name: string) => set({ event: name })}
            options={[{ value: '', label: t('audit.everything') }, ...EVENTS.map((value) => ({ value, label: t(`audit.event.${value}`) }))]}
          />
          <Input
            className="audit-patient"
            size="small"
            autoComplete="off"
            value={typed.patient}
            placeholder={t('audit.patientExact')}
            aria-label={t('audit.patientExact')}
            onChange={({ target }) => set({ patient: target.value })}
            data-testid="audit-patient"
          />
          <Button type="primary" size="small" htmlType="submit" data-testid="audit-search">
            {t('audit.search')}
          </Button>
        </form>
      }
    >
      <div className="admin-tools">
        {checks && <Chain />}
        <span className="stretch" />
        <span className="quiet">{t('audit.readIsRead')}</span>
        <Button loading={table.isPending} disabled={rows.length === 0} onClick={() => table.mutate()} data-testid="export">
          {t('audit.export')}
        </Button>
      </div>
      {table.isError && <Refused error={table.error} />}
      {list.data && rows.length === 0 && <p className="trouble second">{t('audit.none')}</p>}
      {rows.length > 0 && (
        <Ledger
          label={t('tab.audit')}
          columns={columns}
          rows={rows}
          keyOf={idOf}
          marked={({ outcome }) => outcome !== 0}
          {...ledger}
          detail={(one) => (
            <Technical
              facts={{
                [t('audit.at')]: `${absolute(one.at, language)} (${clockTime(one.at, { seconds: true })})`,
                [t('audit.about')]: one.subject,
                [t('audit.reason')]: one.reason,
                [t('audit.address')]: one.address,
                [t('audit.place')]: `${one.chain} ${one.number}`,
                ...Object.fromEntries(Object.entries(one.detail).map(([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)])),
              }}
              open
            />
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
