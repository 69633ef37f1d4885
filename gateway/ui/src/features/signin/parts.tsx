import { useEffect, useState } from 'react';

import { Problem } from '../../api/client';
import { dayAndTime } from '../../frame/clock';
import { useLanguage } from '../../frame/language';
import { useTroubleText } from '../../frame/Trouble';
import { useText } from '../../i18n';

/** Says that Caps Lock is on, while a key tells so. */
export function CapsLockHint() {
  const t = useText();
  const [on, setOn] = useState(false);
  useEffect(() => {
    const look = (event: KeyboardEvent | MouseEvent) => {
      if (typeof event.getModifierState === 'function') setOn(event.getModifierState('CapsLock'));
    };
    window.addEventListener('keydown', look);
    window.addEventListener('keyup', look);
    return () => {
      window.removeEventListener('keydown', look);
      window.removeEventListener('keyup', look);
    };
  }, []);
  return on ? (
    <p className="quiet" role="status">
      {t('signin.caps')}
    </p>
  ) : null;
}

/** Seconds until the server takes a password again, counting down; 0 when it takes one now. */
export function useLockedOut(error: unknown): number {
  const [left, setLeft] = useState(0);
  useEffect(() => {
    if (!(error instanceof Problem) || error.code !== 'sign-in-locked') return undefined;
    const until = Date.now() + Math.max(1, Number(error.extra.retry_after_s) || 60) * 1000;
    const count = () => setLeft(Math.max(0, Math.ceil((until - Date.now()) / 1000)));
    count();
    const timer = setInterval(count, 1000);
    return () => clearInterval(timer);
  }, [error]);
  return left;
}

/** Why signing in did not work, in the form itself. */
export function SignInTrouble({ error, lockedOut }: { error: unknown; lockedOut: number }) {
  const t = useText();
  const language = useLanguage();
  const troubleText = useTroubleText();
  if (!error) return null;
  if (error instanceof Problem && error.code === 'sign-in-locked') {
    return (
      <p className="note note-bad" role="alert" style={{ marginTop: 12 }}>
        {lockedOut > 0 ? t('signin.locked', { minutes: Math.ceil(lockedOut / 60) }) : t('signin.lockedOver')}
      </p>
    );
  }
  if (error instanceof Problem && error.code === 'offline-too-long') {
    const heard = error.extra.heard_at;
    return (
      <p className="note note-bad" role="alert" style={{ marginTop: 12 }}>
        {typeof heard === 'string'
          ? t('signin.offlineTooLong', { at: dayAndTime(heard, language), days: Number(error.extra.valid_days) || 30 })
          : t('signin.neverHeard')}
      </p>
    );
  }
  const failed = error instanceof Problem && (error.code === 'sign-in-failed' || error.status === 401);
  return (
    <p className="note note-bad" role="alert" style={{ marginTop: 12 }}>
      {failed ? t('signin.failed') : troubleText(error).text}
    </p>
  );
}
