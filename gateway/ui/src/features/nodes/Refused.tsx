import { useInfiniteQuery } from '@tanstack/react-query';
import { Button } from 'antd';

import { ask } from '../../api/client';
import type { KeptPage, NodeRow } from '../../api/types';
import { absolute, dayAndTime } from '../../frame/clock';
import { useLanguage } from '../../frame/language';
import { Technical } from '../../frame/Technical';
import { Trouble } from '../../frame/Trouble';
import { hasText, type Say, useText } from '../../i18n';

const PAGE = 20;

/** What the machine told that could not be taken, with the reason; nothing where all was. */
export function Refused({ node }: { node: NodeRow }) {
  const t = useText();
  const language = useLanguage();
  const list = useInfiniteQuery({
    queryKey: ['node-letters', node.id, node.letters_refused],
    queryFn: ({ pageParam, signal }) =>
      ask<KeptPage>(`/api/v1/nodes/${node.id}/letters?limit=${PAGE}${pageParam ? `&cursor=${pageParam}` : ''}`, { signal }),
    initialPageParam: 0,
    getNextPageParam: (last) => last.next_cursor ?? undefined,
  });
  const rows = list.data?.pages.flatMap(({ items }) => items) ?? [];
  if (list.isError) return <Trouble error={list.error} again={() => void list.refetch()} />;
  if (rows.length === 0) return null;
  return (
    <section className="node-records" data-testid="refused">
      <h3>{t('nodes.refusedTitle')}</h3>
      <p className="second">{t('nodes.refusedText')}</p>
      <table>
        <thead>
          <tr>
            <th>{t('nodes.recordAt')}</th>
            <th>{t('nodes.recordWhat')}</th>
            <th>{t('nodes.recordWhy')}</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((one) => (
            <tr key={one.id}>
              <td title={absolute(one.at, language)}>{dayAndTime(one.at, language)}</td>
              <td className="worded">{kindWord(one.kind, t)}</td>
              <td className="worded">{whyWord(one.code, t)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <Technical facts={Object.fromEntries(rows.map((one) => [`${one.kind} ${one.key}`, `${one.code} ${one.detail}`.trim()]))} />
      {list.hasNextPage && (
        <Button size="small" disabled={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
          {t('list.more')}
        </Button>
      )}
    </section>
  );
}

function kindWord(kind: string, t: Say): string {
  const key = `nodes.kind.${kind}`;
  return hasText(key) ? t(key) : t('nodes.kindOther');
}

function whyWord(code: string, t: Say): string {
  const key = `nodes.why.${code}`;
  return hasText(key) ? t(key) : t('nodes.whyOther');
}
