/** One way to talk to `/api/v1`: JSON in and out, the CSRF header on writes, problem+json as an error with a code. */

/** What went wrong, with the stable code the catalogue turns into words. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly detail: string,
    readonly extra: Readonly<Record<string, unknown>> = {},
  ) {
    super(`${status} ${code}`);
    this.name = 'Problem';
  }

  /** True when nothing was answered at all: the line, the machine or the server is away. */
  get unreachable(): boolean {
    return this.status === 0;
  }
}

type Listener = () => void;
const signedOut = new Set<Listener>();
let csrf = '';

export function rememberCsrf(token: string): void {
  csrf = token;
}

export function csrfHeader(): Record<string, string> {
  return csrf ? { 'X-CSRF-Token': csrf } : {};
}

/** Calls *listener* whenever the server says that nobody is signed in any more; returns how to stop. */
export function onSignedOut(listener: Listener): () => void {
  signedOut.add(listener);
  return () => signedOut.delete(listener);
}

export function tellSignedOut(): void {
  for (const listener of signedOut) listener();
}

/**
 * Notes under whose session something is asked; called with the answer's status, tells that nobody is signed in.
 * Who has signed in since is not signed out by the answer to what was asked under the session before.
 */
export function underSession(): (status: number) => void {
  const session = csrf;
  return (status) => {
    if (status === 401 && session === csrf) tellSignedOut();
  };
}

export interface Ask {
  method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  body?: unknown;
  signal?: AbortSignal;
  /** A 401 of the sign-in door itself means a wrong password, not a lost session. */
  atSignIn?: boolean;
  /** The act this is, so that it happens once however often it is sent. */
  actKey?: string;
  /** The version the change is made from. */
  version?: string;
  /** What is written must not be there yet. */
  added?: boolean;
  /** Hears the version of what is answered, where it stands in no field. */
  heard?: (version: string) => void;
}

const DEADLINE_MS = 30_000;

async function problemOf(answer: Response): Promise<Problem> {
  let body: Record<string, unknown> = {};
  try {
    body = (await answer.json()) as Record<string, unknown>;
  } catch {
    // A proxy's own page is no problem+json; the status says enough.
  }
  const code = typeof body.code === 'string' ? body.code : `http-${answer.status}`;
  const detail = typeof body.detail === 'string' ? body.detail : '';
  return new Problem(answer.status, code, detail, body);
}

/** Asks *path* and returns its JSON (undefined for 204); raises Problem, also when the server cannot be reached. */
export async function ask<T>(path: string, { method = 'GET', body, signal, atSignIn, actKey, version, added, heard }: Ask = {}): Promise<T> {
  // AbortSignal.any is younger than the oldest browser served here (Chromium 109).
  const stop = new AbortController();
  const answered = underSession();
  const giveUp = () => stop.abort();
  const timer = setTimeout(giveUp, DEADLINE_MS);
  signal?.addEventListener('abort', giveUp, { once: true });
  let answer: Response;
  try {
    answer = await fetch(path, {
      method,
      headers: {
        Accept: 'application/json',
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...(method === 'GET' ? {} : csrfHeader()),
        ...(actKey ? { 'Idempotency-Key': actKey } : {}),
        ...(version ? { 'If-Match': `"${version}"` } : {}),
        ...(added ? { 'If-None-Match': '*' } : {}),
      },
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: 'same-origin',
      cache: 'no-store',
      signal: stop.signal,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem(0, 'unreachable', '');
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', giveUp);
  }
  if (!answer.ok) {
    if (!atSignIn) answered(answer.status);
    throw await problemOf(answer);
  }
  if (answer.status === 204) return undefined as T;
  heard?.(answer.headers.get('ETag')?.replaceAll('"', '') ?? '');
  return (await answer.json()) as T;
}
