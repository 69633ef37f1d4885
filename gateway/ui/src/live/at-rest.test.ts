import { describe, expect, it } from 'vitest';

import { mayComeIn, STILL_MS } from './at-rest';

const rest = { atTop: true, chosen: false, movedAt: -Infinity };

describe('a new row', () => {
  it('comes in while the list lies untouched at its top', () => expect(mayComeIn(rest, 0)).toBe(true));
  it.each([
    ['somebody has scrolled', { ...rest, atTop: false }],
    ['a row is chosen', { ...rest, chosen: true }],
    ['the hand is over the list', { ...rest, movedAt: 1_000 }],
  ])('waits while %s', (_, touch) => expect(mayComeIn(touch, 1_000 + STILL_MS - 1)).toBe(false));
  it('comes in once the hand has been still', () =>
    expect(mayComeIn({ ...rest, movedAt: 1_000 }, 1_000 + STILL_MS)).toBe(true));
});
