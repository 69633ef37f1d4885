import { describe, expect, it } from 'vitest';

import type { StudyPage, StudyRow } from '../../api/types';
import { once, withPinned, zones } from './pinned';

const AT = new Date('2026-05-12T10:00:00Z');
const row = (uid: string, until: string | null = null) =>
  ({ study_instance_uid: uid, pinned_until: until }) as unknown as StudyRow;
const soon = '2026-05-12T11:00:00Z';
const ids = (rows: readonly StudyRow[]) => rows.map(({ study_instance_uid: uid }) => uid).join('');

describe('the emergencies at the top', () => {
  const page = { items: [row('c'), row('b', soon)], pinned: [row('b', soon), row('a', soon)] } as unknown as StudyPage;

  it('come with the first page, whatever page they have their turn in', () =>
    expect(ids(withPinned(page).items)).toBe('acb'));

  it('stand above the rest for as long as the server says', () => {
    const { pinned, rest } = zones([row('d'), row('b', soon), row('a', '2026-05-12T09:59:59Z')], AT);
    expect([ids(pinned), ids(rest)]).toEqual(['b', 'da']);
  });

  it('are shown once when their page comes', () => {
    const rows = [row('a', soon), row('c'), row('b'), row('a')];
    expect(ids(once(rows))).toBe('acb');
    expect(once(rows)[0]?.pinned_until).toBe(soon);
  });
});
