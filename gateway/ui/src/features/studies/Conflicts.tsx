import { useInfiniteQuery } from '@tanstack/react-query';
import { useState } from 'react';

import { ask, Problem } from '../../api/client';
import { saveInstance } from '../../api/download';
import type { Conflict, ConflictPage, StudyDetail } from '../../api/types';
import { absolute, dayAndTime, fileSize } from '../../frame/clock';
import { useLanguage } from '../../frame/language';
import { type Say, useText } from '../../i18n';

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
  const path = `/api/v1/studies/${detail.study.study_instance_uid}/conflicts`;
  const [shown, setShown] = useState(SHOWN);
  const pages = useInfiniteQuery({
    // The first page came with the study; one that has more of them now begins anew.
    queryKey: ['conflicts', path, total],
    queryFn: ({ pageParam, signal }) => ask<ConflictPage>(`${path}?limit=${MORE}&cursor=${pageParam}`, { signal }),
    initialPageParam: '',
    initialData: { pages: [{ items, next_cursor, total }], pageParams: [''] },
    getNextPageParam: (page) => page.next_cursor,
    staleTime: Infinity,
  });
  const conflicts = pages.data.pages.flatMap((page) => page.items);
  const left = total - Math.min(shown, conflicts.length);
  const more = () => {
    setShown(shown + MORE);
    if (shown + MORE > conflicts.length && pages.hasNextPage) void pages.fetchNextPage();
  };
  return (
    <ul className="conflicts" data-testid="conflicts">
      {conflicts.slice(0, shown).map((conflict) => (
        <li key={conflict.id}>
          <b>{conflictText(conflict, t)}</b>
          {conflict.first && (
            <Content
              word={t('conflict.inUse')}
              house={conflict.first.institution_name || conflict.first.institution}
              at={conflict.first.received_at}
              bytes={conflict.first.size_bytes}
              times={1}
              path={conflict.first.content}
              name={`${conflict.sop_instance_uid}-1`}
            />
          )}
          <Content
            word={conflict.first ? t('conflict.beside') : ''}
            house={conflict.institution_name || conflict.institution}
            at={conflict.kept_at}
            bytes={conflict.size_bytes}
            times={conflict.seen_count}
            path={conflict.content}
            name={`${conflict.sop_instance_uid}-2`}
          />
        </li>
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

interface ContentProps {
  word: string;
  house: string;
  at: string;
  bytes: number;
  times: number;
  path: string;
  name: string;
}

function Content({ word, house, at, bytes, times, path, name }: ContentProps) {
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
    <p className="content">
      {word && <span>{word}</span>}
      <span>{house}</span>
      <span title={absolute(at, language)}>{dayAndTime(at, language)}</span>
      <span>{fileSize(bytes)}</span>
      {times > 1 && <span>{t('conflict.times', { count: times })}</span>}
      <button type="button" className="linkish" onClick={() => void save()}>
        {t('conflict.save')}
      </button>
      {failed && <span role="alert">{t('viewer.downloadFailed')}</span>}
    </p>
  );
}
