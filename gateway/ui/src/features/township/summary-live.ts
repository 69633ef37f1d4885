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
    // What is told before the first list was read is in that list.
    const stopSummary = onLive('queue.summary', (payload) =>
      setSummary((was) => was && { ...was, ...(payload as Partial<QueueSummary>) }),
    );
    const stopLine = onLive('line.changed', (payload) => setSummary((was) => was && { ...was, line: payload as Line }));
    return () => {
      stopSummary();
      stopLine();
    };
  }, []);
  return summary;
}
