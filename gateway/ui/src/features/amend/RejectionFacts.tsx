import { useMutation, useQueryClient } from '@tanstack/react-query';

import type { RejectionRow } from '../../api/types';
import { absolute } from '../../frame/clock';
import { useLanguage } from '../../frame/language';
import { useText } from '../../i18n';
import { Refused } from '../admin/Refused';
import { REJECTIONS, undoRejection } from './asks';
import { WithReason } from './WithReason';
import { amendTrouble } from './words';

/** What one rejection says, and the way to take it back. */
export function RejectionFacts({ row, undone }: { row: RejectionRow; undone: (row: RejectionRow) => void }) {
  const t = useText();
  const language = useLanguage();
  const client = useQueryClient();
  const undoing = useMutation({
    mutationFn: (reason: string) => undoRejection(row, reason),
    onSuccess: undone,
    // Also after a refusal: somebody else was first, and what is true now belongs on the page.
    onSettled: () => {
      for (const stale of [[REJECTIONS], ['study'], ['studies'], ['pieces']]) void client.invalidateQueries({ queryKey: stale });
    },
  });
  return (
    <div className="rejection-facts">
      <dl className="facts-two">
        <dt>{t('amend.why')}</dt>
        <dd>
          {t(`amend.title.${row.title}`)} <span className="second">{row.reason}</span>
        </dd>
        {!row.undone_at && (
          <>
            <dt>{t('amend.howMany')}</dt>
            <dd>
              {t('amend.rejectedCount', { count: row.objects })}
              {row.awaited > 0 && ` ${t('amend.awaited', { count: row.awaited })}`}
            </dd>
          </>
        )}
        <dt>{t('amend.by')}</dt>
        <dd>
          {row.sent_by ? t('amend.bySystem', { title: row.sent_by }) : row.made_by} {absolute(row.made_at, language)}
        </dd>
        {row.undone_at && (
          <>
            <dt>{t('amend.restored')}</dt>
            <dd>
              {row.undone_by} {absolute(row.undone_at, language)} {row.undone_reason}
            </dd>
          </>
        )}
      </dl>
      {undoing.isError && <Refused error={undoing.error} word={amendTrouble} />}
      {!row.undone_at && (
        <WithReason
          name="restore"
          label={t('amend.restore')}
          text={t('amend.restoreText')}
          yes={t('amend.restoreYes')}
          act={(reason) => undoing.mutate(reason)}
          busy={undoing.isPending}
        />
      )}
    </div>
  );
}
