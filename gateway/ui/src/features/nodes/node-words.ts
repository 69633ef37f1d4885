/** How the townships' machines are, in which order they need somebody, and the counts of the answer line. Pure. */

import type { NodeRow } from '../../api/types';
import type { ChipKind } from '../../frame/Chip';

/** Below this share of free room somebody must see that images leave. */
const SHORT_SHARE = 0.1;
/** A clock further off than this makes every time of the place doubtful. */
const CLOCK_OFF_S = 120;

const WEIGHT: Readonly<Record<NodeRow['state'], number>> = { silent: 0, late: 1, never: 2, up: 3, revoked: 4 };

export const CHIP: Readonly<Record<NodeRow['state'], ChipKind>> = {
  up: 'done',
  late: 'soon',
  silent: 'overdue',
  never: 'paused',
  revoked: 'paused',
};

export function isShortOfRoom({ disk }: NodeRow): boolean {
  return disk !== null && disk.total_bytes > 0 && disk.free_bytes / disk.total_bytes < SHORT_SHARE;
}

export function clockIsOff({ clock_off_s: off }: NodeRow): boolean {
  return off !== null && Math.abs(off) > CLOCK_OFF_S;
}

/** Until when a person at *node*, which is heard, lets it send no images; empty where nobody does. */
export function heldUntil({ state, line }: NodeRow): string {
  return state === 'up' ? (line?.held_until ?? '') : '';
}

/** Whether somebody has to look at *node*. */
export function needsSomebody(node: NodeRow): boolean {
  if (node.state === 'revoked') return false;
  const kept = node.set_aside + node.letters_refused > 0;
  const unheard = node.state === 'silent' || node.state === 'late' || node.state === 'never';
  return unheard || heldUntil(node) !== '' || kept || isShortOfRoom(node) || clockIsOff(node) || node.audit_fault !== '';
}

/** *nodes*, those that need somebody first, then by name. */
export function worstFirst(nodes: readonly NodeRow[]): NodeRow[] {
  const weight = (node: NodeRow) => WEIGHT[node.state] - (needsSomebody(node) && node.state === 'up' ? 0.5 : 0);
  return [...nodes].sort((a, b) => weight(a) - weight(b) || a.institution.name.localeCompare(b.institution.name, 'zh-CN'));
}

/** The machines that are the county's now, and those it let go, the latest first. */
export function standingAndGone(nodes: readonly NodeRow[]): { standing: NodeRow[]; gone: NodeRow[] } {
  const gone = nodes.filter(({ state }) => state === 'revoked');
  return {
    standing: nodes.filter(({ state }) => state !== 'revoked'),
    gone: gone.sort((a, b) => (b.revoked_at ?? '').localeCompare(a.revoked_at ?? '')),
  };
}

/** Houses, not machines: a house has an old and a new one for as long as it changes them. */
export interface Counts {
  all: number;
  /** Without a machine: their last one was let go and none came in its stead. */
  left: number;
  away: number;
  /** With a machine that was let in and never said a word: nobody knows whether it works. */
  never: number;
  look: number;
}

/** The houses of *nodes*; one whose machines are partly away, or need a look, counts once, as the worse. */
export function countsOf(nodes: readonly NodeRow[]): Counts {
  const known = nodes.filter(({ state }) => state !== 'revoked');
  const houses = (some: readonly NodeRow[]) => new Set(some.map(({ institution }) => institution.code));
  const away = houses(known.filter(({ state }) => state === 'silent' || state === 'late'));
  const never = [...houses(known.filter(({ state }) => state === 'never'))].filter((code) => !away.has(code));
  const troubled = houses(known.filter(needsSomebody));
  const left = housesLeft(nodes).length;
  const look = [...troubled].filter((code) => !away.has(code) && !never.includes(code));
  return { all: houses(known).size + left, left, away: away.size, never: never.length, look: look.length };
}

/** Whether a machine came into the house of *id*, which was let go, after that. */
export function tookItsPlace(nodes: readonly NodeRow[], id: string): boolean {
  const old = nodes.find((node) => node.id === id);
  if (!old?.revoked_at) return false;
  const at = Date.parse(old.revoked_at);
  return nodes.some(
    ({ institution, state, enrolled_at }) =>
      institution.code === old.institution.code && state !== 'revoked' && Date.parse(enrolled_at) > at,
  );
}

/** The names of the houses whose last machine was let go, the latest first. */
export function housesLeft(nodes: readonly NodeRow[]): string[] {
  const { standing, gone } = standingAndGone(nodes);
  const reached = new Set(standing.map(({ institution }) => institution.code));
  const left = gone.filter(({ institution }) => !reached.has(institution.code));
  return [...new Map(left.map(({ institution }) => [institution.code, institution.name])).values()];
}

/** What the answer line says of them together. */
export function answerOf({ all, left, away, never, look }: Counts): 'none' | 'allWell' | 'some' {
  if (all === 0) return 'none';
  return left + away + never + look > 0 ? 'some' : 'allWell';
}

/** What a machine that reports none says of what waits there; one that never reported says nothing at all. */
export function nothingWord(node: NodeRow): 'nodes.waitsUnknown' | 'nodes.nothingWaited' | 'nodes.nothingWaits' {
  if (node.state === 'never') return 'nodes.waitsUnknown';
  return node.down_since ? 'nodes.nothingWaited' : 'nodes.nothingWaits';
}

/** Studies, instances and bytes that still wait at *node*. */
export function waiting({ lanes }: NodeRow): { studies: number; bytes: number } {
  return {
    studies: lanes.reduce((sum, lane) => sum + lane.studies, 0),
    bytes: lanes.reduce((sum, lane) => sum + lane.size_bytes, 0),
  };
}
