import { useEffect, useState } from 'react';

import type { Line, QueueSummary } from '../../api/types';
import { onLive } from '../../live/channel';

/** The summary of the last list read, kept fresh by `queue.summary` and `line.changed`. */
export function useLiveSummary(read: QueueSummary | undefined): QueueSummary | undefined {
  const [summary, setSummary] = useState(read);
  useEffect(() => {
    if (read) setSummary(read);
  }, [read]);
  useEffect(() => {
    const stopSummary = onLive('queue.summary', (payload) =>
      setSummary((was) => ({ ...was, ...(payload as QueueSummary) })),
    );
    const stopLine = onLive('line.changed', (payload) => setSummary((was) => was && { ...was, line: payload as Line }));
    return () => {
      stopSummary();
      stopLine();
    };
  }, []);
  return summary;
}
