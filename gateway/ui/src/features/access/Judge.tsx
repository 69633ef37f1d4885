import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Button, Input } from 'antd';
import { useState } from 'react';

import { Trouble } from '../../frame/Trouble';
import { useText } from '../../i18n';
import { judge, type LookRow, WATCHED } from './asks';

/** The privacy officer's word on an emergency look; what is not justified is said in words. */
export function Judge({ row }: { row: LookRow }) {
  const t = useText();
  const client = useQueryClient();
  const [note, setNote] = useState('');
  const write = useMutation({
    mutationFn: (verdict: 'justified' | 'not-justified') => judge(row.id, verdict, note),
    onSettled: () => client.invalidateQueries({ queryKey: WATCHED }),
  });
  return (
    <div className="judge">
      <label htmlFor={`note-${row.id}`}>{t('access.note')}</label>
      <Input
        id={`note-${row.id}`}
        size="small"
        value={note}
        maxLength={500}
        placeholder={t('access.noteNeeded')}
        onChange={(event) => setNote(event.target.value)}
        data-testid="note"
      />
      {write.isError && <Trouble error={write.error} />}
      <div className="acts">
        <Button type="primary" size="small" disabled={write.isPending} onClick={() => write.mutate('justified')} data-testid="justified">
          {t('access.verdict.justified')}
        </Button>
        <Button
          danger
          size="small"
          disabled={write.isPending || note.trim() === ''}
          onClick={() => write.mutate('not-justified')}
          data-testid="not-justified"
        >
          {t('access.verdict.not-justified')}
        </Button>
      </div>
    </div>
  );
}
