/** What the reading page shows now; the viewports themselves live outside React. */

import { create } from 'zustand';

import type { ToolName } from './engine';
import type { Pane, PaneState } from './pane';

export type Layout = '1x1' | '1x2' | '2x2';

export const LAYOUTS: readonly Layout[] = ['1x1', '1x2', '2x2'];
export const CELLS: Readonly<Record<Layout, number>> = { '1x1': 1, '1x2': 2, '2x2': 4 };

interface ViewerStore {
  layout: Layout;
  /** One viewport fills the place of all, the others wait. */
  oneUp: boolean;
  active: number;
  /** Series of each cell, '' = empty. */
  cells: readonly string[];
  states: readonly (PaneState | undefined)[];
  tool: ToolName;
  overlay: boolean;
  linked: boolean;
  /** Grows whenever an image has been fetched: what counts loaded images looks again. */
  fetched: number;
}

export const FRESH: ViewerStore = {
  layout: '1x1',
  oneUp: false,
  active: 0,
  cells: ['', '', '', ''],
  states: [],
  tool: 'WindowLevel',
  overlay: true,
  linked: false,
  fetched: 0,
};

export const useViewer = create<ViewerStore>(() => FRESH);

/** The viewports that are on the page, by cell. */
export const panes = new Map<number, Pane>();

/** What one leafs through: the images of a stack, the documents of a series. */
export interface Leaves {
  scroll: (by: number) => void;
  /** Shows the one at *index*, the last where there are fewer. */
  goTo: (index: number) => unknown;
}

/** The documents that are on the page in the place of a viewport's images, by cell. */
export const leaves = new Map<number, Leaves>();

export function activeLeaves(): Leaves | undefined {
  return leaves.get(useViewer.getState().active) ?? activePane();
}

export function activePane(): Pane | undefined {
  return panes.get(useViewer.getState().active);
}

export function setCell(cell: number, series: string): void {
  useViewer.setState((was) => ({
    active: cell,
    cells: was.cells.map((one, index) => (index === cell ? series : one)),
  }));
}

export function setPaneState(cell: number, state: PaneState | undefined): void {
  useViewer.setState((was) => {
    const states = [...was.states];
    states[cell] = state;
    return { states };
  });
}

/** Changes the layout; new cells take the series that are not shown yet, in their order. */
export function chooseLayout(layout: Layout, series: readonly string[]): void {
  useViewer.setState((was) => {
    const count = CELLS[layout];
    const shown = new Set(was.cells.slice(0, count).filter(Boolean));
    const rest = series.filter((uid) => !shown.has(uid));
    const cells = was.cells.map((uid, index) => (index < count && !uid ? (rest.shift() ?? '') : uid));
    return { layout, cells, oneUp: false, active: Math.min(was.active, count - 1) };
  });
}
