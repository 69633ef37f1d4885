import { describe, expect, it } from 'vitest';

import type { CorrectionRow, Whose } from '../../api/types';
import { changed, compared, standing } from './compare';

const CHEN: Whose = { name: '陈建国', sex: 'M', birth_date: '19700301', patient_id: '330***********1234', accession_number: 'A1' };
const LI: Whose = { name: '李四', sex: 'F', birth_date: '', patient_id: '330***********1234', accession_number: 'A1' };
const row = (id: number, undone: string | null): CorrectionRow => ({
  id,
  target: 'order:1',
  before: CHEN,
  after: LI,
  reason: '选错了人',
  made_by: '罗丽',
  made_at: '2026-05-12T02:00:00Z',
  undone_by: undone ? '王静' : '',
  undone_reason: '',
  undone_at: undone,
});

describe('two identities side by side', () => {
  it('are read as people write them, name first', () =>
    expect(compared(CHEN, LI, [], 'zh-CN').map(({ now }) => now)).toEqual([
      '陈建国',
      '男',
      '1970-03-01',
      '330***********1234',
      'A1',
    ]));

  it('differ where the server says so, also where masked numbers look alike', () =>
    expect(compared(CHEN, LI, ['patient_id'], 'en').filter(({ differs }) => differs)).toEqual([
      { field: 'patient_id', now: '330***********1234', then: '330***********1234', differs: true },
    ]));

  it('show nothing where nothing is known', () =>
    expect(compared(CHEN, LI, [], 'en').find(({ field }) => field === 'birth_date')?.then).toBe(''));
});

it('a correction tells only what it changed', () =>
  expect(changed(row(1, null), 'zh-CN').map(({ field }) => field)).toEqual(['name', 'sex', 'birth_date']));

it('the newest that stands is the one to take back', () => {
  expect(standing([row(3, 'then'), row(2, null), row(1, null)])?.id).toBe(2);
  expect(standing([row(1, 'then')])).toBeUndefined();
});
