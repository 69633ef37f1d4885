import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Button, Select } from 'antd';
import { useEffect, useRef, useState } from 'react';

import { ask } from '../../api/client';
import type { NodeAdmission, NodeInvitation } from '../../api/types';
import { dayAndTime } from '../../frame/clock';
import { copyText } from '../../frame/copy';
import { useLanguage } from '../../frame/language';
import { GreyLines, Trouble } from '../../frame/Trouble';
import { useText } from '../../i18n';
import { enrolCommand } from './enrol-command';

type OpenCode = NodeAdmission['open'][number];

export const ADMISSION = ['node-admission'] as const;

/** Makes the code a township's new machine comes in with, and shows it this once. */
export function Admit({ close }: { close: () => void }) {
  const t = useText();
  const client = useQueryClient();
  const [house, setHouse] = useState<string>();
  const admission = useQuery({
    queryKey: ADMISSION,
    queryFn: ({ signal }) => ask<NodeAdmission>('/api/v1/node-invitations', { signal }),
    staleTime: 0,
  });
  const invite = useMutation({
    mutationFn: (institution: string) =>
      ask<NodeInvitation>('/api/v1/node-invitations', { method: 'POST', body: { institution } }),
    onSettled: () => client.invalidateQueries({ queryKey: ADMISSION }),
  });
  const [back, setBack] = useState('');
  const withdraw = useMutation({
    mutationFn: ({ id }: OpenCode) => ask<NodeAdmission>(`/api/v1/node-invitations/${id}/withdraw`, { method: 'POST' }),
    onSuccess: (left, { id, institution }) => {
      client.setQueryData(ADMISSION, left);
      setBack(institution.name);
      // What is shown above is no use to anybody any more.
      if (invite.data?.id === id) invite.reset();
    },
    onError: () => client.invalidateQueries({ queryKey: ADMISSION }),
  });
  const panel = useRef<HTMLElement>(null);
  // Whether the hand is in here; where it is not, a code that goes by itself does not call it.
  const [hand, setHand] = useState(true);
  const out = useRef('');
  const { data: made, reset } = invite;
  useEffect(() => {
    if (!made || !admission.data) return;
    const { id } = made;
    if (admission.data.open.some((code) => code.id === id)) {
      out.current = id;
      return;
    }
    // The answer may be of before it was made; once it was among those out and is not, nobody comes in with it.
    if (out.current !== id) return;
    setHand(panel.current?.contains(document.activeElement) ?? false);
    setHouse(undefined);
    reset();
  }, [admission.data, made, reset]);
  const told = useRef<HTMLParagraphElement>(null);
  // The button that was pressed went with its line.
  useEffect(() => {
    if (back) told.current?.focus();
  }, [back]);
  const houses = admission.data?.houses ?? [];
  const chosen = houses.find(({ institution }) => institution.code === house);
  return (
    <section ref={panel} className="admit" aria-label={t('nodes.admit')} data-testid="admit">
      {admission.isError && <Trouble error={admission.error} again={() => void admission.refetch()} />}
      {admission.isPending && <GreyLines count={2} />}
      {admission.data && !invite.data && (
        <div className="admit-ask">
          <label htmlFor="admit-house">{t('nodes.admitFor')}</label>
          <Select
            id="admit-house"
            className="admit-house"
            autoFocus={hand}
            showSearch={{ optionFilterProp: 'label' }}
            placeholder={t('nodes.admitPick')}
            value={house}
            options={houses.map(({ institution }) => ({ value: institution.code, label: institution.name }))}
            onChange={setHouse}
          />
          <Button
            type="primary"
            disabled={!house}
            loading={invite.isPending}
            onClick={() => {
              setBack('');
              if (house) invite.mutate(house);
            }}
            data-testid="invite"
          >
            {t('nodes.admitCode')}
          </Button>
          <Button onClick={close}>{t('nodes.admitClose')}</Button>
        </div>
      )}
      {chosen && chosen.nodes > 0 && !invite.data && (
        <p className="note note-soon">{t('nodes.admitHas', { name: chosen.institution.name, count: chosen.nodes })}</p>
      )}
      {invite.isError && <Trouble error={invite.error} />}
      {invite.data && <Code made={invite.data} close={close} />}
      {withdraw.isError && <Trouble error={withdraw.error} />}
      <p ref={told} tabIndex={-1} role="status" className={back ? 'note note-info' : 'unseen'} data-testid="withdrawn">
        {back && t('nodes.codeBackDone', { name: back })}
      </p>
      {admission.data && (
        <Waiting
          open={admission.data.open}
          busy={withdraw.isPending}
          withdraw={(code) => {
            setBack('');
            withdraw.mutate(code);
          }}
        />
      )}
    </section>
  );
}

function Code({ made, close }: { made: NodeInvitation; close: () => void }) {
  const t = useText();
  const language = useLanguage();
  const [copied, setCopied] = useState(false);
  const shown = useRef<HTMLHeadingElement>(null);
  const { name } = made.institution;
  const command = enrolCommand(made.code, window.location.origin);
  // The button that was pressed is gone; a reader with a screen reader goes on here.
  useEffect(() => shown.current?.focus(), []);
  return (
    <div className="admit-code">
      <h2 ref={shown} tabIndex={-1}>
        {t('nodes.codeFor', { name })} <code data-testid="enrol-code">{made.code}</code>
      </h2>
      <p>
        <b>{t('nodes.codeUntil', { until: dayAndTime(made.expires_at, language) })}</b>
      </p>
      <p>{t('nodes.codeCommand', { name })}</p>
      <pre data-testid="enrol-command">{command}</pre>
      <p className="second">{t('nodes.codeAddress')}</p>
      <p className="second">{t('nodes.codeSafe')}</p>
      <div className="acts">
        <Button onClick={() => void copyText(command).then(setCopied)} data-testid="copy-command">
          {t(copied ? 'technical.copied' : 'nodes.codeCopy')}
        </Button>
        <Button onClick={close} data-testid="admit-close">
          {t('nodes.admitClose')}
        </Button>
      </div>
    </div>
  );
}

interface WaitingProps {
  open: readonly OpenCode[];
  busy: boolean;
  withdraw: (code: OpenCode) => void;
}

function Waiting({ open, busy, withdraw }: WaitingProps) {
  const t = useText();
  const language = useLanguage();
  if (open.length === 0) return null;
  return (
    <div data-testid="open-codes">
      <h3>{t('nodes.openCodes')}</h3>
      <ul className="second">
        {open.map((code) => {
          const words = t('nodes.openCode', {
            name: code.institution.name,
            // What a command on the server makes has no person's name.
            by: code.made_by === 'operator' ? t('nodes.byCommand') : code.made_by,
            at: dayAndTime(code.made_at, language),
            until: dayAndTime(code.expires_at, language),
          });
          return (
            <li key={code.id} className="open-code">
              <span>{words}</span>
              <Button
                size="small"
                disabled={busy}
                aria-label={`${t('nodes.codeBack')} ${words}`}
                onClick={() => withdraw(code)}
                data-testid="withdraw"
              >
                {t('nodes.codeBack')}
              </Button>
            </li>
          );
        })}
      </ul>
    </div>
  );
}
