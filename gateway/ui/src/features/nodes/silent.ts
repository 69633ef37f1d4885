/** Which townships' machines say nothing any more, and which were heard again; kept true by `node.silent` and `node.back`. */

import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useMemo } from 'react';
import { create } from 'zustand';

import { ask } from '../../api/client';
import { useSession } from '../../api/session';
import type { NodeList, NodeRow } from '../../api/types';
import { now } from '../../frame/clock';
import { watchesNodes } from '../../frame/tabs';
import { onLive } from '../../live/channel';

export const NODES = ['nodes'] as const;
const LOOK_AGAIN_MS = 15_000;

/** A machine that was heard again, and when. */
export interface Back {
  node: string;
  at: Date;
}

interface Seen {
  /** Silences somebody has taken note of, as `noteOf` names them. */
  noted: ReadonlySet<string>;
  back: readonly Back[];
}

export const useSilences = create<Seen>(() => ({ noted: new Set(), back: [] }));

/** Names one silence: the next one of the same machine is told again. */
export function noteOf({ id, down_since: since }: NodeRow): string {
  return `${id} ${since ?? ''}`;
}

export function silentOf(nodes: readonly NodeRow[]): NodeRow[] {
  return nodes.filter(({ state }) => state === 'silent');
}

/** Takes note of all that is told now. */
export function noteAll(silent: readonly NodeRow[]): void {
  useSilences.setState(({ noted }) => ({ noted: new Set([...noted, ...silent.map(noteOf)]), back: [] }));
}

export function nodeList(signal: AbortSignal): Promise<NodeList> {
  return ask<NodeList>('/api/v1/nodes', { signal });
}

/** The nodes this person may watch; none where there are none to watch. */
export function useWatched(everyMs: number | false = false): readonly NodeRow[] {
  const watches = useSession((store) => watchesNodes(store.session));
  const list = useQuery({
    queryKey: NODES,
    queryFn: ({ signal }) => nodeList(signal),
    enabled: watches,
    // Each beat of each machine is the page's matter that lists them; here the two events tell all.
    staleTime: Infinity,
    refetchInterval: everyMs,
  });
  return useMemo(() => (watches ? (list.data?.items ?? []) : []), [list.data, watches]);
}

/** Since when the line to every machine of the house *code* is down; empty while one is up, or none is known. */
export function awaySince(nodes: readonly NodeRow[], code: string | undefined): string {
  const mine = nodes.filter(({ institution, state }) => institution.code === code && state !== 'revoked');
  // A house with two machines is reached while one of them is.
  if (!mine.every(({ state }) => state === 'silent' || state === 'late')) return '';
  return mine.map(({ down_since: since }) => since ?? '').sort().at(-1) ?? '';
}

/** The same for a page that says what becomes of an order: a line that is down tells of it by nothing at all. */
export function useAwaySince(code: string | undefined): string {
  return awaySince(useWatched(code ? LOOK_AGAIN_MS : false), code);
}

/** Follows the two events, once for the whole workstation. */
export function useSilenceEvents(): void {
  const client = useQueryClient();
  const watches = useSession((store) => watchesNodes(store.session));
  useEffect(() => {
    if (!watches) return undefined;
    const again = () => void client.invalidateQueries({ queryKey: NODES });
    const stops = [
      onLive('node.silent', (payload) => {
        const { node } = payload as { node: string };
        useSilences.setState(({ back }) => ({ back: back.filter((one) => one.node !== node) }));
        again();
      }),
      onLive('node.back', (payload) => {
        const { node } = payload as { node: string };
        useSilences.setState(({ back }) => ({ back: [...back.filter((one) => one.node !== node), { node, at: now() }] }));
        again();
      }),
    ];
    return () => stops.forEach((stop) => stop());
  }, [client, watches]);
}
