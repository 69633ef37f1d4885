import { describe, expect, it } from 'vitest';

import { instance, slice } from './instances.fixture';
import { linkedIndex } from './link';
import { axesOfLetters, axesOfPlane, edges, lettersOf } from './orientation';
import { stackOf } from './series-stack';

describe('edge letters', () => {
  it('name the side of the patient, strongest first', () => {
    expect(edges([1, 0, 0], [0, 1, 0])).toEqual({ left: 'R', right: 'L', top: 'A', bottom: 'P' });
    expect(lettersOf([0, -0.9, 0.4])).toBe('AH');
    expect(lettersOf([0, 0, 0])).toBe('');
  });

  it('come from the plane, or from the letters of a projection', () => {
    expect(axesOfPlane([1, 0, 0, 0, 1, 0])).toEqual({ row: [1, 0, 0], column: [0, 1, 0] });
    expect(axesOfPlane([])).toBeNull();
    const chest = axesOfLetters(['L', 'F']);
    expect(chest && edges(chest.row, chest.column)).toEqual({ left: 'R', right: 'L', top: 'H', bottom: 'F' });
    expect(axesOfLetters(['L'])).toBeNull();
  });
});

describe('linked scrolling', () => {
  const space = { '00200052': '2.25.100' };
  const thin = stackOf(Array.from({ length: 30 }, (_, n) => slice(n + 1, n, space))).frames;
  const thick = stackOf(Array.from({ length: 6 }, (_, n) => slice(n + 1, n * 5, space))).frames;

  it('goes to the nearest plane of the other series', () => {
    expect(linkedIndex(thin, 11, thick)).toBe(2);
    expect(linkedIndex(thick, 5, thin)).toBe(25);
  });

  it('stays away where the series share no space or no direction', () => {
    const elsewhere = stackOf([slice(1, 0, { '00200052': '2.25.200' })]).frames;
    const coronal = stackOf([slice(1, 0, { ...space, '00200037': [1, 0, 0, 0, 0, -1] })]).frames;
    expect(linkedIndex(thin, 0, elsewhere)).toBeNull();
    expect(linkedIndex(thin, 0, coronal)).toBeNull();
    expect(linkedIndex(stackOf([instance({ '00080018': '2.25.1' })]).frames, 0, thick)).toBeNull();
  });
});
