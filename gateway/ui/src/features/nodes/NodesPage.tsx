import '../../styles/nodes.css';

import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Button } from 'antd';
import { useCallback, useEffect, useMemo, useRef, useState } from 'react';

import { useSession } from '../../api/session';
import type { NodeRow } from '../../api/types';
import { Chip } from '../../frame/Chip';
import { clockTime, fileSize, rate, shortTime } from '../../frame/clock';
import { type Key, usePageKeys } from '../../frame/keys';
import { useLanguage } from '../../frame/language';
import { useLate } from '../../frame/late';
import { useRowFocus } from '../../frame/moving';
import { admitsNodes } from '../../frame/tabs';
import { TopBar } from '../../frame/TopBar';
import { GreyLines, Trouble } from '../../frame/Trouble';
import { useText } from '../../i18n';
import { useAtRest } from '../../live/at-rest';
import { onLive, useChannel } from '../../live/channel';
import { useSteady } from '../../live/steady';
import { Admit, ADMISSION } from './Admit';
import { Detail } from './Detail';
import { GoneRow } from './GoneRow';
import { answerOf, CHIP, clockIsOff, countsOf, heldUntil, housesLeft, isShortOfRoom, nothingWord, standingAndGone, tookItsPlace, waiting, worstFirst } from './node-words';
import { nodeList, NODES } from './silent';

/** A line that went quiet tells of itself by nothing at all: so often its state is asked for. */
const LOOK_AGAIN_MS = 30_000;
/** Heartbeats of many townships may come together. */
const TOGETHER_MS = 1_000;
const nodeId = ({ id }: NodeRow) => id;
const rowId = (id: string) => `node-${id}`;

export default function NodesPage() {
  const t = useText();
  const channel = useChannel();
  const client = useQueryClient();
  const admits = useSession((store) => admitsNodes(store.session));
  const [open, setOpen] = useState<string | null>(null);
  const [admitting, setAdmitting] = useState(false);
  const adder = useRef<HTMLButtonElement>(null);
  const [letGo, setLetGo] = useState<NodeRow | null>(null);
  const told = useRef<HTMLParagraphElement>(null);
  const list = useQuery({
    queryKey: NODES,
    queryFn: ({ signal }) => nodeList(signal),
    refetchInterval: LOOK_AGAIN_MS,
    staleTime: 0,
  });
  const { refetch } = list;
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const soon = () => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        void refetch();
        // A machine that came in has used up its code.
        void client.invalidateQueries({ queryKey: ADMISSION });
      }, TOGETHER_MS);
    };
    const stops = ['node.updated', 'node.silent', 'node.back'].map((topic) => onLive(topic, soon));
    return () => {
      clearTimeout(timer);
      stops.forEach((stop) => stop());
    };
  }, [client, refetch]);
  useEffect(() => {
    document.title = t('tab.nodes');
  }, [t]);
  const [showGone, setShowGone] = useState(false);
  const { standing, gone: left } = useMemo(() => standingAndGone(worstFirst(list.data?.items ?? [])), [list.data]);
  const page = useRef<HTMLElement>(null);
  const lines = useRef<HTMLDivElement>(null);
  // Every beat may change which is worst; a row does not go from under a hand for it.
  const { shown, waiting: come } = useSteady(standing, nodeId, '', useAtRest(lines, page));
  const nodes = [...shown, ...come];
  const order = [...nodes, ...(showGone ? left : [])].map(nodeId).join(' ');
  const keys = useMemo(() => (order ? order.split(' ') : []), [order]);
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
  // Said until another came in its stead.
  const gone = letGo && !tookItsPlace(list.data?.items ?? [], letGo.id) ? letGo.institution.name : '';
  const counts = countsOf([...nodes, ...left]);
  const answer = answerOf(counts);
  const without = housesLeft([...nodes, ...left]);
  const what = [
    ...(counts.left ? [t('nodes.left', { left: counts.left })] : []),
    ...(counts.away ? [t('nodes.away', { away: counts.away })] : []),
    ...(counts.never ? [t('nodes.never', { never: counts.never })] : []),
    ...(counts.look ? [t('nodes.look', { look: counts.look })] : []),
  ].join(t('app.comma'));
  const stale = channel.state === 'stale' || channel.state === 'offline';
  return (
    <div className="page">
      <TopBar />
      <main ref={page} className="nodes" data-testid="nodes" data-state={list.isPending ? 'loading' : stale ? 'stale' : 'ready'}>
        <h1 className={`answer${stale ? ' is-stale' : ''}`} data-testid="nodes-answer">
          {!list.data
            ? t('tab.nodes')
            : answer === 'none'
              ? t('nodes.empty')
              : answer === 'some'
                ? t('nodes.answer', { all: counts.all, what })
                : t('nodes.allWell', { all: counts.all })}
        </h1>
        {admits && (
          <Button
            ref={adder}
            className="admit-open"
            aria-expanded={admitting}
            onClick={() => setAdmitting((was) => !was)}
            data-testid="admit-open"
          >
            {t('nodes.admit')}
          </Button>
        )}
        {admits && admitting && (
          <Admit
            close={() => {
              setAdmitting(false);
              adder.current?.focus();
            }}
          />
        )}
        <p
          ref={told}
          tabIndex={-1}
          role="status"
          className={gone ? 'note note-info chosen' : 'unseen'}
          data-testid="let-go-done"
        >
          {gone && t('nodes.letGoDone', { name: gone })}
        </p>
        {list.isError && <Trouble error={list.error} again={() => void refetch()} />}
        {list.isPending && late && <GreyLines />}
        {without.length > 0 && (
          <p className="note note-bad chosen" data-testid="houses-left">
            {t('nodes.leftText', { names: without.join(t('app.listed')), count: without.length })}
          </p>
        )}
        {list.data && nodes.length === 0 && (
          <p className="trouble" data-testid="empty">
            {t('nodes.emptyNext')}
          </p>
        )}
        {nodes.length > 0 && (
          <div ref={lines} className="node-list" role="treegrid" aria-label={t('tab.nodes')}>
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
                {open === node.id && (
                  <Detail
                    node={node}
                    letGo={
                      admits
                        ? () => {
                            // Its row leaves this list; the hand goes on where it is said.
                            setLetGo(node);
                            setOpen(null);
                            setActive(null);
                            told.current?.focus();
                          }
                        : undefined
                    }
                  />
                )}
              </div>
            ))}
          </div>
        )}
        {left.length > 0 && (
          <section className="nodes-gone">
            <Button size="small" aria-expanded={showGone} onClick={() => setShowGone((was) => !was)} data-testid="show-gone">
              {t(showGone ? 'nodes.goneHide' : 'nodes.goneShow', { count: left.length })}
            </Button>
            {showGone && (
              <div className="node-list" role="treegrid" aria-label={t('nodes.state.revoked')}>
                {left.map((node, index) => (
                  <div key={node.id} role="rowgroup">
                    <GoneRow
                      id={rowId(node.id)}
                      node={node}
                      active={active === node.id || (active === null && nodes.length === 0 && index === 0)}
                      open={open === node.id}
                      toggle={() => toggle(node.id)}
                    />
                    {open === node.id && <Detail node={node} />}
                  </div>
                ))}
              </div>
            )}
          </section>
        )}
      </main>
    </div>
  );
}

function Row({ node, active, open, toggle }: { node: NodeRow; active: boolean; open: boolean; toggle: () => void }) {
  const t = useText();
  const language = useLanguage();
  const left = waiting(node);
  const held = heldUntil(node);
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
        <Chip kind={held ? 'paused' : CHIP[node.state]}>
          {held
            ? t('line.held', { at: shortTime(held, language) })
            : node.state === 'silent' || node.state === 'late'
            ? t(`nodes.state.${node.state}`, { at: node.down_since ? shortTime(node.down_since, language) : '' })
            : t(`nodes.state.${node.state}`)}
        </Chip>
        {held && node.line?.held_by && <span className="second">{t('nodes.heldBy', { by: node.line.held_by })}</span>}
        {node.state === 'up' && !held && node.line?.rate_bits_per_s ? <span className="second">{rate(node.line.rate_bits_per_s)}</span> : null}
        {node.state === 'up' && node.heard_at && (
          <span className="second">{t('nodes.heard', { at: clockTime(node.heard_at) })}</span>
        )}
      </div>
      <div role="gridcell" className="cells-line" data-testid="lanes">
        {left.studies === 0 ? (
          <span className="second">{t(nothingWord(node))}</span>
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
        {(node.maybe_more ?? 0) > 0 && <Chip kind="soon">{t('nodes.maybeMore', { count: node.maybe_more ?? 0 })}</Chip>}
        {node.set_aside > node.returns_set_aside && (
          <Chip kind="overdue">{t('queue.asideChip', { count: node.set_aside - node.returns_set_aside })}</Chip>
        )}
        {node.returns_set_aside > 0 && <Chip kind="overdue">{t('nodes.notBackChip', { count: node.returns_set_aside })}</Chip>}
        {node.letters_refused > 0 && <Chip kind="overdue">{t('nodes.refusedChip', { count: node.letters_refused })}</Chip>}
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
