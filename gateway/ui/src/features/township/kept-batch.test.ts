import { beforeEach, describe, expect, it } from 'vitest';

import type { ToSend } from './inspect';
import { forgetBatch, keepBatch, keptBatches, keptFor, printOf } from './kept-batch';

const batch = (name: string, safe = 0, username = 'lijing') => ({ batch: name, folder: `disc ${name}`, total: 9, safe, username });

describe('batches a closed page leaves behind', () => {
  beforeEach(() => localStorage.clear());

  it('are all remembered, each as far as it was', () => {
    keepBatch(batch('a'));
    keepBatch(batch('b'));
    keepBatch(batch('a', 5));
    expect(keptBatches('lijing')).toEqual([batch('a', 5), batch('b')]);
  });

  it('are shown to nobody else, and letting go of one keeps the others', () => {
    keepBatch(batch('a'));
    keepBatch(batch('b', 1, 'luoli'));
    forgetBatch('a');
    expect(keptBatches('lijing')).toEqual([]);
    expect(keptBatches('luoli')).toEqual([batch('b', 1, 'luoli')]);
  });

  it('are read as an older build wrote them, and nothing else is', () => {
    localStorage.setItem('yilian.batch', JSON.stringify(batch('old', 3)));
    expect(keptBatches('lijing')).toEqual([batch('old', 3)]);
    for (const broken of ['{', 'null', '[1, null, {"batch": 2}]']) {
      localStorage.setItem('yilian.batch', broken);
      expect(keptBatches('lijing')).toEqual([]);
    }
  });

  it('do not grow without end', () => {
    for (let number = 0; number < 30; number += 1) keepBatch(batch(`n${number}`));
    expect(keptBatches('lijing').map((one) => one.batch).slice(0, 2)).toEqual(['n10', 'n11']);
  });
});

describe('a folder chosen again after the page was closed', () => {
  const image = (path: string, sopInstance: string, size = 4): ToSend => ({
    picked: { file: new File([new Uint8Array(size)], path), path },
    kind: 'dicom',
    sopInstance,
    patients: [],
    studies: [],
  });
  const disc = [image('DICOM/IM1', '2.25.1'), image('DICOM/IM2', '2.25.2')];

  it('goes on with its batch, in whichever order its files are found', () => {
    const kept = [{ ...batch('a'), folder: 'DICOM', print: printOf(disc) }];
    expect(keptFor(kept, 'DICOM', printOf([...disc].reverse()))?.batch).toBe('a');
  });

  it('is not taken for another disc whose folder and files are called the same', () => {
    const kept = [{ ...batch('a'), folder: 'DICOM', print: printOf(disc) }, { ...batch('b'), folder: 'DICOM' }];
    const others = [
      [image('DICOM/IM1', '2.25.1'), image('DICOM/IM2', '2.25.9')],
      [image('DICOM/IM1', '2.25.1'), image('DICOM/IM2', '2.25.2', 5)],
      disc.slice(1),
    ];
    for (const other of others) expect(keptFor(kept, 'DICOM', printOf(other))).toBeUndefined();
  });
});
