/** Every act of the reading page's image side, and the keys for it: ui.md's own, guarded in one place. */

import { utilities } from '@cornerstonejs/core';
import { annotation, cancelActiveManipulations } from '@cornerstonejs/tools';

import type { Key } from '../../frame/keys';
import { text } from './dicom-json';
import { type Hand, type ToolName } from './engine';
import type { LoadedSeries } from './library';
import { linkedIndex } from './link';
import { activeLeaves, activePane, CELLS, chooseLayout, LAYOUTS, panes, setCell, useViewer } from './state';
import { presetsFor } from './windows';

export interface Study {
  /** Series that can be put into a viewport, in their order on the strip. */
  series: readonly string[];
  hand: () => Hand | null;
}

export function takeTool(hand: Hand | null, tool: ToolName): void {
  hand?.take(tool);
  useViewer.setState({ tool });
}

/** What the digits choose for image *at* of *series*: its own windows, since others of the series may have others. */
export function presetsOf(series: LoadedSeries | null | undefined, at: number) {
  const shown = series?.frames[at];
  return shown ? presetsFor(shown.instance, text(shown.instance, '00080060'), shown.frame - 1) : [];
}

export function applyPreset(digit: number): void {
  const pane = activePane();
  const preset = pane && presetsOf(pane.shown, pane.current.index)[digit - 1];
  if (pane && preset) pane.useWindow(preset.window);
}

/** Moves to another series in the viewport that has the focus. */
function stepSeries(study: Study, by: number): void {
  const { active, cells } = useViewer.getState();
  const at = study.series.indexOf(cells[active] ?? '');
  const next = study.series[Math.max(0, Math.min(study.series.length - 1, at + by))];
  if (next) setCell(active, next);
}

function stepViewport(by: number): void {
  useViewer.setState((was) => {
    const count = CELLS[was.layout];
    return { active: (was.active + by + count) % count };
  });
}

function stepLayout(study: Study, by: number): void {
  const at = LAYOUTS.indexOf(useViewer.getState().layout);
  const layout = LAYOUTS[Math.max(0, Math.min(LAYOUTS.length - 1, at + by))];
  if (layout) chooseLayout(layout, study.series);
}

function removeSelected(): void {
  const selected = annotation.selection.getAnnotationsSelected();
  for (const uid of selected) annotation.state.removeAnnotation(uid);
  for (const pane of panes.values()) pane.viewport.render();
}

function escape(hand: Hand | null): void {
  const pane = activePane();
  if (pane) cancelActiveManipulations(pane.element);
  annotation.selection.deselectAnnotation();
  takeTool(hand, 'WindowLevel');
}

/** Brings the other viewports to the same place in the patient, while linking is on. */
export function followLink(from: number): void {
  const { linked, layout } = useViewer.getState();
  const pane = panes.get(from);
  if (!linked || !pane?.shown) return;
  for (const [cell, other] of panes) {
    if (cell === from || cell >= CELLS[layout] || !other.shown) continue;
    const index = linkedIndex(pane.shown.frames, pane.current.index, other.shown.frames);
    if (index !== null && index !== other.current.index) void other.goTo(index);
  }
}

function move(by: number): void {
  activeLeaves()?.scroll(by);
}

export function viewerKeys(study: Study): readonly Key[] {
  const tool = (key: string, label: string, name: ToolName): Key => ({
    keys: [key],
    label,
    run: () => takeTool(study.hand(), name),
  });
  const act = (keys: string[], label: string, run: () => void): Key => ({ keys, label, run: () => run() });
  const history = () => utilities.HistoryMemo.DefaultHistoryMemo;
  const redraw = () => panes.forEach((pane) => pane.viewport.render());
  return [
    {
      keys: ['1', '2', '3', '4', '5', '6', '7', '8', '9'],
      label: 'keys.window',
      run: (event) => applyPreset(Number(event.code.slice(-1))),
    },
    tool('W', 'tool.WindowLevel', 'WindowLevel'),
    tool('Z', 'tool.Zoom', 'Zoom'),
    tool('T', 'tool.Pan', 'Pan'),
    tool('D', 'tool.Length', 'Length'),
    tool('A', 'tool.Angle', 'Angle'),
    tool('E', 'tool.EllipticalROI', 'EllipticalROI'),
    tool('Shift+E', 'tool.RectangleROI', 'RectangleROI'),
    act(['H'], 'keys.flipH', () => activePane()?.flip('horizontal')),
    act(['V'], 'keys.flipV', () => activePane()?.flip('vertical')),
    act(['R'], 'keys.rotateR', () => activePane()?.rotate(90)),
    act(['L'], 'keys.rotateL', () => activePane()?.rotate(-90)),
    act(['I'], 'keys.invert', () => activePane()?.invert()),
    act(['C'], 'keys.cine', () => activePane()?.play()),
    act(['O'], 'keys.overlay', () => useViewer.setState((was) => ({ overlay: !was.overlay }))),
    act(['Y'], 'keys.link', () => useViewer.setState((was) => ({ linked: !was.linked }))),
    act(['Space'], 'keys.reset', () => activePane()?.reset()),
    act(['F'], 'keys.oneUp', () => useViewer.setState((was) => ({ oneUp: !was.oneUp }))),
    act(['ArrowDown'], 'keys.nextImage', () => move(1)),
    act(['ArrowUp'], 'keys.previousImage', () => move(-1)),
    act(['Home'], 'keys.firstImage', () => void activeLeaves()?.goTo(0)),
    act(['End'], 'keys.lastImage', () => void activeLeaves()?.goTo(Number.MAX_SAFE_INTEGER)),
    act(['PageDown'], 'keys.nextSeries', () => stepSeries(study, 1)),
    act(['PageUp'], 'keys.previousSeries', () => stepSeries(study, -1)),
    act(['ArrowRight'], 'keys.nextViewport', () => stepViewport(1)),
    act(['ArrowLeft'], 'keys.previousViewport', () => stepViewport(-1)),
    act(['.'], 'keys.moreViewports', () => stepLayout(study, 1)),
    act([','], 'keys.fewerViewports', () => stepLayout(study, -1)),
    act(['Delete'], 'keys.remove', removeSelected),
    act(['Ctrl+Z'], 'keys.undo', () => {
      history().undo();
      redraw();
    }),
    act(['Ctrl+Y'], 'keys.redo', () => {
      history().redo();
      redraw();
    }),
    act(['Escape'], 'keys.escape', () => escape(study.hand())),
  ];
}
