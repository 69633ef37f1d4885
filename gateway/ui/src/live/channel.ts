/** The live channel `/api/v1/events`: resumes after the last event seen, says since when it is silent. */

import { create } from 'zustand';

import { underSession } from '../api/client';
import { now } from '../frame/clock';
import { EventParser, type LiveEvent } from './event-parser';

export type ChannelState = 'connecting' | 'live' | 'stale' | 'offline';

interface Channel {
  state: ChannelState;
  /** When the last word came; shown as `截至10:42`. */
  heardAt: Date | null;
  /** Since when nothing can be reached. */
  downSince: Date | null;
}

export const useChannel = create<Channel>(() => ({ state: 'connecting', heardAt: null, downSince: null }));

/** The server sends a heartbeat every 15 s; two missed ones mean the data may be old. */
export const SILENT_MS = 30_000;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;

/** Wait before try *attempt* (from 0): doubling, bounded, with *chance* in [0, 1) spreading a county's browsers. */
export function waitMs(attempt: number, chance: number): number {
  const full = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(attempt, 10));
  return full / 2 + (full / 2) * chance;
}

type Handler = (payload: unknown, event: LiveEvent) => void;
const handlers = new Map<string, Set<Handler>>();

/** Calls *handler* with the payload of each event of *topic*; returns how to stop. */
export function onLive(topic: string, handler: Handler): () => void {
  const set = handlers.get(topic) ?? new Set();
  handlers.set(topic, set.add(handler));
  return () => set.delete(handler);
}

function deliver(event: LiveEvent): void {
  const set = handlers.get(event.topic);
  if (!set?.size) return;
  let payload: unknown;
  try {
    payload = JSON.parse(event.data);
  } catch {
    return;
  }
  for (const handler of set) handler(payload, event);
}

let lastId = 0;

/** A list read at outbox id *id* holds everything up to it: the stream goes on from there. */
export function listReadAt(id: number): void {
  if (lastId === 0 && id > 0) {
    lastId = id;
    reopen?.();
  }
}

let reopen: (() => void) | undefined;

/** Opens the channel and keeps it open until *signal* aborts. */
export async function runChannel(signal: AbortSignal): Promise<void> {
  lastId = 0;
  let attempt = 0;
  while (!signal.aborted) {
    const turn = new AbortController();
    const stop = () => turn.abort();
    signal.addEventListener('abort', stop, { once: true });
    let silent = setTimeout(stop, SILENT_MS);
    let restarted = false;
    reopen = () => {
      restarted = true;
      stop();
    };
    try {
      await readOnce(turn.signal, () => {
        attempt = 0;
        clearTimeout(silent);
        silent = setTimeout(() => {
          useChannel.setState({ state: 'stale' });
          stop();
        }, SILENT_MS);
      });
    } catch {
      // Whatever cut the stream, the answer is the same: come back, and go on after the last event.
    } finally {
      clearTimeout(silent);
      signal.removeEventListener('abort', stop);
      reopen = undefined;
    }
    if (signal.aborted) return;
    if (restarted) continue;
    if (useChannel.getState().state !== 'stale') {
      useChannel.setState((was) => ({ state: 'offline', downSince: was.downSince ?? was.heardAt ?? now() }));
    }
    await pause(waitMs(attempt, Math.random()), signal);
    attempt += 1;
  }
}

async function readOnce(signal: AbortSignal, heard: () => void): Promise<void> {
  const answered = underSession();
  const answer = await fetch('/api/v1/events', {
    headers: { Accept: 'text/event-stream', ...(lastId ? { 'Last-Event-ID': String(lastId) } : {}) },
    credentials: 'same-origin',
    cache: 'no-store',
    signal,
  });
  answered(answer.status);
  if (!answer.ok || !answer.body) throw new Error(`events ${answer.status}`);
  const parser = new EventParser();
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  const alive = () => {
    heard();
    useChannel.setState({ state: 'live', heardAt: now(), downSince: null });
  };
  alive();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    alive();
    for (const event of parser.take(value)) {
      const id = Number(event.id);
      if (id > lastId) lastId = id;
      deliver(event);
    }
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      window.removeEventListener('online', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done, { once: true });
    // The browser noticed that the line is back: no need to wait the rest.
    window.addEventListener('online', done, { once: true });
  });
}

/** Tells the channel that the browser itself has no line, without waiting for the silence to be noticed. */
export function watchBrowserLine(): () => void {
  const offline = () => {
    useChannel.setState((was) => ({ state: 'offline', downSince: was.downSince ?? now() }));
    reopen?.();
  };
  window.addEventListener('offline', offline);
  return () => window.removeEventListener('offline', offline);
}
