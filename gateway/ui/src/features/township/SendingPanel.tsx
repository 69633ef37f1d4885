import { Button, Progress } from 'antd';

import { type Say, useText } from '../../i18n';
import { helpFor } from './refusal-help';
import { reason, WhatHelps } from './Refusals';
import type { BatchView } from './sender';
import { Unread } from './Unread';

const SHOWN_REFUSED = 20;

/** What has become of a batch that is over: of each kind how many, so that they add up to all that was chosen. */
function doneWords({ tally, folder }: BatchView, t: Say): string {
  const { safe, refused, skipped, unreadable, left, total } = tally;
  if (unreadable + left === 0) {
    return refused ? t('sending.doneSome', { refused, safe }) : t('sending.done', { safe, folder });
  }
  const parts = [
    t('sending.partSafe', { count: safe }),
    ...(unreadable ? [t('sending.partUnreadable', { count: unreadable })] : []),
    ...(left ? [t('sending.partLeft', { count: left })] : []),
    ...(refused ? [t('sending.partRefused', { count: refused })] : []),
    ...(skipped ? [t('sending.partSkipped', { count: skipped })] : []),
  ];
  return t('sending.doneParts', { folder, total, parts: parts.join(t('app.comma')) });
}

/** Files on their way from this PC into the node: how many are safe, which were not taken and why. */
export function SendingPanel({
  view,
  waiting,
  countyPhone,
  pause,
  again,
  leave,
  close,
}: {
  view: BatchView;
  /** Whether others go first. */
  waiting: boolean;
  countyPhone: string;
  pause: (paused: boolean) => void;
  again: (ids: readonly string[]) => void;
  /** Leaves out what this computer cannot read. */
  leave: (ids: readonly string[]) => void;
  close: () => void;
}) {
  const t = useText();
  const { tally } = view;
  const state = view.done ? 'done' : waiting ? 'waiting' : view.paused ? 'paused' : view.online ? 'sending' : 'offline';
  // Never full before every file has its answer.
  const share = tally.bytes === 0 ? 0 : tally.sentBytes / tally.bytes;
  const percent = view.done ? 100 : Math.min(99, Math.floor(share * 100));
  const line = {
    done: doneWords(view, t),
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
                <Button size="small" onClick={() => again([file.id])}>
                  {t('sending.again')}
                </Button>
              )}
            </li>
          ))}
        </ul>
      )}
      <WhatHelps codes={view.refused.map(({ reasonCode }) => reasonCode)} phone={countyPhone} />
      <Unread files={view.unreadable} again={again} leave={leave} />
      {view.done || waiting ? (
        // What cannot be read is read again or left out; it does not go with the panel.
        view.unreadable.length === 0 && (
          <Button size="small" onClick={close}>
            {t(waiting ? 'queue.forgetBatch' : 'sending.close')}
          </Button>
        )
      ) : (
        <Button size="small" onClick={() => pause(!view.paused)}>
          {t(view.paused ? 'sending.goOn' : 'sending.pause')}
        </Button>
      )}
    </section>
  );
}
