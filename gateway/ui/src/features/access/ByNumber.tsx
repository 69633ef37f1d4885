import { Button } from 'antd';
import { type FormEvent, useState } from 'react';

import { useText } from '../../i18n';
import type { NumberAsk } from './asks';
import { LookerRows } from './Lookers';
import { isAsked, NO_NUMBER, NumberFields } from './NumberFields';

/** Who looked at somebody, by an exact number; that it was asked is written down as well. */
export function ByNumber() {
  const t = useText();
  const [asked, setAsked] = useState<NumberAsk>(NO_NUMBER);
  const [sought, setSought] = useState<NumberAsk | null>(null);
  const seek = (event: FormEvent) => {
    event.preventDefault();
    if (isAsked(asked)) setSought({ ...asked, number: asked.number.trim() });
  };
  return (
    <section className="by-number" aria-label={t('access.byNumber')}>
      <form onSubmit={seek}>
        <NumberFields of="sought" asked={asked} change={setAsked} />
        <Button htmlType="submit" disabled={!isAsked(asked)} data-testid="seek">
          {t('access.whoLooked')}
        </Button>
      </form>
      {sought && <LookerRows of={sought} />}
    </section>
  );
}
