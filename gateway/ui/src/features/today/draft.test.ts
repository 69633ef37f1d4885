import { beforeEach, describe, expect, it } from 'vitest';

import type { Examination, RegisteredPatient } from '../../api/types';
import { type Desk, EMPTY, NO_FIELDS, unknownDesk } from './desk';
import { keepDraft, keptDraft } from './draft';
import { type Begun, begun, gone } from './kept-desk';

const HEAD: Examination = { code: 'CT-HEAD', name: '头颅CT平扫', modality: 'CT', body_part: 'HEAD' };
const HALF: Desk = { ...EMPTY, who: { kind: 'new', fields: { ...NO_FIELDS, name: '上官婉', birth: '1990-01-02', phone: '138' } } };
const HURT: Desk = { ...unknownDesk(EMPTY), who: { kind: 'unknown', sex: 'M', age: '45', marks: '左臂纹身' } };

const at = (slot: Begun['slot'], desk: Desk): Begun => ({ slot, desk, restored: false });

describe('what was typed on the ordering page', () => {
  beforeEach(() => localStorage.clear());

  it('is kept through an emergency that nobody knows', () => {
    keepDraft('luoli', 'somebody', HALF);
    const emergency = begun('luoli', 'unknown');
    expect(emergency).toMatchObject({ desk: unknownDesk(EMPTY), restored: false });
    keepDraft('luoli', 'unknown', HURT);
    expect(begun('luoli', 'somebody')).toEqual({ slot: 'somebody', desk: HALF, restored: true });
    expect(begun('luoli', 'unknown')).toEqual({ slot: 'unknown', desk: HURT, restored: true });
  });

  it('is kept when the emergency begins on the same page, and comes back after it', () => {
    const emergency = gone('luoli', at('somebody', HALF), 'unknown');
    expect(emergency.desk).toEqual(unknownDesk(EMPTY));
    expect(gone('luoli', { ...emergency, desk: HURT }, 'somebody').desk).toEqual(HALF);
    expect(keptDraft('luoli', 'unknown')).toEqual(HURT);
  });

  it('takes along what was chosen for nobody yet, and leaves it nowhere else', () => {
    const chosen: Desk = { ...EMPTY, lines: [{ examination: HEAD }], question: '外伤' };
    keepDraft('luoli', 'somebody', chosen);
    const emergency = gone('luoli', at('somebody', chosen), 'unknown');
    expect(emergency.desk).toEqual(unknownDesk(chosen));
    expect(keptDraft('luoli', 'somebody')).toBeNull();
    const named = gone('luoli', { ...emergency, desk: { ...HURT, lines: chosen.lines } }, 'somebody');
    expect(named.desk).toMatchObject({ who: { kind: 'nobody' }, lines: chosen.lines, priority: 'emergency' });
    expect(keptDraft('luoli', 'unknown')).toEqual(HURT);
  });

  it('does not give one patient what was chosen for another', () => {
    const forLiu: Desk = { ...EMPTY, who: { kind: 'known', patient: {} as RegisteredPatient }, lines: [{ examination: HEAD }] };
    expect(gone('luoli', at('somebody', forLiu), 'unknown').desk.lines).toEqual([]);
    expect(keptDraft('luoli', 'somebody')).toEqual(forLiu);
  });

  it('goes once nothing is left of it, and the other stays', () => {
    keepDraft('luoli', 'somebody', HALF);
    keepDraft('luoli', 'unknown', HURT);
    keepDraft('luoli', 'somebody', EMPTY);
    expect(keptDraft('luoli', 'somebody')).toBeNull();
    expect(keptDraft('luoli', 'unknown')).toEqual(HURT);
    keepDraft('luoli', 'unknown', unknownDesk(EMPTY));
    expect(localStorage.length).toBe(0);
  });

  it('is nobody else\'s, and is not gone because somebody else looked', () => {
    keepDraft('luoli', 'somebody', HALF);
    expect(keptDraft('lijing', 'somebody')).toBeNull();
    keepDraft('lijing', 'somebody', EMPTY);
    expect(keptDraft('luoli', 'somebody')).toEqual(HALF);
  });
});
