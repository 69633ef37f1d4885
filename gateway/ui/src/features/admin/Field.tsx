import { type ReactNode, useId } from 'react';

/** One field: its label in front, what is wrong or meant below. */
export function Field({
  label,
  fault,
  hint,
  children,
}: {
  label: string;
  fault?: string | false;
  hint?: ReactNode;
  children: (id: string, described: string | undefined) => ReactNode;
}) {
  const id = useId();
  const said = fault || hint;
  return (
    <div className="admin-field">
      <label htmlFor={id}>{label}</label>
      <div>
        {children(id, said ? `${id}-said` : undefined)}
        {said && (
          <p id={`${id}-said`} className={fault ? 'fault' : 'second'}>
            {said}
          </p>
        )}
      </div>
    </div>
  );
}
