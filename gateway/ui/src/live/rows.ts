/** A list that stays live without moving under the hand: cells change in place, new rows wait while it is in use. */

import { type InfiniteData, useInfiniteQuery, useQueryClient } from '@tanstack/react-query';
import { useCallback, useEffect, useMemo, useRef, useState } from 'react';

import { listReadAt, onLive, useChannel } from './channel';

export interface Page<Row> {
  items: Row[];
  next_cursor?: string | null;
  last_event_id: number;
  /** How many rows there are in all, where the server counts them. */
  total?: number;
}

interface Options<Row, P extends Page<Row>> {
  queryKey: readonly unknown[];
  fetchPage: (cursor: string, signal: AbortSignal) => Promise<P>;
  /** Topic whose payload is one row. */
  topic: string;
  keyOf: (row: Row) => string;
  /** Whether a new row belongs to the list as it is filtered now. */
  belongs: (row: Row) => boolean;
  /** Rows that may not wait: they join at once (emergencies, pinned at the top). */
  urgent?: (row: Row) => boolean;
  /** Whether the list lies untouched at its top: new rows then come in by themselves. */
  atRest?: () => boolean;
}

/** How often rows that wait look whether the list has come to rest. */
const LOOK_AGAIN_MS = 1_000;

/** *data* with *row* in the place of its older self, or null when it is not in the list. Pure. */
export function replaced<Row, P extends Page<Row>>(
  data: InfiniteData<P, string>,
  row: Row,
  keyOf: (row: Row) => string,
): InfiniteData<P, string> | null {
  const key = keyOf(row);
  const page = data.pages.findIndex(({ items }) => items.some((item) => keyOf(item) === key));
  if (page < 0) return null;
  const pages = data.pages.map((one, index) =>
    index === page ? { ...one, items: one.items.map((item) => (keyOf(item) === key ? { ...item, ...row } : item)) } : one,
  );
  return { ...data, pages };
}

/** *data* with *rows* at its head, newest first. Pure. */
export function withNew<Row, P extends Page<Row>>(
  data: InfiniteData<P, string>,
  rows: readonly Row[],
): InfiniteData<P, string> {
  const [first, ...rest] = data.pages;
  if (!first) return data;
  const counted = first.total === undefined ? {} : { total: first.total + rows.length };
  return { ...data, pages: [{ ...first, ...counted, items: [...rows, ...first.items] }, ...rest] };
}

/** *rows* without the one of *key*; the same where it is not among them. */
function without<Row>(rows: ReadonlyMap<string, Row>, key: string): ReadonlyMap<string, Row> {
  return rows.has(key) ? new Map([...rows].filter(([one]) => one !== key)) : rows;
}

export function useLiveRows<Row, P extends Page<Row>>(options: Options<Row, P>) {
  const { queryKey, fetchPage, topic, keyOf, belongs, urgent, atRest } = options;
  const client = useQueryClient();
  const [fresh, setFresh] = useState<ReadonlyMap<string, Row>>(new Map());
  const key = JSON.stringify(queryKey);

  const query = useInfiniteQuery<P, Error, InfiniteData<P, string>, readonly unknown[], string>({
    queryKey,
    initialPageParam: '',
    queryFn: async ({ pageParam, signal }) => {
      const page = await fetchPage(pageParam, signal);
      listReadAt(page.last_event_id);
      return page;
    },
    getNextPageParam: (last) => last.next_cursor ?? undefined,
    placeholderData: (before) => before,
  });

  useEffect(() => setFresh(new Map()), [key]);
  const asked = useRef(atRest);
  asked.current = atRest;

  useEffect(
    () =>
      onLive(topic, (payload) => {
        const row = payload as Row;
        const data = client.getQueryData<InfiniteData<P, string>>(queryKey);
        if (!data) return;
        const changed = replaced(data, row, keyOf);
        if (changed) {
          client.setQueryData(queryKey, changed);
        } else if (belongs(row)) {
          if (urgent?.(row) || asked.current?.()) {
            client.setQueryData(queryKey, withNew(data, [row]));
            // It may have waited as something less urgent.
            setFresh((was) => without(was, keyOf(row)));
          } else setFresh((was) => new Map(was).set(keyOf(row), row));
        }
      }),
    // The key names the list; the functions only read it.
    [client, key, topic],
  );

  const showFresh = useCallback(() => {
    const data = client.getQueryData<InfiniteData<P, string>>(queryKey);
    if (data) client.setQueryData(queryKey, withNew(data, [...fresh.values()].reverse()));
    setFresh(new Map());
  }, [client, fresh, key]);

  const waiting = fresh.size > 0;
  useEffect(() => {
    if (!waiting) return undefined;
    const timer = setInterval(() => {
      if (asked.current?.()) showFresh();
    }, LOOK_AGAIN_MS);
    return () => clearInterval(timer);
  }, [showFresh, waiting]);

  // A list that could not be read is asked for again once the server is back: once, not for as long as it fails.
  const live = useChannel((channel) => channel.state === 'live');
  const failed = useRef(false);
  failed.current = query.isError;
  const { refetch } = query;
  useEffect(() => {
    if (live && failed.current) void refetch();
  }, [live, refetch]);

  const rows = useMemo(() => query.data?.pages.flatMap(({ items }) => items) ?? [], [query.data]);
  return { query, rows, first: query.data?.pages[0], freshCount: fresh.size, showFresh };
}
