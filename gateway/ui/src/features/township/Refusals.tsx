import { hasText, type Say, useText } from '../../i18n';
import { helpsFor } from './refusal-help';

/** What a refusal means and what to do, by the server's reason code. */
export function reason(code: string, t: Say): string {
  const key = `reason.${code}`;
  return hasText(key) ? t(key) : t('reason.other', { code });
}

/** What to do about everything refused with *codes*: said once, below the list. */
export function WhatHelps({ codes, phone }: { codes: readonly string[]; phone: string }) {
  const t = useText();
  const helps = helpsFor(codes).flatMap((help) => (help === 'again' ? [] : [help]));
  if (helps.length === 0) return null;
  return (
    <div className="what-helps" data-testid="what-helps">
      {helps.map((help) => (
        <p key={help}>{t(`help.${help}`)}</p>
      ))}
      {phone && <p>{t('queue.callCounty', { phone })}</p>}
    </div>
  );
}
