import { QueryClient, QueryObserver } from '@tanstack/react-query';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { REST_MS } from '../../live/again';
import { orderKey, orderNews } from './order-live';

const STUDY = '1.2.3';
const NEWS = { study_instance_uid: STUDY };

/** A page that asked for the order of STUDY a moment ago, and how often it did. */
function page() {
  const client = new QueryClient({ defaultOptions: { queries: { staleTime: 60_000, networkMode: 'always' } } });
  let asked = 0;
  const observer = new QueryObserver(client, {
    queryKey: orderKey(STUDY),
    queryFn: async () => {
      asked += 1;
      return asked;
    },
  });
  return { client, observer, asked: () => asked };
}

describe('news of the order behind a study', () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());
  const settled = () => vi.advanceTimersByTimeAsync(0);

  it('is asked for by the page that shows it, and by no other', async () => {
    const { client, observer, asked } = page();
    const { heard } = orderNews(client);
    observer.subscribe(() => undefined);
    await settled();
    heard({ study_instance_uid: '9.9' });
    await settled();
    expect(asked()).toBe(1);
    heard(NEWS);
    await settled();
    expect(asked()).toBe(2);
  });

  it('comes in a crowd and is asked for one question at a time', async () => {
    const { client, observer, asked } = page();
    const { heard } = orderNews(client);
    observer.subscribe(() => undefined);
    await settled();
    for (let event = 0; event < 60; event += 1) heard(NEWS);
    await vi.advanceTimersByTimeAsync(10 * REST_MS);
    expect(asked()).toBe(3);
  });

  it('makes an answer old that nobody looks at, until somebody does', async () => {
    const { client, observer, asked } = page();
    const { heard } = orderNews(client);
    const away = observer.subscribe(() => undefined);
    await settled();
    away();
    heard(NEWS);
    await settled();
    expect(asked()).toBe(1);
    observer.subscribe(() => undefined);
    await settled();
    expect(asked()).toBe(2);
  });
});
