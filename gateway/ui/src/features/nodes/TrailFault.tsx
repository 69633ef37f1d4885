import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Button } from 'antd';
import { useState } from 'react';

import { ask } from '../../api/client';
import type { NodeRow } from '../../api/types';
import { Trouble } from '../../frame/Trouble';
import { useText } from '../../i18n';
import { NODES } from './silent';

/** Says that the machine's trail does not hold; an auditor who has looked into it takes that away, in two steps. */
export function TrailFault({ node, auditor }: { node: NodeRow; auditor: boolean }) {
  const t = useText();
  const client = useQueryClient();
  const [sure, setSure] = useState(false);
  const check = useMutation({
    mutationFn: () => ask(`/api/v1/nodes/${node.id}/audit/checked`, { method: 'POST', body: { fault: node.audit_fault } }),
    onSettled: () => client.invalidateQueries({ queryKey: NODES }),
  });
  return (
    <div className="note note-bad let-go-sure" data-testid="trail-fault">
      <p>{t(auditor ? 'nodes.trailBrokenYours' : 'nodes.trailBrokenText')}</p>
      <p className="sub" data-testid="trail-places">
        {t('nodes.trailPlaces', { places: node.audit_fault })}
      </p>
      {check.isError && <Trouble error={check.error} />}
      {auditor && (
        <div className="acts">
          {sure ? (
            <>
              <Button loading={check.isPending} onClick={() => check.mutate()} data-testid="trail-checked-yes">
                {t('nodes.trailCheckedYes')}
              </Button>
              <Button autoFocus disabled={check.isPending} onClick={() => setSure(false)}>
                {t('nodes.trailNotYet')}
              </Button>
            </>
          ) : (
            <Button size="small" onClick={() => setSure(true)} data-testid="trail-checked">
              {t('nodes.trailChecked')}
            </Button>
          )}
        </div>
      )}
    </div>
  );
}
