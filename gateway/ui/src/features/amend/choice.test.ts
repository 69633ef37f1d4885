import { describe, expect, it } from 'vitest';

import type { SeriesRow } from '../../api/types';
import { type Choice, count, isChosen, isStudy, NOTHING, parts, toggleImage, toggleSeries, toggleStudy } from './choice';

const series = [
  { series_instance_uid: 'a', instance_count: 3 },
  { series_instance_uid: 'b', instance_count: 2 },
] as SeriesRow[];
const A = ['a1', 'a2', 'a3'];
const taken = (...images: string[]): Choice => images.reduce((was, image) => toggleImage(was, 'a', image, A), NOTHING);

it('nothing is chosen to begin with', () => expect(count(NOTHING, series)).toBe(0));

describe('a series', () => {
  it('is chosen and let go', () => {
    const chosen = toggleSeries(NOTHING, 'a');
    expect(parts(chosen, series)).toEqual({ series: ['a'], instances: [] });
    expect(count(chosen, series)).toBe(3);
    expect(toggleSeries(chosen, 'a')).toEqual(NOTHING);
  });

  it('is chosen once all its images are, and no longer when one is let go', () => {
    expect(parts(taken(...A), series)).toEqual({ series: ['a'], instances: [] });
    const less = toggleImage(toggleSeries(NOTHING, 'a'), 'a', 'a2', A);
    expect(parts(less, series)).toEqual({ series: [], instances: ['a1', 'a3'] });
    expect(isChosen(less, 'a', 'a2')).toBe(false);
  });

  it('chosen whole takes the place of its images', () =>
    expect(toggleSeries(taken('a1'), 'a').single.size).toBe(0));
});

it('images of two series are chosen beside each other', () => {
  const both = toggleImage(taken('a1'), 'b', 'b1', ['b1', 'b2']);
  expect(parts(both, series)).toEqual({ series: [], instances: ['a1', 'b1'] });
  expect(count(both, series)).toBe(2);
});

it('an image pressed twice is not chosen', () => expect(taken('a1', 'a1')).toEqual(NOTHING));

describe('the whole study', () => {
  it('is named by no part of it', () => expect(parts(toggleStudy(taken('a1'), series), series)).toEqual({ series: [], instances: [] }));
  it('is chosen when every series is', () =>
    expect(isStudy(toggleSeries(toggleSeries(NOTHING, 'a'), 'b'), series)).toBe(true));
  it('is let go whole', () => expect(toggleStudy(toggleStudy(NOTHING, series), series)).toEqual(NOTHING));
  it('is not chosen where there is none', () => expect(isStudy(NOTHING, [])).toBe(false));
});
