import { Button, Input, type InputRef } from 'antd';
import { type FormEvent, useEffect, useRef, useState } from 'react';

import { queries } from '../api/queries';
import { type LockReason, signIn, signOut, useSession } from '../api/session';
import { CapsLockHint, SignInTrouble, useLockedOut } from '../features/signin/parts';
import { useText } from '../i18n';
import { coverKeys } from './keys';
import { LanguageSwitch } from './LanguageSwitch';

const REASON = { idle: 'lock.idle', expired: 'lock.expired', asked: 'lock.asked' } as const;

/** Covers the page, keeps all of it, and lets the same person go on in place. */
export function LockSheet({ reason }: { reason: LockReason }) {
  const t = useText();
  const session = useSession((store) => store.session);
  const [password, setPassword] = useState('');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const lockedOut = useLockedOut(error);
  const field = useRef<InputRef>(null);
  useEffect(() => coverKeys(), []);
  useEffect(() => field.current?.focus(), []);
  const user = session?.user;

  const goOn = async (event: FormEvent) => {
    event.preventDefault();
    if (!user || busy || lockedOut > 0) return;
    setBusy(true);
    setError(null);
    try {
      await signIn(user.username, password);
      await queries.invalidateQueries();
    } catch (problem) {
      setError(problem);
      setPassword('');
      field.current?.focus();
    } finally {
      setBusy(false);
    }
  };

  const minutes = Math.round((session?.idle_lock_s ?? 900) / 60);
  return (
    <div className="lock" role="dialog" aria-modal="true" aria-labelledby="lock-title" data-testid="lock">
      <form onSubmit={(event) => void goOn(event)}>
        <h1 id="lock-title" className="answer">
          {user?.display_name}
        </h1>
        <p>{t(REASON[reason], { minutes })}</p>
        <label htmlFor="lock-password">{t('signin.password')}</label>
        <Input.Password
          id="lock-password"
          ref={field}
          value={password}
          autoComplete="current-password"
          onChange={(event) => setPassword(event.target.value)}
        />
        <CapsLockHint />
        <SignInTrouble error={error} lockedOut={lockedOut} />
        <div className="foot">
          <Button type="primary" htmlType="submit" loading={busy} disabled={!password || lockedOut > 0}>
            {t('lock.goOn')}
          </Button>
          <Button type="text" onClick={() => void signOut()}>
            {t('lock.other')}
          </Button>
          <LanguageSwitch />
        </div>
      </form>
    </div>
  );
}
