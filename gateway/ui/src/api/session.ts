/** Who is signed in, and whether the page is covered by the lock. */

import { create } from 'zustand';

import { setServerTime } from '../frame/clock';
import { ask, onSignedOut, Problem, rememberCsrf, tellSignedOut } from './client';
import { queries } from './queries';
import type { Session, User } from './types';

export type Phase = 'loading' | 'unreachable' | 'signed-out' | 'signed-in';
/** Why the page is covered: nobody touched it, the server ended the session, or the person asked for it. */
export type LockReason = 'idle' | 'expired' | 'asked';

interface SessionStore {
  phase: Phase;
  session: Session | null;
  lock: LockReason | null;
}

export const useSession = create<SessionStore>(() => ({ phase: 'loading', session: null, lock: null }));

const LOCKED = 'yilian.locked';

function keepLock(reason: LockReason | null): void {
  try {
    if (reason) sessionStorage.setItem(LOCKED, reason);
    else sessionStorage.removeItem(LOCKED);
  } catch {
    // Without storage a reload opens the page again, as long as the server's session lives.
  }
}

function keptLock(): LockReason | null {
  try {
    return sessionStorage.getItem(LOCKED) as LockReason | null;
  } catch {
    return null;
  }
}

function accept(session: Session): void {
  rememberCsrf(session.csrf);
  setServerTime(session.server_time);
}

/** Asks who is signed in; a page that was locked stays locked over a reload. */
export async function loadSession(): Promise<void> {
  try {
    const session = await ask<Session>('/api/v1/session');
    accept(session);
    const signedIn = session.authenticated && Boolean(session.user);
    if (!signedIn) keepLock(null);
    useSession.setState({
      session,
      phase: signedIn ? 'signed-in' : 'signed-out',
      lock: signedIn ? keptLock() : null,
    });
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    useSession.setState({ phase: 'unreachable' });
  }
}

/** Signs *username* in; raises Problem with the code the form shows. */
export async function signIn(username: string, password: string): Promise<void> {
  const session = await ask<Session>('/api/v1/session', {
    method: 'POST',
    body: { username, password },
    atSignIn: true,
  });
  accept(session);
  keepLock(null);
  useSession.setState({ session, phase: 'signed-in', lock: null });
}

/** Gives the signed-in person a new password; their other sessions end. Raises Problem with the code the form shows. */
export async function changePassword(old: string, fresh: string): Promise<void> {
  try {
    await ask<void>('/api/v1/session/password', { method: 'POST', body: { old, new: fresh }, atSignIn: true });
  } catch (error) {
    // Of the two that answer 401, only a wrong old password leaves the person signed in.
    if (error instanceof Problem && error.status === 401 && error.code !== 'sign-in-failed') tellSignedOut();
    throw error;
  }
  useSession.setState(({ session }) => ({ session: session && { ...session, password_change_due: false } }));
}

export async function signOut(): Promise<void> {
  try {
    await ask<void>('/api/v1/session', { method: 'DELETE', atSignIn: true });
  } catch (error) {
    // Nobody may be kept in: the page closes even when the server cannot be told, and the session there ages out.
    if (!(error instanceof Problem)) throw error;
  }
  keepLock(null);
  // Whoever signs in next must not see what this person had asked for: not in memory, not in the history entry.
  queries.clear();
  history.replaceState(null, '', '/');
  useSession.setState((was) => ({
    phase: 'signed-out',
    lock: null,
    session: was.session && { ...was.session, user: undefined },
  }));
  await loadSession();
}

export function lockPage(reason: LockReason): void {
  const { phase, lock } = useSession.getState();
  if (phase !== 'signed-in' || lock) return;
  keepLock(reason);
  useSession.setState({ lock: reason });
}

onSignedOut(() => lockPage('expired'));

/** The signed-in person; only for pages that are shown to a signed-in person. */
export function useUser(): User {
  const user = useSession((store) => store.session?.user);
  if (!user) throw new Error('nobody is signed in');
  return user;
}
