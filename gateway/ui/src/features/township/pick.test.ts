import { expect, it } from 'vitest';

import { folderName, fromInput, type Picks, walk } from './pick';

const nothing = (): Picks => ({ files: [], unreadable: [], beyond: 0 });
const gone = () => new DOMException('', 'NotFoundError');

const file = (fullPath: string, readable = true) =>
  ({
    isFile: true,
    fullPath,
    file: (take: (file: File) => void, fail: (error: DOMException) => void) =>
      readable ? take(new File(['x'], fullPath)) : fail(gone()),
  }) as unknown as FileSystemEntry;

function folder(fullPath: string, children: FileSystemEntry[], readable = true): FileSystemEntry {
  const createReader = () => {
    const left = [...children];
    return {
      readEntries: (take: (entries: FileSystemEntry[]) => void, fail: (error: DOMException) => void) =>
        readable ? take(left.splice(0, 2)) : fail(gone()),
    };
  };
  return { isFile: false, fullPath, createReader } as unknown as FileSystemEntry;
}

it('a dropped folder is walked to the bottom, and what cannot be opened is named and stops nothing', async () => {
  const into = nothing();
  const broken = folder('/disc/broken', [], false);
  await walk(folder('/disc', [file('/disc/1'), file('/disc/2', false), broken, folder('/disc/a', [file('/disc/a/3')])]), into);
  expect(into.files.map(({ path }) => path)).toEqual(['disc/1', 'disc/a/3']);
  expect(into.unreadable).toEqual(['disc/2', 'disc/broken']);
  expect(folderName(into)).toBe('disc');
});

it('a folder of which nothing could be opened still has its name', () =>
  expect(folderName({ ...nothing(), unreadable: ['disc/1'] })).toBe('disc'));

it('of more files than the page takes the rest is counted, not opened', async () => {
  const into = nothing();
  const many = [file('/disc/1'), folder('/disc/a', [file('/disc/a/2'), file('/disc/a/3', false)]), file('/disc/4', false)];
  await walk(folder('/disc', many), into, 2);
  expect(into.files.map(({ path }) => path)).toEqual(['disc/1', 'disc/a/2']);
  expect([into.unreadable, into.beyond]).toEqual([[], 2]);

  const chosen = fromInput([new File([], 'a'), new File([], 'b'), new File([], 'c')], 2);
  expect([chosen.files.map(({ path }) => path), chosen.beyond]).toEqual([['a', 'b'], 1]);
  expect(fromInput([new File([], 'a')], 2).beyond).toBe(0);
  expect(fromInput(null).files).toEqual([]);
});
