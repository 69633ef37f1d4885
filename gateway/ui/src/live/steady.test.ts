import { describe, expect, it } from 'vitest';

import { steady } from './steady';

const key = (row: string) => row[0] ?? '';
const at = (places: string, now: readonly string[]) => steady([...places], now, key);

describe('a list that is read anew', () => {
  it('is shown as it came to whoever saw nothing of it', () =>
    expect(at('', ['b', 'a'])).toEqual({ shown: ['b', 'a'], waiting: [] }));
  it('changes its cells where they stand', () => expect(at('ab', ['b2', 'a2'])).toEqual({ shown: ['a2', 'b2'], waiting: [] }));
  it('lets a row go that is gone', () => expect(at('abc', ['a', 'c'])).toEqual({ shown: ['a', 'c'], waiting: [] }));
  it('lets a new one wait that would push others down', () =>
    expect(at('ab', ['n', 'a', 'm', 'b'])).toEqual({ shown: ['a', 'b'], waiting: ['n', 'm'] }));
  it('lets a new one join behind them, as the next page does', () =>
    expect(at('ab', ['a', 'b', 'n', 'm'])).toEqual({ shown: ['a', 'b', 'n', 'm'], waiting: [] }));
  it('is another one where nothing of it is left', () => expect(at('ab', ['n'])).toEqual({ shown: ['n'], waiting: [] }));
});
