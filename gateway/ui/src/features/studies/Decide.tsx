import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Button, Input } from 'antd';
import { useState } from 'react';

import type { Conflict } from '../../api/types';
import { Trouble } from '../../frame/Trouble';
import { useText } from '../../i18n';
import { act } from '../today/asks';

/** What somebody is about to do: let a content answer, or take back (null) what was decided. */
export interface Wish {
  content: string | null;
}

interface Props {
  wish: Wish;
  /** Of the conflict. */
  path: string;
  /** State from which it is decided. */
  version: string;
  study: string;
  done: () => void;
}

const REASON_LEAST = 2;

/** Says what will be otherwise, asks why, and does it. */
export function Decide({ wish, path, version, study, done }: Props) {
  const t = useText();
  const client = useQueryClient();
  const [reason, setReason] = useState('');
  const back = wish.content === null;
  const send = useMutation({
    mutationFn: () =>
      back
        ? act<Conflict>(`${path}/undo`, { reason: reason.trim() }, { version })
        : act<Conflict>(path, { content: wish.content, reason: reason.trim() }, { version }),
    onSuccess: done,
    onSettled: () => {
      // The images shown so far may be of the other content.
      client.removeQueries({ queryKey: ['series', study] });
      return client.invalidateQueries({ queryKey: ['study', study] });
    },
  });
  const why = t(back ? 'conflict.whyBack' : 'conflict.why');
  return (
    <form
      className="decide"
      data-testid="decide"
      onSubmit={(event) => {
        event.preventDefault();
        if (reason.trim().length >= REASON_LEAST) send.mutate();
      }}
    >
      <p>{t(back ? 'conflict.sureBack' : 'conflict.sure')}</p>
      <Input
        size="small"
        autoFocus
        value={reason}
        maxLength={500}
        placeholder={why}
        aria-label={why}
        onChange={(event) => setReason(event.target.value)}
        data-testid="why"
      />
      {send.isError && <Trouble error={send.error} />}
      <div className="acts">
        <Button
          size="small"
          danger
          htmlType="submit"
          disabled={reason.trim().length < REASON_LEAST}
          loading={send.isPending}
          data-testid="decide-it"
        >
          {t(back ? 'conflict.takeBack' : 'conflict.use')}
        </Button>
        <Button size="small" onClick={done}>
          {t('conflict.leaveIt')}
        </Button>
      </div>
    </form>
  );
}
