import { useMutation } from '@tanstack/react-query';
import { Button } from 'antd';

import { Chip } from '../../frame/Chip';
import { hasText, useText } from '../../i18n';
import { verifyTrail } from './asks';
import { Refused } from './Refused';

/** Whether every row of the trail is still as it was written, and where not. */
export function Chain() {
  const t = useText();
  const check = useMutation({ mutationFn: verifyTrail });
  const faults = check.data?.faults;
  return (
    <div className="chain">
      <Button loading={check.isPending} onClick={() => check.mutate()} data-testid="verify">
        {t('audit.verify')}
      </Button>
      {check.isPending && <span role="status">{t('audit.verifying')}</span>}
      {check.isError && <Refused error={check.error} />}
      {faults?.length === 0 && (
        <span role="status" data-testid="chain">
          <Chip kind="done">{t('audit.whole')}</Chip> {t('audit.wholeText')}
        </span>
      )}
      {faults && faults.length > 0 && (
        <div className="note note-bad" role="alert" data-testid="chain">
          <p>{t('audit.broken')}</p>
          <ul>
            {faults.map(({ chain, number, what }) => {
              const key = `audit.fault.${what}`;
              return <li key={chain}>{t('audit.brokenAt', { chain, number, what: hasText(key) ? t(key) : what })}</li>;
            })}
          </ul>
        </div>
      )}
    </div>
  );
}
