import { expect, it } from 'vitest';

import type { ToSend } from './inspect';
import { areAlike, lostAmong, lostInAll, sentAnew } from './lost';

const image = (sopInstance: string, study: string): ToSend => ({
  picked: { file: new File([], sopInstance), path: sopInstance },
  kind: 'dicom',
  sopInstance,
  patients: [],
  studies: study ? [study] : [],
});

it('what is lost of a study is counted by its images, and of a zip nothing was told', () => {
  const archive: ToSend = { ...image('', 'a'), kind: 'zip', studies: ['a', 'b'] };
  const lost = lostAmong([image('1', 'a'), image('1', 'a'), image('2', 'a'), image('3', 'b'), archive, image('4', '')]);
  expect([...lost]).toEqual([
    ['a', 2],
    ['b', 1],
  ]);
});

it('the same losses are known again', () => {
  const lost = new Map([['a', 2]]);
  expect(areAlike(lost, new Map(lost))).toBe(true);
  for (const other of [new Map([['a', 1]]), new Map([['b', 2]]), new Map([...lost, ['b', 1] as const]), new Map<string, number>()])
    expect(areAlike(lost, other)).toBe(false);
});

it('a study that is sent anew has lost nothing yet, the others still have', () => {
  const batches = new Map([
    ['first', new Map([['a', 2]])],
    ['second', new Map([['b', 1]])],
  ]);
  expect([...lostInAll(batches.values())]).toEqual([
    ['a', 2],
    ['b', 1],
  ]);
  expect([...lostInAll(sentAnew(batches, new Set(['a'])).values())]).toEqual([['b', 1]]);
});
