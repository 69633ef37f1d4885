import { Button } from 'antd';

import { useText } from '../i18n';

/** Back to the page below a sheet. */
export function Leave({ leave }: { leave: () => void }) {
  const t = useText();
  return (
    <Button type="text" onClick={leave}>
      {t('trouble.leave')}
    </Button>
  );
}
