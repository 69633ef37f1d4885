import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Button } from 'antd';
import { useEffect, useState } from 'react';

import { ask } from '../../api/client';
import type { DestinationList, PriorDetail, SentOn } from '../../api/types';
import { type Language, shortTime } from '../../frame/clock';
import { useLanguage } from '../../frame/language';
import { Trouble, useTroubleText } from '../../frame/Trouble';
import { type Say, useText } from '../../i18n';
import { onLive } from '../../live/channel';

/** How far a sending is told by no event of its own: so often it is asked for while one is under way. */
const LOOK_AGAIN_MS = 15_000;

/** Sends a study that came back from the county on to a device or archive of the house. */
export function SendOn({ study }: { study: string }) {
  const t = useText();
  const [open, setOpen] = useState(false);
  return (
    <span className="send-on" data-testid="send-on">
      <Button size="small" aria-expanded={open} onClick={() => setOpen((was) => !was)} data-testid="send-on-open">
        {t('send.on')}
      </Button>
      {open && <Places study={study} />}
    </span>
  );
}

function Places({ study }: { study: string }) {
  const t = useText();
  const trouble = useTroubleText();
  const language = useLanguage();
  const client = useQueryClient();
  const places = useQuery({
    queryKey: ['destinations'],
    queryFn: ({ signal }) => ask<DestinationList>('/api/v1/destinations', { signal }),
    staleTime: 60_000,
  });
  const key = ['prior', study] as const;
  const detail = useQuery({
    queryKey: key,
    queryFn: ({ signal }) => ask<PriorDetail>(`/api/v1/priors/${study}`, { signal }),
    staleTime: 0,
    refetchInterval: (query) => (query.state.data?.prior.sends.some(({ state }) => state === 'waiting') ? LOOK_AGAIN_MS : false),
  });
  const send = useMutation({
    mutationFn: (title: string) => ask(`/api/v1/priors/${study}/send`, { method: 'POST', body: { ae_title: title } }),
    onSettled: () => client.invalidateQueries({ queryKey: ['prior', study] }),
  });
  useEffect(() => onLive('prior.updated', () => void client.invalidateQueries({ queryKey: ['prior', study] })), [client, study]);
  if (places.isError) return <Trouble error={places.error} again={() => void places.refetch()} />;
  if (!places.data) return <span className="second">{t('app.loading')}</span>;
  if (places.data.items.length === 0) return <span className="second">{t('send.nowhere')}</span>;
  const sends = newest(detail.data?.prior.sends ?? []);
  return (
    <span className="send-places" role="group" aria-label={t('send.where')}>
      {places.data.items.map(({ ae_title: title }) => {
        const last = sends.get(title);
        return (
          <span key={title}>
            <Button
              size="small"
              disabled={send.isPending || last?.state === 'waiting'}
              onClick={() => send.mutate(title)}
              data-testid="send-to"
            >
              {title}
            </Button>{' '}
            {last && (
              <span role="status" className={last.state === 'failed' ? 'fault' : 'second'} data-testid="sent-on" data-state={last.state}>
                {words(last, language, t)}
              </span>
            )}
          </span>
        );
      })}
      {send.isError && (
        <span className="fault" role="alert">
          {trouble(send.error).text}
        </span>
      )}
    </span>
  );
}

/** The last sending to each place. */
function newest(sends: readonly SentOn[]): ReadonlyMap<string, SentOn> {
  return new Map(sends.map((one) => [one.ae_title, one]));
}

function words({ state, code, asked_at: at, sent }: SentOn, language: Language, t: Say): string {
  switch (state) {
    case 'waiting':
      if (code === 'disk') return t('send.disk');
      return code ? t('send.again') : t('send.waiting', { at: shortTime(at, language) });
    case 'done':
      return t('send.done', { count: sent });
    case 'failed':
      return code === 'object-missing' ? t('send.gone') : t('send.failed', { code });
  }
}
