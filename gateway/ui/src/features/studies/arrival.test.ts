import { expect, it } from 'vitest';

import { arriving } from './arrival';

const told = { expected: 60, here: 60, arrived: 12, state: 'on-the-way', down_since: null };

it('a study on its way says how much of it can be looked at, and since when its line is down', () => {
  expect(arriving(told, 12)).toEqual({ arrived: 12, of: 60, downSince: null, short: false });
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
