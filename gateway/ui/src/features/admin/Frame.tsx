import { Button, Input } from 'antd';
import { type ReactNode, useEffect, useRef } from 'react';

import { useLate } from '../../frame/late';
import { TopBar } from '../../frame/TopBar';
import { GreyLines } from '../../frame/Trouble';
import { type TextKey, useText } from '../../i18n';
import { Refused } from './Refused';

interface Loaded {
  isPending: boolean;
  isError: boolean;
  error: unknown;
  refetch: () => unknown;
}

/** One page of the administration: its answer first, then what is done there, then the list. */
export function AdminFrame({
  title,
  answer,
  state,
  tools,
  said,
  children,
}: {
  title: TextKey;
  /** The page's answer in one sentence; the title until it is known. */
  answer: string | undefined;
  state: Loaded;
  tools?: ReactNode;
  /** What has just been done. */
  said?: string;
  children: ReactNode;
}) {
  const t = useText();
  const late = useLate(state.isPending);
  const told = useRef<HTMLParagraphElement>(null);
  useEffect(() => {
    document.title = t(title);
  }, [t, title]);
  useEffect(() => {
    if (said) told.current?.focus();
  }, [said]);
  return (
    <div className="page">
      <TopBar />
      <main className="admin" data-testid="admin" data-state={state.isPending ? 'loading' : state.isError ? 'error' : 'ready'}>
        <h1 className="answer" data-testid="admin-answer">
          {answer ?? t(title)}
        </h1>
        {tools && <div className="admin-tools">{tools}</div>}
        <p ref={told} tabIndex={-1} role="status" className={said ? 'note note-info admin-said' : 'unseen'} data-testid="said">
          {said}
        </p>
        {state.isError && <Refused error={state.error} again={() => void state.refetch()} />}
        {state.isPending && late && <GreyLines />}
        {children}
      </main>
    </div>
  );
}

/** Finds in a list what holds the words typed. */
export function Find({ value, change, placeholder }: { value: string; change: (value: string) => void; placeholder: string }) {
  return (
    <Input
      id="admin-find"
      className="admin-find"
      allowClear
      value={value}
      placeholder={placeholder}
      aria-label={placeholder}
      data-testid="find"
      onChange={(event) => change(event.target.value)}
    />
  );
}

/** The page's one filled button. */
export function AddButton({ children, open, toggle }: { children: ReactNode; open: boolean; toggle: () => void }) {
  return (
    <Button type="primary" aria-expanded={open} onClick={toggle} data-testid="add">
      {children} <span className="button-key">A</span>
    </Button>
  );
}
