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
const NONE: ReadonlySet<string> = new Set();

function unreadOrders(signal: AbortSignal): Promise<UnreadOrders> {
  return ask<UnreadOrders>('/api/v1/orders/unread', { signal });
}

/** Of the orders listed, those the township has not read; none where nobody can know. */
export function useUnread(): ReadonlySet<string> {
  const client = useQueryClient();
  const county = useSession((store) => store.session?.node === 'county');
  const { data } = useQuery({
    queryKey: UNREAD,
    queryFn: ({ signal }) => unreadOrders(signal),
    select: ({ items }) => (items.length ? new Set(items) : NONE),
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

/** How far orders that were just made are on their way. */
export type Told = 'here' | 'asking' | 'unread' | 'read';

/** Whether the machine that performs the orders *made* has read them all. */
export function useTold(made: readonly string[]): Told {
  const county = useSession((store) => store.session?.node === 'county');
  const { data } = useQuery({
    queryKey: [...UNREAD, ...made],
    queryFn: ({ signal }) => unreadOrders(signal),
    enabled: county && made.length > 0,
    staleTime: 0,
    gcTime: 0,
    refetchInterval: ({ state }) => (toldOf(county, state.data, made) === 'unread' ? SOON_MS : false),
  });
  return toldOf(county, data, made);
}

/** What the answer *unread* says of the orders *made*; at a township they are where they are performed. */
export function toldOf(county: boolean, unread: UnreadOrders | undefined, made: readonly string[]): Told {
  if (!county) return 'here';
  if (!unread) return 'asking';
  if (!unread.known) return 'here';
  return made.some((id) => unread.items.includes(id)) ? 'unread' : 'read';
}

/** What may be said of orders just made, where the township's machine says nothing since *away*. */
export function doneWord(told: Told, away: string): TextKey {
  switch (told) {
    case 'here':
      return 'today.doneTitle';
    case 'read':
      return 'today.doneRead';
    case 'asking':
      return away ? 'today.doneWaits' : 'today.doneHere';
    case 'unread':
      return away ? 'today.doneWaits' : 'today.doneUnread';
  }
}
