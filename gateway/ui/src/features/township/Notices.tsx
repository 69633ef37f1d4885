import { Button } from 'antd';

import type { QueueSummary, TownshipNode } from '../../api/types';
import { now, shortTime } from '../../frame/clock';
import { useLanguage } from '../../frame/language';
import { useText } from '../../i18n';
import { isShort, roundly } from './disk';
import { OfflineUntil } from './OfflineUntil';
import type { KeptBatch } from './kept-batch';
import { brokenOf, isTooFarApart, wayOf } from './queue-words';

/** What the technician must know now and cannot see in the rows. */
export function Notices({
  summary,
  kept,
  chooseAgain,
  forget,
  countyPhone,
  resume,
}: {
  summary: QueueSummary;
  countyPhone: string;
  resume: () => void;
  kept: readonly KeptBatch[];
  chooseAgain: () => void;
  forget: (batch: string) => void;
}) {
  const t = useText();
  const language = useLanguage();
  const { line, disk } = summary;
  const way = wayOf(line, now());
  // A line that somebody holds may be down as well: who resumes it must know that nothing goes out then either.
  const broken = brokenOf(line);
  return (
    <>
      {kept.map(({ batch, folder, safe }) => (
        <div key={batch} className="note note-info township-note" role="status" data-testid="reselect">
          <p>{safe > 0 ? t('queue.reselect', { next: safe + 1, folder }) : t('queue.reselectStart', { folder })}</p>
          <Button size="small" onClick={chooseAgain}>
            {t('queue.chooseAgain')}
          </Button>
          <Button size="small" type="text" onClick={() => forget(batch)}>
            {t('queue.forgetBatch')}
          </Button>
        </div>
      ))}
      {broken === 'down' && (
        <p className="note note-soon township-note" role="status" data-testid="line-down">
          {line.since ? t('queue.lineDown', { at: shortTime(line.since, language) }) : t('queue.lineDownNow')}
        </p>
      )}
      <OfflineUntil down={broken === 'down'} />
      {broken === 'refused' && (
        <div className="note note-bad township-note" role="alert" data-testid="county-refuses">
          <p>
            {t(isTooFarApart(line.code) ? 'queue.tooFarApart' : 'queue.countyRefuses')}{' '}
            {countyPhone && t('queue.callCounty', { phone: countyPhone })}{' '}
            <span className="quiet">{t('trouble.code', { code: line.code ?? '' })}</span>
          </p>
        </div>
      )}
      {way === 'held' && (
        <div className="note note-soon township-note" role="status" data-testid="line-held">
          <p>{t('queue.held', { at: line.held_until ? shortTime(line.held_until, language) : '', by: line.held_by ?? '' })}</p>
          <Button size="small" onClick={resume}>
            {t('queue.resumeLine')}
            <span className="button-key">S</span>
          </Button>
        </div>
      )}
      {isShort(disk) && (
        <p className="note note-bad township-note" role="alert" data-testid="disk">
          {disk.state === 'full' ? t('queue.diskFull') : disk.room_for_studies === null ? t('queue.diskUnknown') : t('queue.disk', { room: roundly(disk.room_for_studies) })}
        </p>
      )}
    </>
  );
}

/** The node itself cannot be reached from this PC. */
export function NodeAway({ node }: { node: TownshipNode | undefined }) {
  const t = useText();
  return (
    <div className="note note-bad township-note" role="alert" data-testid="node-away">
      <p>{t('node.away')}</p>
      <ol className="checks">
        <li>{t('node.checkPower')}</li>
        <li>{t('node.checkCable')}</li>
        <li>{t('node.checkSwitch')}</li>
      </ol>
      {node?.county.phone && <p>{t('node.call', { name: node.county.name, phone: node.county.phone })}</p>}
    </div>
  );
}

/** Nothing has been sent today: how images get here. */
export function HowToSend({ node }: { node: TownshipNode | undefined }) {
  const t = useText();
  return (
    <div className="trouble" data-testid="empty">
      <h2 className="answer">{t('queue.empty')}</h2>
      <p>{t('queue.emptyDrop')}</p>
      {node && (
        <>
          <p>{t('queue.emptyModality')}</p>
          <dl className="facts">
            <dt>{t('node.ae')}</dt>
            <dd>{node.dicom.ae_title}</dd>
            <dt>{t('node.address')}</dt>
            <dd>{node.dicom.host}</dd>
            <dt>{t('node.port')}</dt>
            <dd>{node.dicom.port}</dd>
          </dl>
        </>
      )}
    </div>
  );
}
