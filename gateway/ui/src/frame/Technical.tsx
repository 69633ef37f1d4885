import { Button } from 'antd';
import { useState } from 'react';

import { useText } from '../i18n';
import { copyText } from './copy';

/** Numbers for the help desk, folded away, with one button that copies them all. */
export function Technical({ facts, open }: { facts: Readonly<Record<string, string>>; open?: boolean }) {
  const t = useText();
  const [copied, setCopied] = useState(false);
  const text = Object.entries(facts)
    .map(([name, value]) => `${name}: ${value}`)
    .join('\n');
  return (
    <details className="technical" open={open}>
      <summary>{t('technical.title')}</summary>
      <dl>
        {Object.entries(facts).map(([name, value]) => (
          <div key={name} style={{ display: 'contents' }}>
            <dt>{name}</dt>
            <dd>{value || '-'}</dd>
          </div>
        ))}
      </dl>
      <Button size="small" onClick={() => void copyText(text).then(setCopied)}>
        {copied ? t('technical.copied') : t('technical.copy')}
      </Button>
    </details>
  );
}
