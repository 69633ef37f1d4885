import { Button } from 'antd';
import { useEffect, useRef, useState } from 'react';

import { copyText } from '../../frame/copy';
import { useText } from '../../i18n';

/** A secret the server says this once: it stays until somebody has it and says so. */
export function Secret({ title, secret, hint, close }: { title: string; secret: string; hint: string; close: () => void }) {
  const t = useText();
  const [copied, setCopied] = useState(false);
  const head = useRef<HTMLHeadingElement>(null);
  useEffect(() => head.current?.focus(), []);
  return (
    <section className="admin-panel secret" data-testid="secret" aria-label={title}>
      <h2 ref={head} tabIndex={-1}>
        {title}
      </h2>
      <p>
        <code data-testid="secret-text">{secret}</code>
      </p>
      <p>{hint}</p>
      <div className="acts">
        <Button onClick={() => void copyText(secret).then(setCopied)}>{t(copied ? 'technical.copied' : 'technical.copy')}</Button>
        <Button onClick={close} data-testid="secret-close">
          {t('account.secretKept')}
        </Button>
      </div>
    </section>
  );
}
