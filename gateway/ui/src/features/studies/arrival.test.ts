import { expect, it } from 'vitest';

import { arriving, unsettled } from './arrival';

const told = { expected: 60, here: 60, arrived: 12, state: 'on-the-way', down_since: null };

it('a study on its way says how much of it can be looked at, and since when its line is down', () => {
  expect(arriving(told, 12)).toEqual({ arrived: 12, of: 60, downSince: null, short: false, maybe: false });
  expect(arriving({ ...told, down_since: '2026-05-12T02:42:00Z' }, 12)?.downSince).toBe('2026-05-12T02:42:00Z');
});

it('what is in the archive counts more than what the township last said', () => {
  expect(arriving(told, 30)?.arrived).toBe(30);
  expect(arriving(told, 60)).toBeNull();
});

it('a whole study, or one nobody told of, is no news', () => {
  expect(arriving({ ...told, state: 'complete' }, 60)).toBeNull();
  expect(arriving(null, 3)).toBeNull();
  expect(arriving(undefined, 3)).toBeNull();
});

it('one that has fewer than the device said is short', () => {
  expect(arriving({ expected: 60, here: 58, arrived: 58, state: 'short', down_since: null }, 58)).toMatchObject({ of: 60, short: true });
});

it('one that still grew when its line went down is not shown as whole', () => {
  const grew = { expected: null, here: 35, arrived: 35, state: 'growing', down_since: '2026-05-12T01:50:00Z' };
  expect(arriving(grew, 35)).toMatchObject({ arrived: 35, maybe: true, downSince: '2026-05-12T01:50:00Z' });
  expect(arriving({ ...grew, arrived: 0, here: 0 }, 35)).toMatchObject({ arrived: 35, maybe: true });
  // While the line is up it grows before one's eyes, and a device that said how many is believed.
  expect(arriving({ ...grew, down_since: null }, 35)).toBeNull();
  expect(arriving({ ...grew, expected: 35 }, 35)).toBeNull();
});

it('a study is asked for again while it may turn out cut off', () => {
  const at = new Date('2026-05-12T02:00:00Z');
  expect(unsettled({ completeness: null, updated_at: '2026-05-12T01:58:00Z' }, at)).toBe(true);
  expect(unsettled({ completeness: null, updated_at: '2026-05-12T01:50:00Z' }, at)).toBe(false);
  expect(unsettled({ completeness: told, updated_at: '2026-05-11T01:50:00Z' }, at)).toBe(true);
  expect(unsettled({ completeness: { ...told, state: 'complete' }, updated_at: '2026-05-12T01:59:00Z' }, at)).toBe(false);
});
