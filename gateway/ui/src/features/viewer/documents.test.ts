import { expect, it } from 'vitest';

import { text } from './dicom-json';
import { leafed, newestFirst, placeOf } from './documents';
import { instance } from './instances.fixture';

const made = (uid: string, day?: string, time?: string) =>
  instance({ '00080018': uid, ...(day && { '00080023': day }), ...(time && { '00080033': time }) });
const uids = (all: ReturnType<typeof made>[]) => newestFirst(all).map((one) => text(one, '00080018'));

it('the newest document is read first', () => {
  const all = [made('old', '20260511', '235959'), made('new', '20260512', '1015'), made('between', '20260512', '101459.9')];
  expect(uids(all)).toEqual(['new', 'between', 'old']);
});

it('documents that do not say when they were made stay in the order given, behind those that do', () => {
  expect(uids([made('b'), made('a'), made('c')])).toEqual(['b', 'a', 'c']);
  expect(uids([made('b'), made('dated', '20260512'), made('a', undefined, '1015')])).toEqual(['dated', 'b', 'a']);
  expect(uids([made('first', '20260512', '1015'), made('second', '2026.05.12', '10:15:00')])).toEqual(['first', 'second']);
});

it('the document that is open stays open when others come before it, and another series begins at its first', () => {
  const all = [made('a'), made('b'), made('c')];
  expect(placeOf(all, 'b')).toBe(1);
  expect(placeOf([made('new'), ...all], 'b')).toBe(2);
  expect(placeOf(all, '')).toBe(0);
  expect(placeOf(all, 'of another series')).toBe(0);
});

it('leafing ends at the first and the last', () => {
  expect([leafed(0, -1, 13), leafed(0, 1, 13), leafed(12, 1, 13), leafed(4, Number.MAX_SAFE_INTEGER, 13)]).toEqual([0, 1, 12, 12]);
});
