import type { ReactNode } from 'react';

/** The id of a row's element, for the focus to go there. */
export const ledgerRow = (key: string) => `ledger-${key}`;

export interface Column<Row> {
  head: string;
  /** Width, as a track of a CSS grid. */
  width: string;
  cell: (row: Row) => ReactNode;
}

/** A list whose rows open in place; one row has the focus. */
export function Ledger<Row>({
  label,
  columns,
  rows,
  keyOf,
  active,
  open,
  toggle,
  setActive,
  detail,
  marked = () => false,
}: {
  label: string;
  columns: readonly Column<Row>[];
  rows: readonly Row[];
  keyOf: (row: Row) => string;
  active: string | null;
  open: string | null;
  toggle: (key: string) => void;
  setActive: (key: string) => void;
  detail: (row: Row) => ReactNode;
  /** Whether somebody has to do something about it. */
  marked?: (row: Row) => boolean;
}) {
  const layout = { gridTemplateColumns: columns.map(({ width }) => width).join(' ') };
  return (
    <div className="ledger" role="treegrid" aria-label={label}>
      <div role="rowgroup">
        <div role="row" className="ledger-row ledger-head" style={layout}>
          {columns.map(({ head }) => (
            <div role="columnheader" key={head}>
              {head}
            </div>
          ))}
        </div>
      </div>
      {rows.map((row, index) => {
        const key = keyOf(row);
        return (
          <div role="rowgroup" key={key}>
            <div
              id={ledgerRow(key)}
              role="row"
              className={`ledger-row${marked(row) ? ' needs-act' : ''}`}
              style={layout}
              tabIndex={active === key || (active === null && index === 0) ? 0 : -1}
              aria-expanded={open === key}
              data-testid="ledger-row"
              data-key={key}
              onClick={() => toggle(key)}
              onFocus={() => setActive(key)}
            >
              {columns.map(({ head, cell }) => (
                <div role="gridcell" key={head}>
                  {cell(row)}
                </div>
              ))}
            </div>
            {open === key && (
              <div role="row" className="ledger-detail" data-testid="ledger-detail">
                <div role="gridcell">{detail(row)}</div>
              </div>
            )}
          </div>
        );
      })}
    </div>
  );
}
