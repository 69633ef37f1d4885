import { expect, it } from 'vitest';

import { bytesOf, isUnreadable, readerOf, Unreadable } from './local-file';

/** A file on a stick that was pulled out: it still has its size. */
function gone(size: number): Blob {
  const blob = new Blob([new Uint8Array(size)]);
  const failing = { size, arrayBuffer: () => Promise.reject(new DOMException('', 'NotFoundError')) };
  return Object.assign(blob, { slice: (from = 0, to = size) => ({ ...failing, size: to - from }) });
}

const failureOf = async (reading: Promise<unknown>) => reading.then(() => null).catch((error: unknown) => error);

it('a file is read piece by piece, the last piece as short as it is', async () => {
  const source = await readerOf(() => false).openFile(new Blob([Uint8Array.from([1, 2, 3, 4, 5])]));
  expect(source.size).toBe(5);
  const first = await source.slice(0, 3);
  expect([first.value.size, first.done]).toEqual([3, false]);
  const last = await source.slice(3, 5);
  expect([...new Uint8Array(await last.value.arrayBuffer()), last.done]).toEqual([4, 5, true]);
});

it('what this computer cannot read is no cut of the line', async () => {
  const source = await readerOf(() => false).openFile(gone(10));
  const error = await failureOf(source.slice(0, 10));
  expect(isUnreadable(error)).toBe(true);
  // As tus hands it on: with the reason behind an error of its own.
  expect(isUnreadable(Object.assign(new Error('tus: failed to create upload'), { causingError: error }))).toBe(true);
  expect(isUnreadable(Object.assign(new Error('tus: failed'), { causingError: new ProgressEvent('error') }))).toBe(false);
  expect(isUnreadable(new Error('tus: failed'))).toBe(false);
});

it('a file that is gone is told from an empty one, although it shows no length either', async () => {
  expect(await bytesOf(new Blob(), 0, 10)).toHaveLength(0);
  const lost = Object.assign(new Blob(), { arrayBuffer: () => Promise.reject(new DOMException('', 'NotFoundError')) });
  expect(await failureOf(bytesOf(lost, 0, 10))).toBeInstanceOf(Unreadable);
});

it('a file that has become shorter is not sent as if it were whole', async () => {
  const file = new Blob([new Uint8Array(4)]);
  Object.assign(file, { slice: () => ({ size: 10, arrayBuffer: () => Promise.resolve(new ArrayBuffer(4)) }) });
  expect(await failureOf((await readerOf(() => false).openFile(file)).slice(0, 10))).toBeInstanceOf(Unreadable);
});

it('a piece that was read after its sending was given up goes nowhere, and that is no fault of the file', async () => {
  const source = await readerOf(() => true).openFile(new Blob([new Uint8Array(4)]));
  const error = await failureOf(source.slice(0, 4));
  expect(error).toBeInstanceOf(Error);
  expect(isUnreadable(error)).toBe(false);
});
