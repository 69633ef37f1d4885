import { useQuery } from '@tanstack/react-query';
import { type ReactNode, useEffect } from 'react';
import { Link, useLocation } from 'react-router';

import { ask, Problem } from '../../api/client';
import { useSession } from '../../api/session';
import type { Session, StudyDetail, StudyRow } from '../../api/types';
import { useLate } from '../../frame/late';
import { LanguageSwitch } from '../../frame/LanguageSwitch';
import { revealOfStudy } from '../../frame/Masked';
import { PatientHeader } from '../../frame/PatientHeader';
import { LivePill } from '../../frame/TopBar';
import { GreyLines, Trouble } from '../../frame/Trouble';
import { useText } from '../../i18n';

/** Where a door to these pages stands: the way back leads there. */
export interface CameFrom {
  from?: string;
}

/** The study one looks at is there no more: all of it was rejected, or it went out of one's reach. */
export function Gone() {
  const t = useText();
  return (
    <p className="note note-soon" role="alert" data-testid="gone">
      {t('amend.gone')}
    </p>
  );
}

interface Props {
  uid: string;
  title: string;
  /** Whose the page is (`may.ts`): others come here by its address alone. */
  allowed: (session: Session | null, study: StudyRow) => boolean;
  /** Draws the study; *gone* says that it is there no more. */
  children: (detail: StudyDetail, gone: boolean) => ReactNode;
}

/** One study under its patient's header, with the way back to where one came from. */
export function StudyFrame({ uid, title, allowed, children }: Props) {
  const t = useText();
  const from = (useLocation().state as CameFrom | null)?.from ?? '/studies';
  const study = useQuery({
    queryKey: ['study', uid],
    queryFn: ({ signal }) => ask<StudyDetail>(`/api/v1/studies/${uid}`, { signal }),
    staleTime: 0,
  });
  const late = useLate(study.isPending);
  const detail = study.data;
  const mine = useSession((store) => detail !== undefined && allowed(store.session, detail.study));
  const gone = study.error instanceof Problem && study.error.status === 404;
  useEffect(() => {
    document.title = title;
  }, [title]);
  const back = (
    <Link to={from} className="to-list" data-testid="back">
      {t(from === '/studies' ? 'viewer.back' : 'amend.back')}
    </Link>
  );
  return (
    <div className="page">
      {detail ? (
        <PatientHeader
          key={`${detail.study.patient.name} ${detail.study.patient.masked_id}`}
          patient={detail.study.patient}
          number={detail.study.accession_number}
          reveal={() => revealOfStudy(uid)}
          unidentified={detail.study.unidentified}
          emergency={detail.study.priority === 'emergency'}
          lead={back}
        >
          <span className="stretch" />
          <LivePill />
          <LanguageSwitch />
        </PatientHeader>
      ) : (
        <header className="patient">{back}</header>
      )}
      <main className="amend" data-testid="amend" data-state={detail ? 'ready' : study.isError ? 'error' : 'loading'}>
        {!detail && study.isError && <Trouble error={study.error} again={() => void study.refetch()} />}
        {!detail && study.isPending && late && <GreyLines />}
        {detail &&
          (mine ? (
            children(detail, gone)
          ) : (
            <p className="trouble" role="alert" data-testid="not-mine">
              {t('app.none')}
            </p>
          ))}
      </main>
    </div>
  );
}
