import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Button } from 'antd';
import { useState } from 'react';

import { ask } from '../../api/client';
import type { NodeRow } from '../../api/types';
import { Trouble } from '../../frame/Trouble';
import { useText } from '../../i18n';
import { waiting } from './node-words';
import { NODES } from './silent';

/** Lets a township's machine go, in two steps: the first says what will happen. */
export function LetGo({ node, over }: { node: NodeRow; over: () => void }) {
  const t = useText();
  const client = useQueryClient();
  const [sure, setSure] = useState(false);
  const { name } = node.institution;
  const { studies } = waiting(node);
  const letGo = useMutation({
    mutationFn: () => ask<NodeRow>(`/api/v1/nodes/${node.id}/revoke`, { method: 'POST' }),
    onSuccess: over,
    onSettled: () => client.invalidateQueries({ queryKey: NODES }),
  });
  if (!sure) {
    return (
      <Button className="let-go" size="small" onClick={() => setSure(true)} data-testid="let-go">
        {t('nodes.letGo')}
      </Button>
    );
  }
  return (
    <div className="note note-bad let-go-sure" data-testid="let-go-sure">
      <p>
        <b>{t('nodes.letGoText', { name })}</b>
      </p>
      {studies + node.letters_waiting > 0 && (
        <p>{t('nodes.letGoWaits', { studies, letters: node.letters_waiting })}</p>
      )}
      <p>{t('nodes.letGoAfter')}</p>
      {letGo.isError && <Trouble error={letGo.error} />}
      <div className="acts">
        <Button danger loading={letGo.isPending} onClick={() => letGo.mutate()} data-testid="let-go-yes">
          {t('nodes.letGoYes', { name })}
        </Button>
        <Button autoFocus disabled={letGo.isPending} onClick={() => setSure(false)} data-testid="let-go-no">
          {t('nodes.letGoNo')}
        </Button>
      </div>
    </div>
  );
}
