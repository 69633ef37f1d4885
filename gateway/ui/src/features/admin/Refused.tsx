import { Problem } from '../../api/client';
import { Trouble } from '../../frame/Trouble';
import { hasText, useText } from '../../i18n';

const administrators = (code: string) => `admin.trouble.${code}`;

/** Why the server did not do it, in the page's own words where it has some for it; `word` names them by the server's code. */
export function Refused({ error, again, word = administrators }: { error: unknown; again?: () => void; word?: (code: string) => string }) {
  const t = useText();
  const key = error instanceof Problem ? word(error.code) : '';
  if (!hasText(key)) return <Trouble error={error} again={again} />;
  return (
    <p className="fault" role="alert" data-testid="refused">
      {t(key)}
    </p>
  );
}
