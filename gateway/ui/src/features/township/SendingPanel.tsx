import { Button, Progress } from 'antd';

import { useText } from '../../i18n';
import { helpFor } from './refusal-help';
import { reason, WhatHelps } from './Refusals';
import type { BatchView } from './sender';

const SHOWN_REFUSED = 20;

/** Files on their way from this PC into the node: how many are safe, which were not taken and why. */
export function SendingPanel({
  view,
  waiting,
  countyPhone,
  pause,
  again,
  close,
}: {
  view: BatchView;
  /** Whether others go first. */
  waiting: boolean;
  countyPhone: string;
  pause: (paused: boolean) => void;
  again: (id: string) => void;
  close: () => void;
}) {
  const t = useText();
  const { tally } = view;
  const state = view.done ? 'done' : waiting ? 'waiting' : view.paused ? 'paused' : view.online ? 'sending' : 'offline';
  // Never full before every file has its answer.
  const share = tally.bytes === 0 ? 0 : tally.sentBytes / tally.bytes;
  const percent = view.done ? 100 : Math.min(99, Math.floor(share * 100));
  const line = {
    done: tally.refused
      ? t('sending.doneSome', { refused: tally.refused, safe: tally.safe })
      : t('sending.done', { safe: tally.safe, folder: view.folder }),
    waiting: t('sending.waiting', { total: tally.total, folder: view.folder }),
    paused: t('sending.paused', { safe: tally.safe, total: tally.total }),
    offline: t('sending.offline', { safe: tally.safe, total: tally.total }),
    sending: t('sending.going', { safe: tally.safe, total: tally.total, folder: view.folder }),
  }[state];
  return (
    <section
      className="sending"
      aria-label={t('sending.title')}
      data-testid="sending"
      data-state={state}
      data-safe={tally.safe}
      data-total={tally.total}
    >
      <p role="status">{line}</p>
      {!view.done && !waiting && <Progress percent={percent} showInfo={false} size="small" aria-label={t('sending.title')} />}
      {view.already > 0 && <p className="second">{t('sending.already', { count: view.already })}</p>}
      {view.refused.length > 0 && (
        <ul className="refused">
          {view.refused.slice(0, SHOWN_REFUSED).map((file) => (
            <li key={`${file.id} ${file.name}`}>
              <span>{file.name}</span> <span>{reason(file.reasonCode, t)}</span>{' '}
              {file.id && helpFor(file.reasonCode) === 'again' && (
                <Button size="small" onClick={() => again(file.id)}>
                  {t('sending.again')}
                </Button>
              )}
            </li>
          ))}
        </ul>
      )}
      <WhatHelps codes={view.refused.map(({ reasonCode }) => reasonCode)} phone={countyPhone} />
      {view.done || waiting ? (
        <Button size="small" onClick={close}>
          {t(waiting ? 'queue.forgetBatch' : 'sending.close')}
        </Button>
      ) : (
        <Button size="small" onClick={() => pause(!view.paused)}>
          {t(view.paused ? 'sending.goOn' : 'sending.pause')}
        </Button>
      )}
    </section>
  );
}
