import { useQuery } from '@tanstack/react-query';
import { useEffect } from 'react';

import { ask } from '../../api/client';
import type { StudyDetail, StudyRow } from '../../api/types';
import { now } from '../../frame/clock';
import { onLive } from '../../live/channel';
import { arriving, unsettled } from '../studies/arrival';
import { Coming } from '../studies/StudyLine';

/** A line that goes down tells of it by nothing at all. */
const LOOK_AGAIN_MS = 60_000;

/**
 * At the county, how much of the open study is here and since when the rest cannot come, in the words of the list.
 * Asked for apart from the images: what is on the screen moves only when somebody says so.
 */
export function StillComing({ uid, row }: { uid: string; row: StudyRow }) {
  const { data, refetch } = useQuery({
    queryKey: ['study-arrival', uid],
    queryFn: async ({ signal }) => (await ask<StudyDetail>(`/api/v1/studies/${uid}`, { signal })).study,
    initialData: row,
    staleTime: LOOK_AGAIN_MS,
    refetchInterval: ({ state }) => (unsettled(state.data ?? row, now()) ? LOOK_AGAIN_MS : false),
  });
  useEffect(() => {
    const mine = (payload: unknown) => {
      if ((payload as { study_instance_uid: string }).study_instance_uid === uid) void refetch();
    };
    const again = () => void refetch();
    const stops = [onLive('study.completeness', mine), onLive('node.silent', again), onLive('node.back', again)];
    return () => stops.forEach((stop) => stop());
  }, [refetch, uid]);
  const coming = arriving(data.completeness, data.instance_count);
  return coming && <Coming coming={coming} />;
}
