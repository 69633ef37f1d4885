import { Button } from 'antd';
import { type FormEvent, useId, useRef, useState } from 'react';

import { useText } from '../../i18n';
import { Reason } from './Reason';
import { isReason } from './reason';

/** A step somebody answers for: a button that asks why, and does nothing without an answer. */
export function WithReason({
  name,
  label,
  text,
  yes,
  act,
  busy,
}: {
  /** Names the step to the tests. */
  name: string;
  /** Words of the button that asks. */
  label: string;
  /** What will happen. */
  text: string;
  /** Words of the button that does it. */
  yes: string;
  act: (reason: string) => void;
  busy: boolean;
}) {
  const t = useText();
  const [asking, setAsking] = useState(false);
  const [reason, setReason] = useState('');
  const said = useId();
  const opener = useRef<HTMLButtonElement>(null);
  const ready = isReason(reason) && !busy;
  if (!asking) {
    return (
      <Button ref={opener} size="small" onClick={() => setAsking(true)} data-testid={name}>
        {label}
      </Button>
    );
  }
  const leave = () => {
    setAsking(false);
    requestAnimationFrame(() => opener.current?.focus());
  };
  const go = (event: FormEvent) => {
    event.preventDefault();
    if (ready) act(reason);
  };
  return (
    <form className="note note-soon with-reason" aria-describedby={said} onSubmit={go} data-testid={`${name}-form`}>
      <p id={said}>{text}</p>
      <Reason value={reason} change={setReason} autoFocus testid={`${name}-reason`} />
      <div className="acts">
        <Button htmlType="submit" disabled={!ready} loading={busy} data-testid={`${name}-yes`}>
          {yes}
        </Button>
        <Button type="text" onClick={leave} data-testid={`${name}-no`}>
          {t('order.leaveIt')}
        </Button>
      </div>
    </form>
  );
}
