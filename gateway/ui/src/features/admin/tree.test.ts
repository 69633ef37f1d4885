import { describe, expect, it } from 'vitest';

import { belowOf, treeOf } from './tree';

const house = (code: string, parent: string | null = null) => ({ code, parent });

describe('the houses as a tree', () => {
  it('puts each behind the one it belongs to', () => {
    const rows = [house('village', 'town'), house('county'), house('town', 'county'), house('city'), house('annex', 'county')];
    expect(treeOf(rows).map(({ row, depth }) => `${depth} ${row.code}`)).toEqual([
      '0 city',
      '0 county',
      '1 annex',
      '1 town',
      '2 village',
    ]);
  });

  it('loses none, whatever they say of each other', () => {
    const rows = [house('a', 'b'), house('b', 'a'), house('c', 'nowhere')];
    expect(treeOf(rows).map(({ row }) => row.code).sort()).toEqual(['a', 'b', 'c']);
    expect([...belowOf(rows, 'a')].sort()).toEqual(['a', 'b']);
  });
});
