import { useMutation } from '@tanstack/react-query';
import { Button } from 'antd';

import { Chip } from '../../frame/Chip';
import { Technical } from '../../frame/Technical';
import { hasText, useText } from '../../i18n';
import { type Device, echoDevice } from './asks';
import { Refused } from './Refused';

/** Asks the device over the network whether it answers, and says what stands in the way. */
export function Echo({ device }: { device: Device }) {
  const t = useText();
  const asked = useMutation({ mutationFn: () => echoDevice(device.ae_title) });
  const callable = device.host !== '' && device.port > 0 && !device.host.includes('/');
  const key = `echo.${asked.data?.answer}`;
  return (
    <section className="echo" aria-label={t('echo.title')}>
      <div className="acts">
        <Button loading={asked.isPending} disabled={!callable} onClick={() => asked.mutate()} data-testid="echo">
          {t('echo.try')}
        </Button>
        {!callable && <span className="second">{t('echo.no-address')}</span>}
      </div>
      {asked.isPending && <p role="status">{t('echo.asking', { place: `${device.host}:${device.port}` })}</p>}
      {asked.isError && <Refused error={asked.error} />}
      {asked.data && (
        <div role="status" data-testid="echoed" data-answer={asked.data.answer}>
          <p>
            <Chip kind={asked.data.answer === 'reached' ? 'done' : 'overdue'}>
              {t(asked.data.answer === 'reached' ? 'echo.yes' : 'echo.no')}
            </Chip>{' '}
            {hasText(key) ? t(key, { title: asked.data.our_title, device: device.ae_title }) : t('echo.refused')}
          </p>
          <Technical
            facts={{
              [t('echo.from')]: asked.data.our_title,
              [t('echo.to')]: `${device.ae_title} ${device.host}:${device.port}`,
              [t('echo.took')]: `${asked.data.took_ms}\u00a0ms`,
              [t('echo.detail')]: asked.data.detail,
            }}
          />
        </div>
      )}
    </section>
  );
}
