import { Button, Input, type InputRef } from 'antd';
import { type FormEvent, useEffect, useRef, useState } from 'react';

import { signIn, useSession } from '../../api/session';
import { LanguageSwitch } from '../../frame/LanguageSwitch';
import { useText } from '../../i18n';
import { CapsLockHint, SignInTrouble, useLockedOut } from './parts';

export function SignIn() {
  const t = useText();
  const node = useSession((store) => store.session?.node_name ?? '');
  const [username, setUsername] = useState('');
  const [password, setPassword] = useState('');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const lockedOut = useLockedOut(error);
  const passwordField = useRef<InputRef>(null);
  useEffect(() => {
    document.title = t('signin.title');
  }, [t]);

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (busy || lockedOut > 0) return;
    setBusy(true);
    setError(null);
    try {
      await signIn(username.trim(), password);
    } catch (problem) {
      setError(problem);
      setPassword('');
      passwordField.current?.focus();
    } finally {
      setBusy(false);
    }
  };

  return (
    <main className="signin">
      <form onSubmit={(event) => void submit(event)} aria-labelledby="signin-title" data-testid="signin">
        <h1 id="signin-title">{t('app.name')}</h1>
        <p className="second">{node}</p>
        <label htmlFor="username">{t('signin.username')}</label>
        <Input
          id="username"
          autoFocus
          autoComplete="username"
          autoCapitalize="none"
          spellCheck={false}
          value={username}
          onChange={(event) => setUsername(event.target.value)}
        />
        <label htmlFor="password">{t('signin.password')}</label>
        <Input.Password
          id="password"
          ref={passwordField}
          autoComplete="current-password"
          value={password}
          onChange={(event) => setPassword(event.target.value)}
        />
        <CapsLockHint />
        <SignInTrouble error={error} lockedOut={lockedOut} />
        <div className="foot">
          <Button type="primary" htmlType="submit" loading={busy} disabled={!username || !password || lockedOut > 0}>
            {t('signin.in')}
          </Button>
          <LanguageSwitch />
        </div>
      </form>
    </main>
  );
}
