/** What the township's own machine has not read of the orders that are made for it at the county. */

import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect } from 'react';

import { ask } from '../../api/client';
import { useSession } from '../../api/session';
import type { UnreadOrders } from '../../api/types';
import type { TextKey } from '../../i18n';
import { onLive } from '../../live/channel';

const UNREAD = ['orders-unread'] as const;
/** Somebody stands before the page and waits for it. */
const SOON_MS = 2_000;
/** A machine reads an order without telling of it: so often it is asked for while some are unread, */
const LOOK_AGAIN_MS = 10_000;
/** and so often while none is. */
const LOOK_MS = 60_000;
const NONE: NotThere = { ids: new Set(), machine: true };

/** Of the orders listed, those the township has not read, and whether it has a machine that could. */
export interface NotThere {
  ids: ReadonlySet<string>;
  machine: boolean;
}

function unreadOrders(signal: AbortSignal): Promise<UnreadOrders> {
  return ask<UnreadOrders>('/api/v1/orders/unread', { signal });
}

/** What the township has not read; nothing where nobody has to. */
export function useUnread(): NotThere {
  const client = useQueryClient();
  const county = useSession((store) => store.session?.node === 'county');
  const { data } = useQuery({
    queryKey: UNREAD,
    queryFn: ({ signal }) => unreadOrders(signal),
    select: notThere,
    enabled: county,
    staleTime: 0,
    refetchInterval: ({ state }) => (!state.data?.known ? false : state.data.items.length ? LOOK_AGAIN_MS : LOOK_MS),
  });
  useEffect(() => {
    if (!county) return undefined;
    const again = () => void client.invalidateQueries({ queryKey: UNREAD });
    const stops = ['order.updated', 'node.silent', 'node.back'].map((topic) => onLive(topic, again));
    return () => stops.forEach((stop) => stop());
  }, [client, county]);
  return data ?? NONE;
}

/** What the answer says; of a machine that is not there only where one would have to read. */
export function notThere({ known, machine, items }: UnreadOrders): NotThere {
  return known ? { ids: new Set(items), machine } : NONE;
}

/** How far an order of the list is on its way, where that is to be said. */
export type Wait = '' | 'unread' | 'nobody';

/** What is said of the order *id*. */
export function waitOf({ ids, machine }: NotThere, id: string): Wait {
  if (!ids.has(id)) return '';
  return machine ? 'unread' : 'nobody';
}

/** How far orders that were just made are on their way. */
export type Told = 'here' | 'asking' | 'nobody' | 'unread' | 'read';

/** From which the word may still become better. */
const LATER: ReadonlySet<Told> = new Set<Told>(['unread', 'nobody']);

/** Whether the machine that performs the orders *made* has read them all. */
export function useTold(made: readonly string[]): Told {
  const county = useSession((store) => store.session?.node === 'county');
  const { data } = useQuery({
    queryKey: [...UNREAD, ...made],
    queryFn: ({ signal }) => unreadOrders(signal),
    enabled: county && made.length > 0,
    staleTime: 0,
    gcTime: 0,
    refetchInterval: ({ state }) => (LATER.has(toldOf(county, state.data, made)) ? SOON_MS : false),
  });
  return toldOf(county, data, made);
}

/** What the answer *unread* says of the orders *made*; at a township they are where they are performed. */
export function toldOf(county: boolean, unread: UnreadOrders | undefined, made: readonly string[]): Told {
  if (!county) return 'here';
  if (!unread) return 'asking';
  if (!unread.known) return 'here';
  if (!unread.machine) return 'nobody';
  return made.some((id) => unread.items.includes(id)) ? 'unread' : 'read';
}

/** What may be said of orders just made, where the township's machine says nothing since *away*. */
export function doneWord(told: Told, away: string): TextKey {
  switch (told) {
    case 'here':
      return 'today.doneTitle';
    case 'read':
      return 'today.doneRead';
    case 'nobody':
      return 'today.doneNobody';
    case 'asking':
      return away ? 'today.doneWaits' : 'today.doneHere';
    case 'unread':
      return away ? 'today.doneWaits' : 'today.doneUnread';
  }
}
