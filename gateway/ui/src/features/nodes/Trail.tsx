import { useInfiniteQuery } from '@tanstack/react-query';
import { Button } from 'antd';
import { useEffect, useRef, useState } from 'react';

import { ask } from '../../api/client';
import type { NodeRow, NodeTrailLine, NodeTrailPage } from '../../api/types';
import { absolute, dayAndTime } from '../../frame/clock';
import { useLanguage } from '../../frame/language';
import { Technical } from '../../frame/Technical';
import { GreyLines, Trouble } from '../../frame/Trouble';
import { hasText, type Say, useText } from '../../i18n';
import { aboutOf, actOf, type Who, whoOf } from './trail-words';

const PAGE = 50;

/** What people did at the machine; asked for only when an auditor opens it, for that look is written down. */
export function Trail({ node }: { node: NodeRow }) {
  const t = useText();
  const [open, setOpen] = useState(false);
  if (open) return <Rows node={node} />;
  return (
    <section className="node-records">
      <Button size="small" onClick={() => setOpen(true)} data-testid="open-trail">
        {t('nodes.openTrail')}
      </Button>
    </section>
  );
}

function Rows({ node }: { node: NodeRow }) {
  const t = useText();
  const language = useLanguage();
  const list = useInfiniteQuery({
    queryKey: ['node-trail', node.id],
    queryFn: ({ pageParam, signal }) =>
      ask<NodeTrailPage>(
        `/api/v1/nodes/${node.id}/audit?limit=${PAGE}${pageParam ? `&cursor=${encodeURIComponent(pageParam)}` : ''}`,
        { signal },
      ),
    initialPageParam: '',
    getNextPageParam: (last) => last.next_cursor ?? undefined,
  });
  const rows = list.data?.pages.flatMap(({ items }) => items) ?? [];
  const section = useRef<HTMLElement>(null);
  // The button that was pressed has gone.
  useEffect(() => section.current?.focus(), []);
  return (
    <section ref={section} tabIndex={-1} className="node-records" aria-label={t('nodes.trailTitle')} data-testid="trail">
      <h3>{t('nodes.trailTitle')}</h3>
      {list.isPending && <GreyLines count={3} />}
      {list.isError && <Trouble error={list.error} again={() => void list.refetch()} />}
      {list.isSuccess && rows.length === 0 && <p className="second">{t('nodes.trailEmpty')}</p>}
      {rows.length > 0 && (
        <table>
          <thead>
            <tr>
              <th>{t('nodes.recordAt')}</th>
              <th>{t('signin.username')}</th>
              <th>{t('nodes.recordDid')}</th>
              <th>{t('nodes.recordOn')}</th>
              <th>{t('today.patientId')}</th>
              <th>{t('node.address')}</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((one) => (
              <tr key={`${one.chain}-${one.number}`} className={one.outcome === 0 ? '' : 'is-refused'}>
                <td title={absolute(one.at, language)}>{dayAndTime(one.at, language)}</td>
                <td>{who(whoOf(one), t)}</td>
                <td className="worded">
                  {did(one, t)}
                  {one.outcome === 0 ? '' : t('nodes.didNot')}
                </td>
                <td className="quiet">{about(one.subject, t)}</td>
                <td>{one.patient}</td>
                <td className="quiet">{one.address}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {rows.length > 0 && (
        <Technical
          facts={Object.fromEntries(rows.map((one) => [`${one.chain} ${one.number}`, `${one.event} ${one.subject}`.trim()]))}
        />
      )}
      {list.hasNextPage && (
        <Button size="small" disabled={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()} data-testid="more-trail">
          {t('list.more')}
        </Button>
      )}
    </section>
  );
}

function about(subject: string, t: Say): string {
  const found = aboutOf(subject);
  if (!found) return '';
  if (!found.tail) return t(found.key);
  return found.key === 'nodes.about.account' ? `${t(found.key)} ${found.tail}` : `${t(found.key)} …${found.tail}`;
}

function who(found: Who, t: Say): string {
  switch (found.kind) {
    case 'person':
      return found.name;
    case 'nobody':
      return t('nodes.byNobody');
    case 'machine':
      return t('nodes.about.machine');
    case 'device':
      return t('order.byMachine');
  }
}

function did(line: NodeTrailLine, t: Say): string {
  const { act, priority } = actOf(line);
  const named = `nodes.act.${act}`;
  const lane = `lane.${priority}`;
  if (hasText(named)) return hasText(lane) ? `${t(named)} ${t(lane)}` : t(named);
  const key = `nodes.did.${line.event}`;
  return hasText(key) ? t(key) : t('nodes.did.other');
}
