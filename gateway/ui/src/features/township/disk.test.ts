import { describe, expect, it } from 'vitest';

import { isShort, roundly } from './disk';

describe('the disk', () => {
  it.each([
    [84, 40, false],
    [85, 40, true],
    [92, 17_028, false],
    [92, null, true],
  ])('at %i %% with room for %s studies is short: %s', (used_percent, room_for_studies, short) =>
    expect(isShort({ state: 'low', used_percent, room_for_studies })).toBe(short),
  );

  it('that takes nothing more is short, whatever the count says', () =>
    expect(isShort({ state: 'full', used_percent: 60, room_for_studies: 5_000 })).toBe(true));

  it.each([
    [0, 0],
    [7, 7],
    [43, 43],
    [99, 99],
    [437, 400],
    [999, 900],
    [33_412, 30_000],
  ])('has room for %i studies, said as %i', (count, said) => expect(roundly(count)).toBe(said));
});
