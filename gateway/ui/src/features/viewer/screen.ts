/** How the image lies on the screen now: how large, and which side of the patient is where. */

import type { Types } from '@cornerstonejs/core';

import { texts } from './dicom-json';
import type { Viewport } from './engine';
import { frameOf } from './library';
import { toPixels } from './measure';
import { axesOfLetters, axesOfPlane, edges, type Edges } from './orientation';
import { orientationOf } from './series-stack';

interface Step {
  right: Types.Point2;
  down: Types.Point2;
}

const FAR = 100;

/** How far one screen pixel to the right, and one down, leads in pixels of the image; null before the first image. */
function stepOf(viewport: Viewport, imageId: string): Step | null {
  const at = (x: number, y: number) => {
    // The CPU path answers nothing until the first image is drawn, whatever its type says.
    const world = viewport.canvasToWorld([x, y]) as Types.Point3 | undefined;
    return world && toPixels(imageId, world);
  };
  const [origin, right, down] = [at(0, 0), at(FAR, 0), at(0, FAR)];
  if (!origin || !right || !down) return null;
  return {
    right: [(right[0] - origin[0]) / FAR, (right[1] - origin[1]) / FAR],
    down: [(down[0] - origin[0]) / FAR, (down[1] - origin[1]) / FAR],
  };
}

/** Screen pixels per image pixel, as people mean "2x". */
export function scaleOf(viewport: Viewport, imageId: string): number {
  const step = stepOf(viewport, imageId);
  const size = step ? Math.hypot(step.right[0], step.right[1]) : 0;
  return size > 0 ? 1 / size : 1;
}

/** The letters of the patient's sides at the four edges; null when the object names no side. */
export function lettersAround(viewport: Viewport, imageId: string): Edges | null {
  const frame = frameOf(imageId);
  const step = frame && stepOf(viewport, imageId);
  if (!frame || !step) return null;
  const { instance } = frame;
  const axes = axesOfPlane(orientationOf(instance, frame.frame - 1)) ?? axesOfLetters(texts(instance, '00200020'));
  if (!axes) return null;
  const along = ([columns, rows]: Types.Point2): [number, number, number] => {
    const size = Math.hypot(columns, rows) || 1;
    return [0, 1, 2].map((axis) => ((axes.row[axis] ?? 0) * columns + (axes.column[axis] ?? 0) * rows) / size) as [
      number,
      number,
      number,
    ];
  };
  return edges(along(step.right), along(step.down));
}
