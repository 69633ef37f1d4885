/** Houses as a tree: each under the one it belongs to. */

export interface Placed<Row> {
  row: Row;
  /** 0 for the head of the community. */
  depth: number;
}

interface InTree {
  code: string;
  parent: string | null;
}

/** *rows* each behind its parent, the children of one house by code; what hangs in no tree comes last. */
export function treeOf<Row extends InTree>(rows: readonly Row[]): Placed<Row>[] {
  const known = new Set(rows.map(({ code }) => code));
  const children = new Map<string | null, Row[]>();
  for (const row of rows) {
    const parent = row.parent !== null && known.has(row.parent) ? row.parent : null;
    children.set(parent, [...(children.get(parent) ?? []), row]);
  }
  const placed: Placed<Row>[] = [];
  const seen = new Set<string>();
  const walk = (parent: string | null, depth: number) => {
    for (const row of [...(children.get(parent) ?? [])].sort((a, b) => a.code.localeCompare(b.code))) {
      if (seen.has(row.code)) continue;
      seen.add(row.code);
      placed.push({ row, depth });
      walk(row.code, depth + 1);
    }
  };
  walk(null, 0);
  return [...placed, ...rows.filter(({ code }) => !seen.has(code)).map((row) => ({ row, depth: 0 }))];
}

/** The codes of *code* and all below it: none of these can stand above it. */
export function belowOf(rows: readonly InTree[], code: string): Set<string> {
  const below = new Set([code]);
  for (let before = 0; before !== below.size; ) {
    before = below.size;
    for (const row of rows) if (row.parent !== null && below.has(row.parent)) below.add(row.code);
  }
  return below;
}
