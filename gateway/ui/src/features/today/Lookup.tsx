import { useQuery } from '@tanstack/react-query';
import { Input, type InputRef } from 'antd';
import { type KeyboardEvent, type ReactNode, type Ref, useEffect, useId, useState } from 'react';

import { composing } from '../../frame/keys';
import { useTroubleText } from '../../frame/Trouble';
import { useText } from '../../i18n';

/** A hand that types goes on within this time; what it means is asked for afterwards. */
const SETTLE_MS = 150;

interface Props<Item> {
  /** Names the question in the cache, and the field in tests. */
  name: string;
  /** What the question is about, where the answer depends on more than the words typed. */
  about?: string;
  label: string;
  load: (typed: string, signal: AbortSignal) => Promise<Item[]>;
  keyOf: (item: Item) => string;
  draw: (item: Item) => ReactNode;
  choose: (item: Item) => void;
  /** What can be done with what was typed, when none of the found ones is meant. */
  other?: { label: (typed: string) => string; choose: (typed: string) => void };
  empty: string;
  /** Said instead while nothing is typed; without it `empty` is. */
  untyped?: string;
  inputRef?: Ref<InputRef>;
  autoFocus?: boolean;
}

/** A field with what it finds below it: typed, chosen by the arrows and Enter, nothing covered. */
export function Lookup<Item>({ name, about = '', label, load, keyOf, draw, choose, other, empty, untyped, inputRef, autoFocus }: Props<Item>) {
  const t = useText();
  const trouble = useTroubleText();
  const id = useId();
  const [typed, setTyped] = useState('');
  const [asked, setAsked] = useState('');
  const [at, setAt] = useState(0);
  const [entered, setEntered] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setAsked(typed.trim()), SETTLE_MS);
    return () => clearTimeout(timer);
  }, [typed]);
  const found = useQuery({
    queryKey: ['lookup', name, about, asked],
    queryFn: ({ signal }) => load(asked, signal),
    placeholderData: (before) => before,
    staleTime: 10_000,
  });
  const items = found.data ?? [];
  const count = items.length + (other ? 1 : 0);
  useEffect(() => setAt(0), [asked]);

  const take = (index: number) => {
    const item = items[index];
    if (item !== undefined) choose(item);
    else if (other && index === items.length) other.choose(typed.trim());
    else return;
    setTyped('');
  };
  // What is asked for again may have come to another answer: somebody was registered since.
  const answered = asked === typed.trim() && !found.isPlaceholderData && !found.isFetching;
  useEffect(() => {
    if (!entered || !answered) return;
    setEntered(false);
    // Who pressed Enter before the answer meant the one thing there is; of several, nobody knows.
    if (count === 1) take(0);
  });
  const onKeyDown = (event: KeyboardEvent) => {
    if (composing(event.nativeEvent) || event.ctrlKey || event.altKey) return;
    if (event.key === 'ArrowDown') setAt((was) => Math.min(count - 1, was + 1));
    else if (event.key === 'ArrowUp') setAt((was) => Math.max(0, was - 1));
    else if (event.key === 'Enter') {
      // Until then, what stands below belongs to what was typed before.
      if (answered) take(at);
      else setEntered(true);
    } else if (event.key === 'Escape' && typed) setTyped('');
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const option = (index: number, key: string, inner: ReactNode) => (
    <li
      key={key}
      id={`${id}-${index}`}
      role="option"
      aria-selected={index === at}
      data-testid={`${name}-option`}
      className={index === at ? 'is-at' : undefined}
      onMouseDown={(event) => event.preventDefault()}
      onClick={() => take(index)}
    >
      {inner}
    </li>
  );
  return (
    <div className="lookup">
      <Input
        ref={inputRef}
        autoFocus={autoFocus}
        value={typed}
        placeholder={label}
        allowClear
        role="combobox"
        aria-label={label}
        aria-expanded={count > 0}
        aria-controls={`${id}-list`}
        aria-activedescendant={count > 0 ? `${id}-${at}` : undefined}
        autoComplete="off"
        data-testid={`${name}-find`}
        onChange={(event) => {
          setEntered(false);
          setTyped(event.target.value);
        }}
        onKeyDown={onKeyDown}
      />
      <ul id={`${id}-list`} role="listbox" aria-label={label} className="lookup-list">
        {items.map((item, index) => option(index, keyOf(item), draw(item)))}
        {other && option(items.length, 'other', <span className="linkish">{other.label(typed.trim())}</span>)}
      </ul>
      {found.isSuccess && items.length === 0 && (
        <p className="second" role="status" data-testid={`${name}-none`}>
          {asked ? empty : (untyped ?? empty)}
        </p>
      )}
      {found.isError && <p className="note note-bad">{trouble(found.error).text}</p>}
      {found.isPending && <p className="second">{t('app.loading')}</p>}
    </div>
  );
}
