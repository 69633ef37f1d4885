import { describe, expect, it } from 'vitest';

import { isShort, roundly } from './disk';

describe('the disk', () => {
  it.each([
    [84, 40, false],
    [85, 40, true],
    [92, 17_028, false],
    [92, null, true],
  ])('at %i %% with room for %s studies is short: %s', (used_percent, room_for_studies, short) =>
    expect(isShort({ used_percent, room_for_studies })).toBe(short),
  );

  it.each([
    [0, 0],
    [7, 7],
    [43, 43],
    [437, 430],
    [999, 990],
  ])('has room for %i studies, said as %i', (count, said) => expect(roundly(count)).toBe(said));
});
