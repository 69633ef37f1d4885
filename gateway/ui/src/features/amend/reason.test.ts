import { expect, it } from 'vitest';

import { isReason } from './reason';

it.each([
  ['选错了人', true],
  ['错', false],
  ['  错 ', false],
  ['', false],
  ['错'.repeat(500), true],
  ['错'.repeat(501), false],
])('"%s" is a reason: %s', (typed, enough) => expect(isReason(typed)).toBe(enough));
