/** The order behind a study is asked for again once the server says that it, or its patient, changed. */

import type { QueryClient } from '@tanstack/react-query';

import { type Again, oneAtATime } from '../../live/again';
import { onLive } from '../../live/channel';

/** What the answer about *study* is kept under. */
export const orderKey = (study: string) => ['study-order', study] as const;

interface OrderNews {
  heard: (payload: unknown) => void;
  stop: () => void;
}

/**
 * Makes each answer *client* keeps known as old when news of its study is heard, and asks for it again, one question
 * at a time, where somebody looks at it.
 */
export function orderNews(client: QueryClient): OrderNews {
  const asks = new Map<string, Again>();
  const askOf = (study: string): Again => {
    const known = asks.get(study);
    if (known) return known;
    const made = oneAtATime(() => client.refetchQueries({ queryKey: orderKey(study), type: 'active' }));
    asks.set(study, made);
    return made;
  };
  return {
    heard: (payload) => {
      const { study_instance_uid: study } = payload as { study_instance_uid: string };
      const queryKey = orderKey(study);
      if (!client.getQueryState(queryKey)) return;
      void client.invalidateQueries({ queryKey, refetchType: 'none' });
      askOf(study).again();
    },
    stop: () => asks.forEach((one) => one.stop()),
  };
}

/** Listens for *client* until what is returned is called. */
export function followOrders(client: QueryClient): () => void {
  const news = orderNews(client);
  const unheard = onLive('study.order-updated', news.heard);
  return () => {
    unheard();
    news.stop();
  };
}
