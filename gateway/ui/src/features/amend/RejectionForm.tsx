import { Button, Radio } from 'antd';
import type { FormEvent } from 'react';

import type { RejectionTitle } from '../../api/types';
import { useText } from '../../i18n';
import { isReason } from './reason';
import { Reason } from './Reason';

const TITLES: readonly RejectionTitle[] = ['113001', '113037', '113038', '113039'];

/** Why the chosen images do not count. */
export interface Grounds {
  title: RejectionTitle | null;
  reason: string;
}

/** Says how many are chosen, asks why, and does it. */
export function RejectionForm({
  answer,
  chosen,
  grounds,
  change,
  busy,
  go,
}: {
  answer: string;
  chosen: number;
  grounds: Grounds;
  change: (grounds: Grounds) => void;
  busy: boolean;
  go: (title: RejectionTitle) => void;
}) {
  const t = useText();
  const { title, reason } = grounds;
  const ready = chosen > 0 && title !== null && isReason(reason) && !busy;
  const save = (event: FormEvent) => {
    event.preventDefault();
    if (ready) go(title);
  };
  return (
    <form className="rejection-form" onSubmit={save} data-testid="rejection-form">
      <p aria-live="polite">
        <b>{answer}</b>
      </p>
      <Radio.Group
        className="rejection-titles"
        aria-label={t('amend.why')}
        value={title}
        onChange={({ target }) => change({ ...grounds, title: target.value as RejectionTitle })}
        options={TITLES.map((value) => ({
          value,
          label: (
            <span data-testid={`title-${value}`}>
              {t(`amend.title.${value}`)} <span className="quiet">{t(`amend.titleHow.${value}`)}</span>
            </span>
          ),
        }))}
      />
      <Reason value={reason} change={(next) => change({ ...grounds, reason: next })} testid="reason" />
      <p className="second">{t('amend.rejectFollows')}</p>
      <div className="acts">
        <Button type="primary" danger htmlType="submit" disabled={!ready} loading={busy} data-testid="reject-go">
          {chosen === 0 ? t('amend.rejectNothing') : t('amend.rejectGo', { count: chosen })}
        </Button>
      </div>
      {!ready && !busy && <p className="quiet">{t(chosen === 0 ? 'amend.chooseFirst' : title === null ? 'amend.titleFirst' : 'amend.reasonFirst')}</p>}
    </form>
  );
}
