import { QueryClient } from '@tanstack/react-query';

import { Problem } from './client';

/** Server state of the page. The live channel keeps it fresh, so nothing is asked again on a timer. */
export const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 60_000,
      gcTime: 5 * 60_000,
      refetchOnWindowFocus: false,
      // Away from the server a question waits and is asked again; an answer of 4xx will not change by asking.
      retry: (failures, error) =>
        error instanceof Problem && (error.unreachable || error.status >= 500) && failures < 3,
      retryDelay: (attempt) => Math.min(8000, 1000 * 2 ** attempt),
      networkMode: 'always',
    },
    mutations: { networkMode: 'always', retry: false },
  },
});
