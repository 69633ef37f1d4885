import type { ReactNode } from 'react';

export type ChipKind = 'emergency' | 'overdue' | 'soon' | 'info' | 'paused' | 'done' | 'question' | 'conflict';

/** A status as shape, word and colour together. */
export function Chip({ kind, children, title }: { kind: ChipKind; children: ReactNode; title?: string }) {
  return (
    <span className={`chip chip-${kind}`} title={title}>
      {children}
    </span>
  );
}
