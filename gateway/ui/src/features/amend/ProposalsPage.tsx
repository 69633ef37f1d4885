import { useInfiniteQuery } from '@tanstack/react-query';
import { Button } from 'antd';
import { useState } from 'react';

import type { Problem } from '../../api/client';
import type { Identity, Proposal, ProposalState } from '../../api/types';
import { Chip } from '../../frame/Chip';
import { absolute, dayAndTime, dicomDate } from '../../frame/clock';
import { useLanguage } from '../../frame/language';
import { sexText } from '../../frame/patient';
import { useText } from '../../i18n';
import { AdminFrame } from '../admin/Frame';
import { useHouses } from '../admin/HouseSelect';
import { type Column, Ledger } from '../admin/Ledger';
import { Refused } from '../admin/Refused';
import { useLedger } from '../admin/rows';
import { PERSONS, proposals } from './asks';
import { Decide } from './Decide';
import { agreement, IDENTITY_FIELDS, IDENTITY_WORDS, since } from './identities';
import { SideBySide } from './SideBySide';
import { amendTrouble } from './words';

const STATES: readonly ProposalState[] = ['open', 'confirmed', 'refused'];
const idOf = ({ id }: Proposal) => String(id);

/** Patients of two houses who may be one person: the centre looks at both and says so. */
export function ProposalsPage() {
  const t = useText();
  const language = useLanguage();
  const [state, setState] = useState<ProposalState>('open');
  const [said, setSaid] = useState('');
  const [lost, setLost] = useState<Problem | null>(null);
  const list = useInfiniteQuery({
    queryKey: [PERSONS, 'proposals', state],
    queryFn: ({ pageParam, signal }) => proposals(state, pageParam, signal),
    initialPageParam: '',
    getNextPageParam: (last) => last.next_cursor,
    staleTime: 0,
  });
  const rows = list.data?.pages.flatMap(({ items }) => items) ?? [];
  const count = rows.length;
  const ledger = useLedger(rows.map(idOf), undefined, false);
  const columns = useColumns();
  const answers = {
    open: list.hasNextPage ? 'amend.proposalsMore' : count === 0 ? 'amend.noProposal' : 'amend.proposals',
    confirmed: 'amend.confirmedCount',
    refused: 'amend.refusedCount',
  } as const;
  const choose = (one: ProposalState) => {
    setState(one);
    setSaid('');
    setLost(null);
    ledger.setOpen(null);
  };
  const decided = (row: Proposal) => {
    const at = rows.findIndex(({ id }) => id === row.id);
    const next = rows[at + 1] ?? rows[at - 1];
    ledger.setOpen(null);
    ledger.setActive(next ? idOf(next) : '');
    setLost(null);
    setSaid(t(row.state === 'confirmed' ? 'amend.saidSame' : 'amend.saidApart', { name: row.one.name || t('patient.noName') }));
  };
  /** Somebody was first: the pair may have left the list, so it is said above it. */
  const late = (error: Problem) => {
    setSaid('');
    setLost(error);
  };
  return (
    <AdminFrame
      title="tab.persons"
      answer={list.data && t(answers[state], { count })}
      state={list}
      said={said}
      tools={
        <div className="amend-which" role="group" aria-label={t('amend.which')}>
          {STATES.map((one) => (
            <Button
              key={one}
              size="small"
              className={state === one ? 'is-on' : ''}
              aria-pressed={state === one}
              onClick={() => choose(one)}
              data-testid={`state-${one}`}
            >
              {t(`amend.state.${one}`)}
            </Button>
          ))}
        </div>
      }
    >
      {lost && (
        <div className="note note-soon amend-note" data-testid="lost">
          <Refused error={lost} word={amendTrouble} />
        </div>
      )}
      {list.data && count === 0 && (
        <p className="trouble second" data-testid="empty">
          {t(state === 'open' ? 'amend.noProposalText' : 'amend.noneDecided')}
        </p>
      )}
      {count > 0 && (
        <Ledger
          label={t('tab.persons')}
          columns={columns}
          rows={rows}
          keyOf={idOf}
          marked={(row) => row.state === 'open'}
          {...ledger}
          detail={(row) => (
            <>
              <SideBySide proposal={row} />
              {row.state === 'open' ? (
                <Decide proposal={row} over={decided} late={late} />
              ) : (
                <p>
                  {t('amend.decidedBy', { by: row.decided_by, at: row.decided_at ? dayAndTime(row.decided_at, language) : '' })}{' '}
                  <span className="second">{t(since(row))}</span>
                </p>
              )}
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

function useColumns(): Column<Proposal>[] {
  const t = useText();
  const language = useLanguage();
  const houses = useHouses();
  const who = (one: Identity) => (
    <>
      <b>{one.name || t('patient.noName')}</b> {sexText(one.sex, language)} {dicomDate(one.birth_date)}{' '}
      <span className="second">
        {houses.get(one.issuer)?.name ?? one.issuer} {one.patient_id}
      </span>
    </>
  );
  const fields = (row: Proposal, which: 'agrees' | 'differs') =>
    IDENTITY_FIELDS.filter((field) => agreement(row, field) === which)
      .map((field) => t(IDENTITY_WORDS[field]))
      .join(t('app.listed'));
  return [
    { head: t('amend.oneOf'), width: 'minmax(330px, 1.3fr)', cell: ({ one }) => who(one) },
    { head: t('amend.otherOf'), width: 'minmax(330px, 1.3fr)', cell: ({ other }) => who(other) },
    { head: t('amend.agrees'), width: 'minmax(160px, 0.8fr)', cell: (row) => fields(row, 'agrees') },
    {
      head: t('amend.differs'),
      width: 'minmax(120px, 0.6fr)',
      cell: (row) => (row.differs.length > 0 ? <Chip kind="conflict">{fields(row, 'differs')}</Chip> : <span className="second">{t('amend.nothing')}</span>),
    },
    {
      head: t('amend.when'),
      width: '120px',
      cell: ({ proposed_at, decided_at }) => <span title={absolute(decided_at ?? proposed_at, language)}>{dayAndTime(decided_at ?? proposed_at, language)}</span>,
    },
  ];
}
