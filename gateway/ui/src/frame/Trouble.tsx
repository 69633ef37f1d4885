import { Button } from 'antd';

import { Problem } from '../api/client';
import { hasText, useText } from '../i18n';

/** What happened, what is safe and what to do, in the user's words; the code stands small at the end. */
export function useTroubleText(): (error: unknown) => { text: string; code: string } {
  const t = useText();
  return (error) => {
    if (!(error instanceof Problem)) return { text: t('trouble.page'), code: '' };
    if (error.unreachable) return { text: t('trouble.unreachable'), code: '' };
    const key = `trouble.${error.code}`;
    if (hasText(key)) return { text: t(key), code: '' };
    if (error.status === 403 || error.status === 404) return { text: t('app.none'), code: '' };
    return { text: t('trouble.server'), code: error.code };
  };
}

/** True when the page asked for a part that only a newer build has. */
function isOldPage(error: unknown): boolean {
  return error instanceof Problem && error.code === 'new-version';
}

/** Whether asking again may be answered otherwise: what is not there for somebody stays so. */
function mayHelp(error: unknown): boolean {
  return !(error instanceof Problem && (error.status === 403 || error.status === 404));
}

/** An error in the place it concerns, with the next step. */
export function Trouble({ error, again }: { error: unknown; again?: () => void }) {
  const t = useText();
  const { text, code } = useTroubleText()(error);
  return (
    <div className="trouble" role="alert">
      <p>{text}</p>
      {code && <p className="quiet">{t('trouble.code', { code })}</p>}
      {again && mayHelp(error) && <Button onClick={again}>{t(isOldPage(error) ? 'version.reload' : 'trouble.again')}</Button>}
    </div>
  );
}

/** At most eight grey lines while the first rows come; shown only after 300 ms by the caller's own delay. */
export function GreyLines({ count = 8 }: { count?: number }) {
  const t = useText();
  return (
    <div className="grey-lines" role="status" aria-label={t('app.loading')}>
      {Array.from({ length: count }, (_, line) => (
        <span key={line} style={{ width: `${90 - line * 6}%` }} />
      ))}
    </div>
  );
}
