import { Input } from 'antd';
import type { ReactNode } from 'react';

import { Field } from './Field';

/** A field for a line of text. */
export function TextField({
  label,
  fault,
  hint,
  value,
  maxLength,
  className,
  inputMode,
  autoFocus = false,
  change,
  testid,
}: {
  label: string;
  fault?: string | false;
  hint?: ReactNode;
  value: string;
  maxLength?: number;
  className?: string;
  inputMode?: 'numeric';
  autoFocus?: boolean;
  change: (value: string) => void;
  testid?: string;
}) {
  return (
    <Field label={label} fault={fault} hint={hint}>
      {(id, said) => (
        <Input
          id={id}
          autoFocus={autoFocus}
          autoComplete="off"
          inputMode={inputMode}
          maxLength={maxLength}
          className={className}
          value={value}
          aria-describedby={said}
          onChange={(event) => change(event.target.value)}
          data-testid={testid}
        />
      )}
    </Field>
  );
}
