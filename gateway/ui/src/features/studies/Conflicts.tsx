import { useInfiniteQuery, useQueryClient } from '@tanstack/react-query';
import { Button } from 'antd';
import { type ReactNode, useEffect, useState } from 'react';

import { ask, Problem } from '../../api/client';
import { saveInstance } from '../../api/download';
import { useSession } from '../../api/session';
import type { Conflict, ConflictPage, StudyDetail } from '../../api/types';
import { absolute, dayAndTime, fileSize } from '../../frame/clock';
import { useLanguage } from '../../frame/language';
import { correctsStudies } from '../../frame/tabs';
import { hasText, type Say, useText } from '../../i18n';
import { onLive } from '../../live/channel';
import { Decide, type Wish } from './Decide';

const SHOWN = 5;
const MORE = 50;

/** What is wrong, in words: which part differs, or that somebody else's name stands in it. */
export function conflictText({ reason, differs }: Conflict, t: Say): string {
  if (reason === 'other-patient') return t('conflict.otherPatient');
  const [dataset, pixels] = [differs.includes('dataset'), differs.includes('pixels')];
  if (dataset && pixels) return t('conflict.both');
  if (pixels) return t('conflict.pixels');
  return t(dataset ? 'conflict.dataset' : 'conflict.unknown');
}

/** What of a study a person must look at: both contents with who sent them, and each to take along. */
export function Conflicts({ detail }: { detail: StudyDetail }) {
  const t = useText();
  const { conflicts: items, conflicts_cursor: next_cursor, conflicts_total: total } = detail;
  const uid = detail.study.study_instance_uid;
  const path = `/api/v1/studies/${uid}/conflicts`;
  const states = items.map(({ id, etag }) => `${id} ${etag}`).join();
  const client = useQueryClient();
  const [shown, setShown] = useState(SHOWN);
  const pages = useInfiniteQuery({
    // The first page came with the study; one that has others of them now begins anew.
    queryKey: ['conflicts', path, total, states],
    queryFn: ({ pageParam, signal }) => ask<ConflictPage>(`${path}?limit=${MORE}&cursor=${pageParam}`, { signal }),
    initialPageParam: '',
    initialData: { pages: [{ items, next_cursor, total }], pageParams: [''] },
    getNextPageParam: (page) => page.next_cursor,
    staleTime: Infinity,
  });
  useEffect(
    () =>
      onLive('study.decided', (payload) => {
        if ((payload as { study_instance_uid: string }).study_instance_uid !== uid) return;
        // The images shown so far may be of the other content.
        client.removeQueries({ queryKey: ['series', uid] });
        void client.invalidateQueries({ queryKey: ['study', uid] });
        void client.invalidateQueries({ queryKey: ['conflicts', path] });
      }),
    [client, path, uid],
  );
  const conflicts = pages.data.pages.flatMap((page) => page.items);
  const left = total - Math.min(shown, conflicts.length);
  const more = () => {
    setShown(shown + MORE);
    if (shown + MORE > conflicts.length && pages.hasNextPage) void pages.fetchNextPage();
  };
  return (
    <ul className="conflicts" data-testid="conflicts">
      {conflicts.slice(0, shown).map((conflict) => (
        <OneConflict key={conflict.id} conflict={conflict} path={path} study={uid} />
      ))}
      {left > 0 && (
        <li className="second">
          <button type="button" className="linkish" onClick={more}>
            {t('conflict.more', { count: left })}
          </button>
        </li>
      )}
    </ul>
  );
}

/** One thing to decide, or that was decided: what answers and what is kept beside it, side by side. */
function OneConflict({ conflict, path, study }: { conflict: Conflict; path: string; study: string }) {
  const t = useText();
  const language = useLanguage();
  const [wish, setWish] = useState<Wish | null>(null);
  const may = useSession((store) => correctsStudies(store.session));
  const { first, decision } = conflict;
  const use = (content: string, word: string) =>
    may && (
      <Button size="small" onClick={() => setWish({ content })} data-testid="use">
        {word}
      </Button>
    );
  return (
    <li data-testid="conflict" data-decided={decision !== null}>
      <b>{conflictText(conflict, t)}</b>
      <div className={first ? 'sides' : undefined}>
        {first && (
          <Content
            word={t(decision ? 'conflict.chosen' : 'conflict.inUse')}
            house={first.institution_name || first.institution}
            at={first.received_at}
            bytes={first.size_bytes}
            times={1}
            path={first.content}
            name={`${conflict.sop_instance_uid}-1`}
            used
            says={conflict.says.map(({ field, first: said }) => [field, said])}
          >
            {!decision && use(first.digest, t('conflict.keep'))}
          </Content>
        )}
        <Content
          word={first ? t(decision ? 'conflict.aside' : 'conflict.beside') : ''}
          house={conflict.institution_name || conflict.institution}
          at={conflict.kept_at}
          bytes={conflict.size_bytes}
          times={conflict.seen_count}
          path={conflict.content}
          name={`${conflict.sop_instance_uid}-2`}
          says={conflict.says.map(({ field, other }) => [field, other])}
        >
          {first && use(conflict.digest, t('conflict.use'))}
        </Content>
      </div>
      {decision && (
        <p className="second" data-testid="decided">
          {t('conflict.decided', { by: decision.made_by, at: dayAndTime(decision.made_at, language), reason: decision.reason })}{' '}
          {may && (
            <Button type="link" size="small" onClick={() => setWish({ content: null })} data-testid="take-back">
              {t('conflict.takeBack')}
            </Button>
          )}
        </p>
      )}
      {wish && (
        <Decide
          key={`${conflict.etag} ${wish.content ?? ''}`}
          wish={wish}
          path={`${path}/${conflict.id}`}
          version={conflict.etag}
          study={study}
          done={() => setWish(null)}
        />
      )}
    </li>
  );
}

function saidWord(field: string, t: Say): string {
  const key = `said.${field}`;
  return hasText(key) ? t(key) : field;
}

interface ContentProps {
  word: string;
  house: string;
  at: string;
  bytes: number;
  times: number;
  path: string;
  name: string;
  used?: boolean;
  /** By field, what it says where the two differ. */
  says: [field: string, said: string][];
  children?: ReactNode;
}

function Content({ word, house, at, bytes, times, path, name, used = false, says, children }: ContentProps) {
  const t = useText();
  const language = useLanguage();
  const [failed, setFailed] = useState(false);
  const save = async () => {
    setFailed(false);
    try {
      await saveInstance(path, `${name}.dcm`);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setFailed(true);
    }
  };
  return (
    <div className={`content${used ? ' is-used' : ''}`}>
      {word && <span>{word}</span>}
      <span>{house}</span>
      <span title={absolute(at, language)}>{dayAndTime(at, language)}</span>
      <span>{fileSize(bytes)}</span>
      {says.map(([field, said]) => (
        <span key={field} className="said">
          <span className="second">{saidWord(field, t)}</span> {said || t('said.nothing')}
        </span>
      ))}
      {times > 1 && <span>{t('conflict.times', { count: times })}</span>}
      <button type="button" className="linkish" onClick={() => void save()}>
        {t('conflict.save')}
      </button>
      {failed && <span role="alert">{t('viewer.downloadFailed')}</span>}
      {children}
    </div>
  );
}
