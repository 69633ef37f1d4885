import { expect, it } from 'vitest';

import { ActKeys } from './act-key';

it('an act without an answer keeps its key, an answered one is over', () => {
  let made = 0;
  const keys = new ActKeys(() => `k${++made}`);
  const first = keys.keyOf('/orders', { examination: 'CT' });
  expect(keys.keyOf('/orders', { examination: 'CT' })).toBe(first);
  expect(keys.keyOf('/orders', { examination: 'DR' })).not.toBe(first);
  keys.answered('/orders', { examination: 'CT' });
  expect(keys.keyOf('/orders', { examination: 'CT' })).not.toBe(first);
});
