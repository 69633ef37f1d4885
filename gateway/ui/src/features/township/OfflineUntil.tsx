import { useQuery } from '@tanstack/react-query';

import { ask } from '../../api/client';
import { useSession } from '../../api/session';
import type { Session } from '../../api/types';
import { dayAndTime } from '../../frame/clock';
import { useLanguage } from '../../frame/language';
import { useText } from '../../i18n';

/** While the line is down: until when accounts of the county can sign in here; nothing while it is up. */
export function OfflineUntil({ down }: { down: boolean }) {
  const t = useText();
  const language = useLanguage();
  const known = useSession((store) => store.session?.offline_until);
  // The session was read when the page was opened; the county may have been heard since.
  const asked = useQuery({
    queryKey: ['offline-until'],
    queryFn: ({ signal }) => ask<Session>('/api/v1/session', { signal }),
    enabled: down && known !== undefined,
    staleTime: 0,
    gcTime: 0,
  });
  const until = asked.data?.offline_until ?? known;
  if (!down || !until) return null;
  return (
    <p className="note note-info township-note" role="status" data-testid="offline-until">
      {t('signin.offlineUntil', { at: dayAndTime(until, language) })}
    </p>
  );
}
