import { Button } from 'antd';

import { useText } from '../i18n';
import { useVersion } from './version';

/** Says that a newer build lies ready, and leaves it to the person when to open it: nothing is reloaded by itself. */
export function NewVersion() {
  const t = useText();
  const { newer, later } = useVersion();
  if (!newer || later) return null;
  return (
    <div className="new-version" role="status" data-testid="new-version">
      <span>{t('version.newer')}</span>
      <Button size="small" onClick={() => location.reload()}>
        {t('version.reload')}
      </Button>
      <Button size="small" type="text" onClick={() => useVersion.setState({ later: true })}>
        {t('version.later')}
      </Button>
    </div>
  );
}
