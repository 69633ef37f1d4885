import { Button } from 'antd';

import type { QueueSummary } from '../../api/types';
import { now, shortTime } from '../../frame/clock';
import { useLanguage } from '../../frame/language';
import { useText } from '../../i18n';
import { roundly } from './disk';
import { brokenOf, wayOf } from './queue-words';
import { useSending } from './sending-store';

interface Props {
  summary: QueueSummary;
  /** Studies of the list whose report is here. */
  reports: number;
  stale: boolean;
  add: () => void;
}

/** The page's answer, readable at arm's length: is every image safe, has the county got it, is a report back? */
export function Summary({ summary, reports, stale, add }: Props) {
  const t = useText();
  const language = useLanguage();
  const checking = useSending((store) => store.checking);
  const way = wayOf(summary.line, now());
  return (
    <section
      className={`township-answer${stale ? ' is-stale' : ''}`}
      aria-label={t('queue.answer')}
      data-testid="summary"
    >
      <p className="answer">
        {t('queue.safe')} <b data-testid="safe-here">{t('study.count', { count: summary.safe_here })}</b>
      </p>
      <p className="answer">
        {t('queue.onTheLine')} <b data-testid="on-the-line">{t('study.count', { count: summary.on_the_line })}</b>
        {summary.on_the_line > 0 && (
          <span className="eta">
            {brokenOf(summary.line) === 'down' ? t('queue.etaNoLine') : way === 'open' && summary.eta ? t('queue.etaAll', { at: shortTime(summary.eta, language) }) : ''}
          </span>
        )}
      </p>
      <p className="answer">
        {t('queue.atCounty')} <b data-testid="at-county">{t('study.count', { count: summary.at_county })}</b>
      </p>
      {reports > 0 && (
        <p className="answer">
          {t('queue.reportBack')} <b data-testid="reports-back">{t('study.count', { count: reports })}</b>
        </p>
      )}
      {summary.needs_attention > 0 && (
        <p className="answer attention">
          {t('queue.attention')} <b>{t('study.count', { count: summary.needs_attention })}</b>
        </p>
      )}
      <span className="stretch" />
      {summary.disk.room_for_studies !== null && (
        <span className="second" data-testid="room">
          {t('queue.room', { room: roundly(summary.disk.room_for_studies) })}
        </span>
      )}
      <Button type={checking ? 'default' : 'primary'} onClick={add} data-testid="add">
        {t('queue.add')}
        <span className="button-key">A</span>
      </Button>
    </section>
  );
}
