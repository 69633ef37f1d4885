import { Button } from 'antd';
import { type ReactNode, useRef, useState } from 'react';

import { useText } from '../../i18n';

/** A step that a slipping hand must not take: it is asked about first, and Enter alone does nothing. */
export function Sure({
  name,
  children,
  text,
  yes,
  act,
  busy,
  disabled,
}: {
  /** Names the step to the tests. */
  name: string;
  /** Words of the button that asks. */
  children: ReactNode;
  /** What will happen. */
  text: string;
  /** Words of the button that does it. */
  yes: string;
  act: () => void;
  busy: boolean;
  disabled?: boolean;
}) {
  const t = useText();
  const [asking, setAsking] = useState(false);
  const opener = useRef<HTMLButtonElement>(null);
  const close = () => {
    setAsking(false);
    requestAnimationFrame(() => opener.current?.focus());
  };
  if (!asking) {
    return (
      <Button ref={opener} disabled={disabled} onClick={() => setAsking(true)} data-testid={name}>
        {children}
      </Button>
    );
  }
  return (
    <div className="note note-soon sure" role="group" aria-label={text} data-testid={`${name}-sure`}>
      <p>{text}</p>
      <div className="acts">
        <Button
          danger
          loading={busy}
          onClick={() => {
            act();
            setAsking(false);
          }}
          data-testid={`${name}-yes`}
        >
          {yes}
        </Button>
        <Button autoFocus onClick={close} data-testid={`${name}-no`}>
          {t('admin.leaveIt')}
        </Button>
      </div>
    </div>
  );
}
