/** What is here of the studies a page shows, kept true by `study.here` and `prior.updated`. */

import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useMemo } from 'react';

import { ask } from '../../api/client';
import { useSession } from '../../api/session';
import type { EarlierList, Line, StudyHere } from '../../api/types';
import { readsStudies } from '../../frame/tabs';
import { onLive } from '../../live/channel';
import { withWord } from './here';

const AT_ONCE = 100;
const HERE = ['here'] as const;

/** Whether this page looks at studies on the township's own machine. */
export function useLooksHere(): boolean {
  return useSession((store) => store.session?.node === 'township' && readsStudies(store.session.user?.roles ?? []));
}

async function whatIsHere(studies: readonly string[], signal: AbortSignal): Promise<readonly StudyHere[]> {
  const parts: Promise<{ items: StudyHere[] }>[] = [];
  for (let at = 0; at < studies.length; at += AT_ONCE) {
    parts.push(ask(`/api/v1/here?study=${studies.slice(at, at + AT_ONCE).join(',')}`, { signal }));
  }
  return (await Promise.all(parts)).flatMap(({ items }) => items);
}

/** What is here of *studies*, by their UIDs; empty at the county and for whom images are no matter. */
export function useHere(studies: readonly string[]): ReadonlyMap<string, StudyHere> {
  const client = useQueryClient();
  const looks = useLooksHere();
  const named = useMemo(() => [...new Set(studies)].sort(), [studies]);
  const query = useQuery({
    queryKey: [...HERE, named.join(',')],
    queryFn: ({ signal }) => whatIsHere(named, signal),
    enabled: looks && named.length > 0,
    placeholderData: (before) => before,
    // A report may have come while no page listened.
    staleTime: 0,
  });
  useEffect(() => {
    if (!looks) return undefined;
    const stops = [
      onLive('study.here', (payload) =>
        client.setQueriesData<readonly StudyHere[]>({ queryKey: HERE }, (known) => known && withWord(known, payload as StudyHere)),
      ),
      onLive('prior.updated', () => void client.invalidateQueries({ queryKey: HERE })),
    ];
    return () => stops.forEach((stop) => stop());
  }, [client, looks]);
  return useMemo(() => new Map((query.data ?? []).map((one) => [one.study_instance_uid, one])), [query.data]);
}

/** Asks the county for a study; it comes when the line allows, also when it is down now. */
export function useAskCounty() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (study: string) => ask('/api/v1/priors', { method: 'POST', body: { study_instance_uid: study } }),
    onSettled: () => {
      void client.invalidateQueries({ queryKey: HERE });
      void client.invalidateQueries({ queryKey: ['earlier'] });
    },
  });
}

/** Tries what could not be had of a study again, at once. */
export function useRetryBack() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (study: string) => ask(`/api/v1/priors/${study}/retry`, { method: 'POST', body: {} }),
    onSettled: () => {
      void client.invalidateQueries({ queryKey: HERE });
      void client.invalidateQueries({ queryKey: ['earlier'] });
    },
  });
}

/** A patient: of a study that came through this machine, or registered here. Never by a number, which no address may hold. */
export type Whose = { study: string } | { patient: string };

/** The studies of a patient: those that came through this machine at once, then with the county's. */
export function useEarlier(whose: Whose) {
  const own = useQuery({
    queryKey: ['earlier', whose, 'own'],
    queryFn: ({ signal }) => earlier(whose, false, signal),
  });
  const all = useQuery({
    queryKey: ['earlier', whose, 'county'],
    queryFn: ({ signal }) => earlier(whose, true, signal),
    staleTime: 0,
  });
  const { refetch } = all;
  useEffect(
    () =>
      onLive('line.changed', (payload) => {
        if ((payload as Line).state === 'up') void refetch();
      }),
    [refetch],
  );
  return { list: all.data ?? own.data, own, all };
}

function earlier(whose: Whose, county: boolean, signal: AbortSignal): Promise<EarlierList> {
  const asked = new URLSearchParams({ ...whose, county: String(county) });
  return ask<EarlierList>(`/api/v1/earlier?${asked.toString()}`, { signal });
}
