import { expect, it } from 'vitest';

import type { NodeRow } from '../../api/types';
import { awaySince } from './silent';
import { answerOf, countsOf, heldUntil, housesLeft, needsSomebody, nothingWord, standingAndGone, tookItsPlace, waiting, worstFirst } from './node-words';

function node(name: string, more: Partial<NodeRow> = {}): NodeRow {
  return {
    id: name, institution: { code: name, name }, state: 'up', enrolled_at: '', revoked_at: null, heard_at: null, down_since: null, program: '0.1.0',
    clock_off_s: 0, line: null, disk: { total_bytes: 100, free_bytes: 50 }, lanes: [], letters_waiting: 0, letters_refused: 0,
    set_aside: 0, returns_set_aside: 0, audit_fault: '', ...more,
  };
}

it('whoever is silent stands first, then who is late, then who needs a look', () => {
  const nodes = [node('a'), node('b', { set_aside: 1 }), node('c', { state: 'late' }), node('d', { state: 'silent' }), node('e', { state: 'revoked', institution: { code: 'a', name: 'a' } })];
  expect(worstFirst(nodes).map(({ id }) => id)).toEqual(['d', 'c', 'b', 'a', 'e']);
  expect(countsOf(nodes)).toEqual({ all: 4, left: 0, away: 2, never: 0, look: 1 });
});

it('a house with two machines counts once, as the worse of them', () => {
  const house = { code: 'a', name: 'a' };
  const second = (more: Partial<NodeRow>) => node('a2', { institution: house, ...more });
  expect(countsOf([node('a'), second({ state: 'never' }), node('b')])).toEqual({ all: 2, left: 0, away: 0, never: 1, look: 0 });
  expect(countsOf([node('a', { set_aside: 1 }), second({ state: 'silent' }), node('b')])).toEqual({ all: 2, left: 0, away: 1, never: 0, look: 0 });
});

it('machines that were let go stand apart, the latest first', () => {
  const left = (name: string, at: string) => node(name, { state: 'revoked', revoked_at: at });
  const { standing, gone } = standingAndGone([node('a'), left('b', '2026-05-01T00:00:00Z'), left('c', '2026-05-02T00:00:00Z')]);
  expect(standing.map(({ id }) => id)).toEqual(['a']);
  expect(gone.map(({ id }) => id)).toEqual(['c', 'b']);
});

it('a county without any township is not well but empty', () => {
  expect(answerOf(countsOf([]))).toBe('none');
  expect(answerOf(countsOf([node('a')]))).toBe('allWell');
});

it('a house whose last machine was let go is named and never among the well', () => {
  const house = { code: 'a', name: '青山卫生院' };
  const old = node('old', { institution: house, state: 'revoked', revoked_at: '2026-05-01T00:00:00Z' });
  const older = node('older', { institution: house, state: 'revoked', revoked_at: '2026-04-01T00:00:00Z' });
  expect(countsOf([old, older])).toEqual({ all: 1, left: 1, away: 0, never: 0, look: 0 });
  expect(answerOf(countsOf([old, older]))).toBe('some');
  expect(answerOf(countsOf([old, node('b')]))).toBe('some');
  expect(housesLeft([old, older, node('b')])).toEqual(['青山卫生院']);
  // The new machine stands in its stead.
  expect(housesLeft([old, node('new', { institution: house })])).toEqual([]);
  expect(answerOf(countsOf([old, node('new', { institution: house })]))).toBe('allWell');
});

it('a machine that never said a word is not among the well, and what waits there is not known', () => {
  const fresh = node('a', { state: 'never' });
  expect(needsSomebody(fresh)).toBe(true);
  expect(countsOf([fresh, node('b', { set_aside: 1 })])).toEqual({ all: 2, left: 0, away: 0, never: 1, look: 1 });
  expect(answerOf(countsOf([fresh, node('b')]))).toBe('some');
  expect(nothingWord(fresh)).toBe('nodes.waitsUnknown');
  expect(nothingWord(node('b'))).toBe('nodes.nothingWaits');
  expect(nothingWord(node('b', { down_since: '2026-05-12T01:50:00Z' }))).toBe('nodes.nothingWaited');
});

it('a machine that came in after one was let go takes its place, one of before or of another house does not', () => {
  const house = { code: 'a', name: '青山卫生院' };
  const old = node('old', { institution: house, state: 'revoked', revoked_at: '2026-05-01T00:00:00.500000Z' });
  const of = (more: Partial<NodeRow>) => tookItsPlace([old, node('new', { institution: house, ...more })], 'old');
  expect(of({ enrolled_at: '2026-05-01T00:00:01Z', state: 'never' })).toBe(true);
  expect(of({ enrolled_at: '2026-04-30T00:00:00Z' })).toBe(false);
  expect(of({ enrolled_at: '2026-05-02T00:00:00Z', state: 'revoked' })).toBe(false);
  expect(of({ enrolled_at: '2026-05-02T00:00:00Z', institution: { code: 'b', name: 'b' } })).toBe(false);
  // Not told yet that it was let go.
  expect(tookItsPlace([{ ...old, state: 'up', revoked_at: null }], 'old')).toBe(false);
});

it('a full disk, a wrong clock and a broken trail need somebody', () => {
  expect(needsSomebody(node('a'))).toBe(false);
  expect(needsSomebody(node('a', { disk: { total_bytes: 100, free_bytes: 5 } }))).toBe(true);
  expect(needsSomebody(node('a', { clock_off_s: -86_400 }))).toBe(true);
  expect(needsSomebody(node('a', { audit_fault: 'row 7' }))).toBe(true);
});

it('what waits is summed over the lanes', () => {
  const lanes = [
    { priority: 'emergency', studies: 1, instances: 60, size_bytes: 10 },
    { priority: 'routine', studies: 2, instances: 4, size_bytes: 5 },
  ];
  expect(waiting(node('a', { lanes }))).toEqual({ studies: 3, bytes: 15 });
});

it('a line that is down is away before it is silent, and not while another machine of the house is up', () => {
  const late = node('a', { state: 'late', down_since: '2026-05-12T01:50:00Z' });
  expect(awaySince([late], 'a')).toBe('2026-05-12T01:50:00Z');
  expect(awaySince([late, { ...node('a'), id: 'second' }], 'a')).toBe('');
  expect(awaySince([late, { ...node('a', { state: 'revoked' }), id: 'gone' }], 'a')).toBe('2026-05-12T01:50:00Z');
  expect(awaySince([late], 'b')).toBe('');
});

it('a machine whose line a person holds is not simply well, and the hold of one that is not heard is old', () => {
  const line = { state: 'up', since: null, rate_bits_per_s: null, code: '', held_until: '2026-05-12T02:19:00Z', held_by: '李静' };
  expect(heldUntil(node('a', { line }))).toBe('2026-05-12T02:19:00Z');
  expect(needsSomebody(node('a', { line }))).toBe(true);
  expect(heldUntil(node('a', { line, state: 'late' }))).toBe('');
  // A program of before does not tell.
  expect(heldUntil(node('a', { line: { state: 'up', since: null, rate_bits_per_s: null, code: '' } }))).toBe('');
});
