import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { oneAtATime, REST_MS } from './again';

/** A list on a slow line: how often it was asked for, and the end of each reading. */
function slow() {
  const ends: (() => void)[] = [];
  const fails: ((why: Error) => void)[] = [];
  const read = () =>
    new Promise<void>((resolve, reject) => {
      ends.push(resolve);
      fails.push(reject);
    });
  return { read, ends, fails };
}

const settled = () => vi.advanceTimersByTimeAsync(0);

describe('a list that sixty events ask for', () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  it('is read at once, and once more for all that came meanwhile', async () => {
    const { read, ends } = slow();
    const { again } = oneAtATime(read);
    for (let event = 0; event < 60; event += 1) again();
    expect(ends.length).toBe(1);
    ends[0]?.();
    await vi.advanceTimersByTimeAsync(REST_MS);
    expect(ends.length).toBe(2);
    ends[1]?.();
    await vi.advanceTimersByTimeAsync(10 * REST_MS);
    expect(ends.length).toBe(2);
  });

  it('is left alone for a moment between two readings', async () => {
    const { read, ends } = slow();
    const { again } = oneAtATime(read);
    again();
    ends[0]?.();
    await settled();
    again();
    await vi.advanceTimersByTimeAsync(REST_MS - 1);
    expect(ends.length).toBe(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(ends.length).toBe(2);
  });

  it('is read at once again after it lay still', async () => {
    const { read, ends } = slow();
    const { again } = oneAtATime(read);
    again();
    ends[0]?.();
    await vi.advanceTimersByTimeAsync(REST_MS);
    again();
    expect(ends.length).toBe(2);
  });

  it('is read again also where it could not be read', async () => {
    const { read, ends, fails } = slow();
    const { again } = oneAtATime(read);
    again();
    again();
    fails[0]?.(new Error('no line'));
    await vi.advanceTimersByTimeAsync(REST_MS);
    expect(ends.length).toBe(2);
  });

  it('is read no more once the page is left', async () => {
    const { read, ends } = slow();
    const { again, stop } = oneAtATime(read);
    again();
    again();
    stop();
    ends[0]?.();
    await vi.advanceTimersByTimeAsync(10 * REST_MS);
    again();
    expect(ends.length).toBe(1);
  });
});
