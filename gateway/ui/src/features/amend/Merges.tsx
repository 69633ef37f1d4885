import type { Identity, PersonMerge } from '../../api/types';
import { absolute, dayAndTime } from '../../frame/clock';
import { useLanguage } from '../../frame/language';
import { useText } from '../../i18n';
import { WithReason } from './WithReason';

interface Props {
  rows: readonly PersonMerge[];
  identities: readonly Identity[];
  undo: (merge: PersonMerge, reason: string) => void;
  busy: boolean;
}

/** How the numbers came together, the newest first; each that stands can be parted again. */
export function Merges({ rows, identities, undo, busy }: Props) {
  const t = useText();
  const language = useLanguage();
  const whose = (merge: PersonMerge) =>
    identities
      .filter(({ row }) => merge.patients.includes(row))
      .map((one) => `${one.name} ${one.patient_id}`)
      .join(t('app.listed'));
  if (rows.length === 0) return <p className="second">{t('amend.noMerge')}</p>;
  return (
    <section aria-labelledby="merges-title" className="amend-history" data-testid="merges">
      <h2 id="merges-title">{t('amend.merges', { count: rows.length })}</h2>
      <ol>
        {rows.map((merge) => (
          <li key={merge.id} data-testid="merge">
            <p>
              <b title={absolute(merge.made_at, language)}>{dayAndTime(merge.made_at, language)}</b>{' '}
              <Basis merge={merge} />
            </p>
            {whose(merge) && <p>{t('amend.cameOver', { whose: whose(merge) })}</p>}
            {merge.undone_at ? (
              <p data-testid="undone">
                {t('amend.partedBy', { at: dayAndTime(merge.undone_at, language), by: merge.undone_by })}{' '}
                <span className="second">{merge.undone_reason}</span>
              </p>
            ) : (
              <WithReason
                name="part"
                label={t('amend.part')}
                text={t('amend.partText', { whose: whose(merge) || t('amend.theseNumbers') })}
                yes={t('amend.partYes')}
                act={(reason) => undo(merge, reason)}
                busy={busy}
              />
            )}
          </li>
        ))}
      </ol>
    </section>
  );
}

/** Who or what brought them together, and why. */
function Basis({ merge }: { merge: PersonMerge }) {
  const t = useText();
  if (merge.basis === 'number') return t('amend.byNumber');
  if (merge.basis === 'reconciliation') return t('amend.byReconciliation', { by: merge.made_by });
  return (
    <>
      {merge.made_by} <span className="second">{merge.reason}</span>
    </>
  );
}
