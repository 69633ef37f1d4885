import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Button } from 'antd';
import { useState } from 'react';

import { Problem } from '../../api/client';
import type { Proposal } from '../../api/types';
import { useText } from '../../i18n';
import { Refused } from '../admin/Refused';
import { decideProposal, PERSONS } from './asks';
import { isReason } from './reason';
import { Reason } from './Reason';
import { amendTrouble } from './words';

/** Somebody was first, or took it out of reach. */
const isLate = (error: unknown): error is Problem => error instanceof Problem && [404, 409, 412].includes(error.status);

interface Props {
  proposal: Proposal;
  over: (decided: Proposal) => void;
  late: (error: Problem) => void;
}

/** Says of two patients that they are one person, or two; neither without a reason, and Enter alone says nothing. */
export function Decide({ proposal, over, late }: Props) {
  const t = useText();
  const client = useQueryClient();
  const [reason, setReason] = useState('');
  const deciding = useMutation({
    mutationFn: (same: boolean) => decideProposal(proposal, same, reason),
    onSuccess: over,
    onError: (error) => {
      if (isLate(error)) late(error);
    },
    // Also after a refusal: what is true now belongs on the page.
    onSettled: () => client.invalidateQueries({ queryKey: [PERSONS] }),
  });
  const ready = isReason(reason) && !deciding.isPending;
  return (
    <div className="with-reason" data-testid="decide">
      <Reason value={reason} change={setReason} autoFocus testid="reason" />
      <p className="second">{t('amend.decideFollows')}</p>
      {deciding.isError && !isLate(deciding.error) && <Refused error={deciding.error} word={amendTrouble} />}
      <div className="acts">
        <Button type="primary" disabled={!ready} onClick={() => deciding.mutate(true)} data-testid="same">
          {t('amend.samePerson')}
        </Button>
        <Button disabled={!ready} onClick={() => deciding.mutate(false)} data-testid="apart">
          {t('amend.twoPersons')}
        </Button>
      </div>
    </div>
  );
}
