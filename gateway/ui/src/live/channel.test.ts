import { afterEach, describe, expect, it, vi } from 'vitest';

import { listReadAt, onLive, runChannel, useChannel, waitMs } from './channel';

afterEach(() => vi.unstubAllGlobals());

function stream(text: string): Response {
  return new Response(
    new ReadableStream({
      start(controller) {
        controller.enqueue(new TextEncoder().encode(text));
        controller.close();
      },
    }),
    { headers: { 'Content-Type': 'text/event-stream' } },
  );
}

describe('the live channel', () => {
  it('waits longer each time, within bounds', () => {
    expect(waitMs(0, 0)).toBe(250);
    expect(waitMs(0, 1)).toBe(500);
    expect(waitMs(3, 1)).toBe(4000);
    expect(waitMs(50, 1)).toBe(15_000);
  });

  it('resumes after the last event it saw, and delivers each payload once', async () => {
    const asked: (string | null)[] = [];
    const stop = new AbortController();
    const seen: unknown[] = [];
    const unhear = onLive('study.updated', (payload) => seen.push(payload));
    vi.stubGlobal('fetch', async (_: string, init: { headers: Record<string, string> }) => {
      asked.push(init.headers['Last-Event-ID'] ?? null);
      if (asked.length === 1)
        return stream('id: 7\nevent: study.updated\ndata: {"n":1}\n\nid: 8\nevent: other\ndata: {}\n\n');
      if (asked.length === 2) return stream('id: 9\nevent: study.updated\ndata: {"n":2}\n\n');
      stop.abort();
      throw new TypeError('cut');
    });
    await runChannel(stop.signal);
    unhear();
    expect(asked).toEqual([null, '8', '9']);
    expect(seen).toEqual([{ n: 1 }, { n: 2 }]);
  });

  it('goes on from the list that was read when nothing came yet', async () => {
    const asked: (string | null)[] = [];
    const stop = new AbortController();
    vi.stubGlobal('fetch', async (_: string, init: { headers: Record<string, string>; signal: AbortSignal }) => {
      asked.push(init.headers['Last-Event-ID'] ?? null);
      if (asked.length === 1) {
        queueMicrotask(() => listReadAt(120));
        return new Promise<Response>((_resolve, reject) => {
          init.signal.addEventListener('abort', () => reject(new DOMException('', 'AbortError')));
        });
      }
      stop.abort();
      throw new TypeError('cut');
    });
    await runChannel(stop.signal);
    expect(asked).toEqual([null, '120']);
  });

  it('says since when it is down', async () => {
    useChannel.setState({ state: 'connecting', heardAt: null, downSince: null });
    const stop = new AbortController();
    let calls = 0;
    vi.stubGlobal('fetch', async () => {
      calls += 1;
      if (calls === 2) stop.abort();
      throw new TypeError('no line');
    });
    await runChannel(stop.signal);
    expect(useChannel.getState().state).toBe('offline');
    expect(useChannel.getState().downSince).not.toBeNull();
  });
});
