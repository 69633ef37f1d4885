import { Problem } from '../../api/client';
import { Trouble } from '../../frame/Trouble';
import { hasText, useText } from '../../i18n';

/** Why the server did not do it, in the administrators' words where they have some for it. */
export function Refused({ error, again }: { error: unknown; again?: () => void }) {
  const t = useText();
  const key = error instanceof Problem ? `admin.trouble.${error.code}` : '';
  if (!hasText(key)) return <Trouble error={error} again={again} />;
  return (
    <p className="fault" role="alert" data-testid="refused">
      {t(key)}
    </p>
  );
}
