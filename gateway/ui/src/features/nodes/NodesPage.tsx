import '../../styles/nodes.css';

import { useQuery } from '@tanstack/react-query';
import { useCallback, useEffect, useMemo, useState } from 'react';

import { ask } from '../../api/client';
import type { NodeDetail, NodeList, NodeRow } from '../../api/types';
import { Chip } from '../../frame/Chip';
import { absolute, clockTime, dayAndTime, fileSize, rate } from '../../frame/clock';
import { type Key, usePageKeys } from '../../frame/keys';
import { useLanguage } from '../../frame/language';
import { useLate } from '../../frame/late';
import { modalityWord } from '../../frame/modality';
import { useRowFocus } from '../../frame/moving';
import { Technical } from '../../frame/Technical';
import { TopBar } from '../../frame/TopBar';
import { GreyLines, Trouble } from '../../frame/Trouble';
import { useText } from '../../i18n';
import { onLive, useChannel } from '../../live/channel';
import { CHIP, clockIsOff, countsOf, isShortOfRoom, waiting, worstFirst } from './node-words';

/** A line that went quiet tells of itself by nothing at all: so often its state is asked for. */
const LOOK_AGAIN_MS = 30_000;
/** Heartbeats of many townships may come together. */
const TOGETHER_MS = 1_000;
const rowId = (id: string) => `node-${id}`;

export default function NodesPage() {
  const t = useText();
  const channel = useChannel();
  const [open, setOpen] = useState<string | null>(null);
  const list = useQuery({
    queryKey: ['nodes'],
    queryFn: ({ signal }) => ask<NodeList>('/api/v1/nodes', { signal }),
    refetchInterval: LOOK_AGAIN_MS,
  });
  const { refetch } = list;
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const soon = () => {
      clearTimeout(timer);
      timer = setTimeout(() => void refetch(), TOGETHER_MS);
    };
    const stops = ['node.updated', 'node.silent', 'node.back'].map((topic) => onLive(topic, soon));
    return () => {
      clearTimeout(timer);
      stops.forEach((stop) => stop());
    };
  }, [refetch]);
  useEffect(() => {
    document.title = t('tab.nodes');
  }, [t]);
  const nodes = useMemo(() => worstFirst(list.data?.items ?? []), [list.data]);
  const keys = useMemo(() => nodes.map(({ id }) => id), [nodes]);
  const { active, setActive, move } = useRowFocus(keys, rowId);
  const toggle = useCallback(
    (id: string) => {
      setActive(id);
      setOpen((was) => (was === id ? null : id));
    },
    [setActive],
  );
  const pageKeys = useMemo<readonly Key[]>(
    () => [
      { keys: ['ArrowDown', 'J'], label: 'keys.next', run: () => move(1) },
      { keys: ['ArrowUp', 'K'], label: 'keys.previous', run: () => move(-1) },
      { keys: ['Enter'], label: 'keys.openRow', run: () => active && toggle(active) },
    ],
    [active, move, toggle],
  );
  usePageKeys(pageKeys);
  const late = useLate(list.isPending);
  const counts = countsOf(nodes);
  const what = [
    ...(counts.away ? [t('nodes.away', { away: counts.away })] : []),
    ...(counts.look ? [t('nodes.look', { look: counts.look })] : []),
  ].join(t('app.comma'));
  const stale = channel.state === 'stale' || channel.state === 'offline';
  return (
    <div className="page">
      <TopBar />
      <main className="nodes" data-testid="nodes" data-state={list.isPending ? 'loading' : stale ? 'stale' : 'ready'}>
        <h1 className={`answer${stale ? ' is-stale' : ''}`} data-testid="nodes-answer">
          {!list.data
            ? t('tab.nodes')
            : counts.away + counts.look > 0
              ? t('nodes.answer', { all: counts.all, what })
              : t('nodes.allWell', { all: counts.all })}
        </h1>
        {list.isError && <Trouble error={list.error} again={() => void refetch()} />}
        {list.isPending && late && <GreyLines />}
        {list.data && nodes.length === 0 && (
          <div className="trouble" data-testid="empty">
            <h2 className="answer">{t('nodes.empty')}</h2>
            <p>{t('nodes.emptyNext')}</p>
          </div>
        )}
        {nodes.length > 0 && (
          <div className="node-list" role="treegrid" aria-label={t('tab.nodes')}>
            <div role="rowgroup">
              <div role="row" className="node-row node-head">
                {(['Who', 'Line', 'Queue', 'Disk', 'Program'] as const).map((name) => (
                  <div role="columnheader" key={name}>
                    {t(`nodes.col${name}`)}
                  </div>
                ))}
              </div>
            </div>
            {nodes.map((node, index) => (
              <div key={node.id} role="rowgroup">
                <Row
                  node={node}
                  active={active === node.id || (active === null && index === 0)}
                  open={open === node.id}
                  toggle={() => toggle(node.id)}
                />
                {open === node.id && <Detail node={node} />}
              </div>
            ))}
          </div>
        )}
      </main>
    </div>
  );
}

function Row({ node, active, open, toggle }: { node: NodeRow; active: boolean; open: boolean; toggle: () => void }) {
  const t = useText();
  const language = useLanguage();
  const left = waiting(node);
  return (
    <div
      id={rowId(node.id)}
      role="row"
      className={`node-row${node.state === 'silent' || node.state === 'late' ? ' needs-act' : ''}`}
      tabIndex={active ? 0 : -1}
      aria-expanded={open}
      data-testid="node-row"
      data-state={node.state}
      onClick={toggle}
    >
      <div role="gridcell">
        <b>{node.institution.name}</b>
      </div>
      <div role="gridcell" className="cells-line">
        <Chip kind={CHIP[node.state]}>
          {node.state === 'silent' || node.state === 'late'
            ? t(`nodes.state.${node.state}`, { at: node.down_since ? dayAndTime(node.down_since, language) : '' })
            : t(`nodes.state.${node.state}`)}
        </Chip>
        {node.state === 'up' && node.line?.rate_bits_per_s ? <span className="second">{rate(node.line.rate_bits_per_s)}</span> : null}
        {node.state === 'up' && node.heard_at && (
          <span className="second">{t('nodes.heard', { at: clockTime(node.heard_at) })}</span>
        )}
      </div>
      <div role="gridcell" className="cells-line" data-testid="lanes">
        {left.studies === 0 ? (
          <span className="second">{t('nodes.nothingWaits')}</span>
        ) : (
          node.lanes
            .filter(({ studies }) => studies > 0)
            .map((lane) => (
              <span key={lane.priority}>
                {laneWord(lane.priority, t)} {t('study.count', { count: lane.studies })}
              </span>
            ))
        )}
        {left.studies > 0 && <span className="second">{fileSize(left.bytes)}</span>}
        {node.set_aside > 0 && <Chip kind="overdue">{t('queue.asideChip', { count: node.set_aside })}</Chip>}
      </div>
      <div role="gridcell" className="cells-line">
        {node.disk ? t('nodes.free', { size: fileSize(node.disk.free_bytes) }) : '-'}
        {isShortOfRoom(node) && <Chip kind="overdue">{t('nodes.full')}</Chip>}
      </div>
      <div role="gridcell" className="cells-line">
        {node.program || '-'}
        {clockIsOff(node) && <Chip kind="soon">{t('nodes.clockOff')}</Chip>}
        {node.audit_fault && <Chip kind="overdue">{t('nodes.trailBroken')}</Chip>}
      </div>
    </div>
  );
}

function laneWord(priority: string, t: ReturnType<typeof useText>): string {
  switch (priority) {
    case 'emergency':
      return t('lane.emergency');
    case 'urgent':
      return t('lane.urgent');
    case 'backfill':
      return t('lane.backfill');
    default:
      return t('lane.routine');
  }
}

function Detail({ node }: { node: NodeRow }) {
  const t = useText();
  const language = useLanguage();
  const detail = useQuery({
    queryKey: ['node', node.id, node.heard_at],
    queryFn: ({ signal }) => ask<NodeDetail>(`/api/v1/nodes/${node.id}`, { signal }),
    placeholderData: (before) => before,
  });
  const open = (detail.data?.studies ?? []).filter(({ completeness }) => completeness.state !== 'complete');
  return (
    <div role="row" className="node-detail" data-testid="node-detail">
      <div role="gridcell">
        {(node.state === 'late' || node.state === 'silent') && <p className="note note-soon">{t('nodes.whatNow')}</p>}
        {node.state === 'never' && <p className="note note-info">{t('nodes.neverText')}</p>}
        {node.letters_refused > 0 && <p className="note note-soon">{t('nodes.refused', { count: node.letters_refused })}</p>}
        {node.audit_fault && <p className="note note-bad">{t('nodes.trailBrokenText')}</p>}
        {clockIsOff(node) && node.clock_off_s !== null && (
          <p className="note note-soon">{t('nodes.clockOffText', { minutes: Math.round(Math.abs(node.clock_off_s) / 60) })}</p>
        )}
        <ul className="facts-line">
          {node.heard_at && <li>{t('nodes.heardAt', { at: absolute(node.heard_at, language) })}</li>}
          <li>{t('nodes.enrolledAt', { at: absolute(node.enrolled_at, language) })}</li>
          {node.letters_waiting > 0 && <li>{t('nodes.lettersWaiting', { count: node.letters_waiting })}</li>}
          {node.disk && (
            <li>{t('nodes.room', { free: fileSize(node.disk.free_bytes), total: fileSize(node.disk.total_bytes) })}</li>
          )}
        </ul>
        {detail.isError && <Trouble error={detail.error} again={() => void detail.refetch()} />}
        {detail.isSuccess && open.length === 0 && <p className="second">{t('nodes.noStudies')}</p>}
        {open.length > 0 && (
          <ul className="node-studies">
            {open.map(({ study_instance_uid: uid, modality, priority, paused, completeness, first_received_at: at }) => (
              <li key={uid}>
                <span title={absolute(at, language)}>{dayAndTime(at, language)}</span>
                <span>{modalityWord(modality, language)}</span>
                {priority === 'emergency' ? <Chip kind="emergency">{t('priority.emergency')}</Chip> : <span />}
                <span>
                  {t('nodes.arrived', {
                    arrived: completeness.arrived,
                    of: Math.max(completeness.expected ?? 0, completeness.here),
                  })}
                </span>
                <span className="second">{paused ? t('queue.pausedShort') : t(`completeness.${completeness.state}`)}</span>
              </li>
            ))}
          </ul>
        )}
        <Technical
          facts={{
            ID: node.id,
            ...(node.line?.code ? { code: node.line.code } : {}),
            ...(node.audit_fault ? { audit: node.audit_fault } : {}),
            ...(detail.data?.refused.length
              ? { [t('nodes.refusedShort')]: detail.data.refused.map((one) => `${one.kind} ${one.code}`).join(' · ') }
              : {}),
          }}
        />
      </div>
    </div>
  );
}
