import { type InfiniteData, useQueryClient } from '@tanstack/react-query';
import { useEffect } from 'react';

import type { StudyArrival, StudyPage, StudyRow } from '../../api/types';
import { now } from '../../frame/clock';
import { onLive } from '../../live/channel';
import { unsettled } from './arrival';

/** A line that goes down tells of it by nothing at all: while a study is on its way, the list is read again so often. */
const LOOK_AGAIN_MS = 60_000;

interface Told {
  study_instance_uid: string;
  completeness: Omit<StudyArrival, 'down_since'>;
}

/** Keeps what the townships tell of studies on their way true in the list *rows* come from. */
export function useArrivals(rows: readonly StudyRow[], refetch: () => Promise<unknown>): void {
  const client = useQueryClient();
  useEffect(
    () =>
      onLive('study.completeness', (payload) => {
        const { study_instance_uid: uid, completeness } = payload as Told;
        client.setQueriesData<InfiniteData<StudyPage, string>>({ queryKey: ['studies'] }, (data) => {
          if (!data?.pages.some(({ items }) => items.some((row) => row.study_instance_uid === uid))) return data;
          const told = (row: StudyRow) =>
            // It has just been heard of: its line is up.
            row.study_instance_uid === uid ? { ...row, completeness: { ...completeness, down_since: null } } : row;
          return { ...data, pages: data.pages.map((one) => ({ ...one, items: one.items.map(told) })) };
        });
      }),
    [client],
  );
  const waiting = rows.some((row) => unsettled(row, now()));
  useEffect(() => {
    if (!waiting) return undefined;
    const again = () => void refetch();
    const timer = setInterval(again, LOOK_AGAIN_MS);
    const stops = [onLive('node.silent', again), onLive('node.back', again)];
    return () => {
      clearInterval(timer);
      stops.forEach((stop) => stop());
    };
  }, [refetch, waiting]);
}
