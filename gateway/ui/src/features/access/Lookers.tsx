import { useInfiniteQuery } from '@tanstack/react-query';
import { Button } from 'antd';
import { useState } from 'react';

import { absolute, dayAndTime } from '../../frame/clock';
import { useLanguage } from '../../frame/language';
import { GreyLines, Trouble } from '../../frame/Trouble';
import { hasText, useText } from '../../i18n';
import { lookersOf, type NumberAsk } from './asks';

/** Who looked at a study's patient; asked for only when somebody opens it, for that look is written down as well. */
export function Lookers({ study }: { study: string }) {
  const t = useText();
  const [open, setOpen] = useState(false);
  if (open) return <LookerRows of={study} />;
  return (
    <Button className="lookers-open" size="small" onClick={() => setOpen(true)} data-testid="open-lookers">
      {t('access.whoLooked')}
    </Button>
  );
}

/** The rows of the trail: of a study's patient, or of whom a number names. */
export function LookerRows({ of }: { of: string | NumberAsk }) {
  const t = useText();
  const language = useLanguage();
  const list = useInfiniteQuery({
    queryKey: ['lookers', of],
    queryFn: ({ pageParam, signal }) => lookersOf(of, pageParam, signal),
    initialPageParam: null as number | null,
    getNextPageParam: (last) => last.next_before,
  });
  const pages = list.data?.pages ?? [];
  const rows = [...pages.flatMap(({ at_nodes }) => at_nodes), ...pages.flatMap(({ items }) => items)].sort(
    (one, other) => Date.parse(other.at) - Date.parse(one.at),
  );
  return (
    <section className="lookers" aria-label={t('access.whoLooked')} data-testid="lookers">
      <h3>{t('access.whoLooked')}</h3>
      {list.isPending && <GreyLines count={3} />}
      {list.isError && <Trouble error={list.error} again={() => void list.refetch()} />}
      {list.isSuccess && rows.length === 0 && <p className="second">{t('access.nobodyLooked')}</p>}
      {rows.length > 0 && (
        <table>
          <thead>
            <tr>
              <th>{t('nodes.recordAt')}</th>
              <th>{t('signin.username')}</th>
              <th>{t('studies.institution')}</th>
              <th>{t('nodes.recordDid')}</th>
              <th>{t('access.becauseOf')}</th>
              <th>{t('access.times')}</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((one) => (
              <tr key={`${one.node}:${one.id}:${one.subject}`} className={one.purpose ? 'is-emergency' : ''}>
                <td title={absolute(one.at, language)}>{dayAndTime(one.at, language)}</td>
                <td>{one.username || t('order.byMachine')}</td>
                <td>
                  {one.institution.name}
                  {one.node && <span className="second"> {t('access.atNode')}</span>}
                </td>
                <td>{said(`nodes.did.${one.event}`, t('nodes.did.other'))}</td>
                <td>{said(`access.reason.${one.reason}`, t('access.noReason'))}</td>
                <td>{one.times}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {list.hasNextPage && (
        <Button size="small" disabled={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
          {t('list.more')}
        </Button>
      )}
    </section>
  );

  function said(key: string, other: string): string {
    return hasText(key) ? t(key) : other;
  }
}
