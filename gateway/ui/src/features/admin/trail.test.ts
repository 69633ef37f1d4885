import { describe, expect, it } from 'vitest';

import { trailQuery } from './asks';

const EMPTY = { username: '', institution: '', event: '', patient: '', from: '', to: '' };

describe('a question to the audit trail', () => {
  it('asks for nothing that was not filled in', () => expect(trailQuery({ ...EMPTY, username: '  ' }).toString()).toBe(''));

  it("means whole days of the county's clock", () => {
    const query = trailQuery({ ...EMPTY, from: '2026-05-12', to: '2026-05-12', patient: ' 990000-1 ' });
    expect(query.get('since')).toBe('2026-05-11T16:00:00.000Z');
    expect(query.get('until')).toBe('2026-05-12T16:00:00.000Z');
    expect(query.get('patient')).toBe('990000-1');
  });
});
