import { useEffect, useState } from 'react';

import { ask } from '../api/client';
import { useText } from '../i18n';
import { useTroubleText } from './Trouble';

/** One field whole, and for how long a page may show it. */
export interface Revealed {
  value: string;
  hide_after_s: number;
}

/** The patient's number of a study; the look is written down before it is answered. */
export function revealOfStudy(study: string): Promise<Revealed> {
  return ask(`/api/v1/studies/${study}/reveal`, { method: 'POST', body: { field: 'patient_id' } });
}

/** A masked number; pressing shows it for as long as the server says, and the look is written down. */
export function Masked({ value, reveal }: { value: string; reveal: () => Promise<Revealed> }) {
  const t = useText();
  const trouble = useTroubleText();
  const [shown, setShown] = useState<Revealed | null>(null);
  const [error, setError] = useState<unknown>(null);
  useEffect(() => {
    if (!shown) return undefined;
    const timer = setTimeout(() => setShown(null), shown.hide_after_s * 1000);
    return () => clearTimeout(timer);
  }, [shown]);
  return (
    <span data-testid="masked">
      {shown?.value ?? value}{' '}
      <button
        type="button"
        className="linkish"
        data-testid="reveal"
        onClick={() => {
          setError(null);
          if (shown) setShown(null);
          else void reveal().then(setShown, setError);
        }}
      >
        {t(shown ? 'today.hide' : 'today.reveal')}
      </button>
      {error !== null && <span className="fault">{trouble(error).text}</span>}
    </span>
  );
}
