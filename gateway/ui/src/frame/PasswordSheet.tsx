import { Button, Input, type InputRef } from 'antd';
import { type FormEvent, useEffect, useRef, useState } from 'react';
import { create } from 'zustand';

import { Problem } from '../api/client';
import { changePassword, useSession } from '../api/session';
import { CapsLockHint, SignInTrouble, useLockedOut } from '../features/signin/parts';
import { hasText, type Say, useText } from '../i18n';
import { coverKeys } from './keys';

const usePassword = create(() => ({ open: false }));
const close = () => usePassword.setState({ open: false });

// Whoever signs in next begins with the page.
useSession.subscribe(({ phase }) => {
  if (phase !== 'signed-in') close();
});

export function openPasswordSheet(): void {
  usePassword.setState({ open: true });
}

/** Whether the sheet covers the page now. */
export function usePasswordSheet(): boolean {
  return usePassword((sheet) => sheet.open);
}

/** Why the server will not have the new password, one sentence for each reason it names. */
export function weaknessText(detail: string, t: Say): string {
  const said = detail.split(',').map((reason) => {
    const [code, number = ''] = reason.trim().split(' ');
    const key = `password.${code}`;
    return hasText(key) ? t(key, { number }) : '';
  });
  return said.join('') || t('password.weak');
}

/** Old password, new one twice; what was typed stays until it is taken. */
export function PasswordSheet() {
  const t = useText();
  const user = useSession((store) => store.session?.user);
  const [old, setOld] = useState('');
  const [fresh, setFresh] = useState('');
  const [again, setAgain] = useState('');
  const [busy, setBusy] = useState(false);
  const [done, setDone] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const lockedOut = useLockedOut(error);
  const field = useRef<InputRef>(null);
  const closing = useRef<HTMLButtonElement>(null);
  useEffect(() => coverKeys(), []);
  useEffect(() => field.current?.focus(), []);
  useEffect(() => {
    if (done) closing.current?.focus();
  }, [done]);
  useEffect(() => {
    const leave = (event: KeyboardEvent) => {
      if (event.key === 'Escape' && !event.isComposing) close();
    };
    window.addEventListener('keydown', leave);
    return () => window.removeEventListener('keydown', leave);
  }, []);

  const differ = again !== '' && again !== fresh;
  const save = async (event: FormEvent) => {
    event.preventDefault();
    if (busy || lockedOut > 0 || differ) return;
    setBusy(true);
    setError(null);
    try {
      await changePassword(old, fresh);
      setDone(true);
    } catch (problem) {
      setError(problem);
      field.current?.focus();
    } finally {
      setBusy(false);
    }
  };

  const weak = error instanceof Problem && error.code === 'weak-password';
  const wrong = error instanceof Problem && error.code === 'sign-in-failed';
  const typed: readonly [id: string, label: string, value: string, set: (value: string) => void, kind: string][] = [
    ['password-old', t('password.old'), old, setOld, 'current-password'],
    ['password-new', t('password.new'), fresh, setFresh, 'new-password'],
    ['password-again', t('password.again'), again, setAgain, 'new-password'],
  ];
  return (
    <div className="lock" role="dialog" aria-modal="true" aria-labelledby="password-title" data-testid="password">
      <form onSubmit={(event) => void save(event)}>
        <h1 id="password-title" className="answer">
          {t('password.change')}
        </h1>
        <p className="second">{user?.display_name}</p>
        {done ? (
          <>
            <p role="status" style={{ marginTop: 12 }}>
              {t('password.done')}
            </p>
            <div className="foot">
              <Button ref={closing} onClick={close}>
                {t('password.close')}
              </Button>
            </div>
          </>
        ) : (
          <>
            {/* For password keepers, which file a password under a name. */}
            <input type="text" autoComplete="username" value={user?.username ?? ''} readOnly hidden />
            {typed.map(([id, label, value, set, kind]) => (
              <div key={id}>
                <label htmlFor={id}>{label}</label>
                <Input.Password
                  id={id}
                  ref={id === 'password-old' ? field : undefined}
                  value={value}
                  autoComplete={kind}
                  onChange={(event) => set(event.target.value)}
                />
              </div>
            ))}
            <CapsLockHint />
            {differ && (
              <p className="note note-soon" role="status" style={{ marginTop: 12 }}>
                {t('password.differ')}
              </p>
            )}
            {weak || wrong ? (
              <p className="note note-bad" role="alert" style={{ marginTop: 12 }}>
                {wrong ? t('password.wrong') : weaknessText(error.detail, t)}
              </p>
            ) : (
              <SignInTrouble error={error} lockedOut={lockedOut} />
            )}
            <div className="foot">
              <Button
                type="primary"
                htmlType="submit"
                loading={busy}
                disabled={!old || !fresh || again !== fresh || lockedOut > 0}
              >
                {t('password.save')}
              </Button>
              <Button type="text" onClick={close}>
                {t('password.cancel')}
              </Button>
            </div>
          </>
        )}
      </form>
    </div>
  );
}
