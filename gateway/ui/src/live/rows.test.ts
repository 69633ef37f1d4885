import type { InfiniteData } from '@tanstack/react-query';
import { describe, expect, it } from 'vitest';

import { type Page, replaced, withNew } from './rows';

interface Row {
  id: string;
  count: number;
}

const data: InfiniteData<Page<Row>, string> = {
  pages: [
    {
      items: [
        { id: 'a', count: 1 },
        { id: 'b', count: 1 },
      ],
      last_event_id: 1,
    },
    { items: [{ id: 'c', count: 1 }], last_event_id: 1 },
  ],
  pageParams: ['', 'x'],
};
const keyOf = (row: Row) => row.id;
const ids = (after: InfiniteData<Page<Row>, string>) => after.pages.flatMap(({ items }) => items.map(keyOf));

describe('a live list', () => {
  it('changes a row where it stands', () => {
    const after = replaced(data, { id: 'c', count: 9 }, keyOf);
    expect(after?.pages[1]?.items[0]?.count).toBe(9);
    expect(after && ids(after)).toEqual(['a', 'b', 'c']);
    expect(after?.pages[0]).toBe(data.pages[0]);
  });

  it('does not take in a row nobody asked to see', () =>
    expect(replaced(data, { id: 'z', count: 1 }, keyOf)).toBeNull());

  it('puts new rows at the head when they are asked for', () => {
    expect(
      ids(
        withNew(data, [
          { id: 'z', count: 1 },
          { id: 'y', count: 1 },
        ]),
      ),
    ).toEqual(['z', 'y', 'a', 'b', 'c']);
  });

  it('counts them where the server counts', () => {
    const [first, ...rest] = data.pages;
    const counted = { ...data, pages: [{ ...first, items: first?.items ?? [], last_event_id: 1, total: 3 }, ...rest] };
    expect(withNew(counted, [{ id: 'z', count: 1 }]).pages[0]?.total).toBe(4);
    expect(withNew(data, [{ id: 'z', count: 1 }]).pages[0]?.total).toBeUndefined();
  });
});
