import { describe, expect, it } from 'vitest';

import { AXIAL, instance, slice } from './instances.fixture';
import { distanceAlong, middleOf, neighbours, stackOf, thicknessOf } from './series-stack';

const order = (stack: ReturnType<typeof stackOf>) => stack.frames.map(({ instanceNumber }) => instanceNumber);

describe('a series in reading order', () => {
  it('goes by place in the patient, not by number', () => {
    expect(order(stackOf([slice(3, 10), slice(1, 0), slice(2, 20)]))).toEqual([1, 3, 2]);
  });

  it('keeps the direction the machine numbered in', () => {
    expect(order(stackOf([slice(1, 30), slice(2, 20), slice(3, 10)]))).toEqual([1, 2, 3]);
  });

  it('goes by number when frames share a place, or lie in different planes', () => {
    expect(order(stackOf([slice(2, 0), slice(1, 0)]))).toEqual([1, 2]);
    expect(order(stackOf([slice(2, 5), slice(1, 9, { '00200037': [0, 1, 0, 0, 0, -1] })]))).toEqual([1, 2]);
  });

  it('spreads a multi-frame object and reads its per-frame planes', () => {
    const frames = [20, 0, 10].map((z) => ({ '00209113': { Value: [{ '00200032': { Value: [0, 0, z] } }] } }));
    const enhanced = instance({
      '00080018': '2.25.9',
      '00200013': 1,
      '00280008': '3',
      '52009229': [{ '00209116': { Value: [{ '00200037': { Value: AXIAL } }] } }],
      '52009230': frames,
    });
    expect(stackOf([enhanced]).frames.map(({ frame }) => frame)).toEqual([2, 3, 1]);
  });

  it('counts frames without geometry too', () => {
    expect(stackOf([instance({ '00080018': '2.25.9', '00280008': 30 })]).frames).toHaveLength(30);
  });

  it('tells how thick each frame is', () => {
    const measures = (millimetres: number) => ({ '00289110': { Value: [instance({ '00180050': millimetres })] } });
    const enhanced = instance({ '52009230': [measures(2), measures(3)] });
    expect([0, 1].map((frame) => thicknessOf(enhanced, frame))).toEqual([2, 3]);
    expect(thicknessOf(instance({ '52009229': [measures(4)] }), 7)).toBe(4);
    expect(thicknessOf(instance({ '00180050': 5 }), 0)).toBe(5);
    expect(thicknessOf(instance({ '00180050': 5, '52009229': [{ '00289110': { Value: [{}] } }] }), 0)).toBe(5);
    expect(thicknessOf(instance({}), 0)).toBeUndefined();
  });

  it('measures along the normal of the plane', () => {
    expect(distanceAlong(AXIAL, [5, 6, 7])).toBe(7);
    expect(distanceAlong([0, 1, 0, 0, 0, -1], [5, 6, 7])).toBe(-5);
    expect(distanceAlong([], [1, 2, 3])).toBeUndefined();
  });
});

describe('gaps', () => {
  it('are the numbers between neighbours', () =>
    expect(stackOf([1, 2, 5, 6, 7].map((n) => slice(n, n))).missing).toEqual([3, 4]));
  it('are none when the machine numbers in strides', () => {
    expect(stackOf([1, 101, 201].map((n) => slice(n, n))).missing).toEqual([]);
    expect(stackOf([1, 3, 5, 7].map((n) => slice(n, n))).missing).toEqual([]);
  });
});

describe('what is fetched first', () => {
  it('is the middle, then neighbours on both sides', () => {
    expect([1, 2, 3, 60].map(middleOf)).toEqual([0, 0, 1, 29]);
    expect(neighbours(5, 10, 5)).toEqual([6, 4, 7, 3, 8]);
    expect(neighbours(0, 3, 9)).toEqual([1, 2]);
    expect(new Set(neighbours(29, 60, 100)).size).toBe(59);
  });
});
