import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect } from 'react';

import { ask } from '../../api/client';
import { useSession } from '../../api/session';
import type { Line } from '../../api/types';
import { onLive, useChannel } from '../../live/channel';
import { LinePill } from './LinePill';

const LINE = ['line'] as const;

/** The line to the county on the township's other pages; undefined at the county, or for whom the line is no matter. */
export function useLineHere(): Line | undefined {
  const client = useQueryClient();
  const township = useSession((store) => store.session?.node === 'township');
  const offline = useChannel((channel) => channel.state === 'offline');
  const line = useQuery({
    queryKey: LINE,
    queryFn: ({ signal }) => ask<Line>('/api/v1/line', { signal }),
    enabled: township,
    // While no page listened the line may have changed: an old word is not shown as today's.
    gcTime: 0,
    staleTime: 0,
  });
  useEffect(() => onLive('line.changed', (payload) => client.setQueryData(LINE, payload)), [client]);
  return offline || !township ? undefined : line.data;
}

export function LineHere() {
  return <LinePill line={useLineHere()} />;
}
