import type { CorrectionRow } from '../../api/types';
import { absolute, dayAndTime } from '../../frame/clock';
import { useLanguage } from '../../frame/language';
import { useText } from '../../i18n';
import { changed, standing, WORDS } from './compare';
import { WithReason } from './WithReason';

/** What was put right about the study, the newest first; the newest that stands can be taken back. */
export function CorrectionHistory({
  rows,
  undo,
  busy,
}: {
  rows: readonly CorrectionRow[];
  undo: (id: number, reason: string) => void;
  busy: boolean;
}) {
  const t = useText();
  const language = useLanguage();
  const newest = standing(rows)?.id;
  if (rows.length === 0) return null;
  return (
    <section aria-labelledby="corrections-title" className="amend-history" data-testid="corrections">
      <h2 id="corrections-title">{t('amend.putRight', { count: rows.length })}</h2>
      <ol>
        {rows.map((row) => (
          <li key={row.id} data-testid="correction">
            <p>
              <b title={absolute(row.made_at, language)}>{dayAndTime(row.made_at, language)}</b> {row.made_by}{' '}
              <span className="second">{row.reason}</span>
            </p>
            <dl className="amend-changes">
              {changed(row, language).map(({ field, now, then }) => (
                <div key={field}>
                  <dt>{t(WORDS[field])}</dt>
                  <dd>
                    {now || t('today.notGiven')} → {then || t('today.notGiven')}
                  </dd>
                </div>
              ))}
            </dl>
            {row.undone_at && (
              <p data-testid="undone">
                {t('amend.undoneBy', { at: dayAndTime(row.undone_at, language), by: row.undone_by })}{' '}
                <span className="second">{row.undone_reason}</span>
              </p>
            )}
            {row.id === newest && (
              <WithReason
                name="undo"
                label={t('amend.undo')}
                text={t('amend.undoText', { name: row.before.name })}
                yes={t('amend.undoYes')}
                act={(reason) => undo(row.id, reason)}
                busy={busy}
              />
            )}
          </li>
        ))}
      </ol>
    </section>
  );
}
