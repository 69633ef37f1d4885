/** What stands beside a measurement: our own words and our own arithmetic, from index coordinates. */

import { cache, metaData, utilities } from '@cornerstonejs/core';

import { say } from '../../i18n';
import { angleOf, areaOf, type Calibration, calibrationOf, lengthOf, type Point } from './calibration';
import type { ToolName } from './engine';
import { frameOf } from './library';
import { unitOf } from './units';

interface Stats {
  mean?: number;
  stdDev?: number;
  min?: number;
  max?: number;
}

interface Drawn {
  handles: { points: [number, number, number][] };
  cachedStats?: Record<string, Stats | undefined>;
}

type TextLines = (data: Drawn, target: string | string[]) => string[] | undefined;

const IMAGE_ID = 'imageId:';

/** *world* in pixels of the image, columns first; the middle of the first pixel is (0, 0). */
export function toPixels(imageId: string, world: readonly [number, number, number]): Point {
  const plane = metaData.get('imagePlaneModule', imageId) as { rowCosines?: unknown } | undefined;
  if (plane?.rowCosines) {
    const found = utilities.worldToImageCoords(imageId, [...world]);
    if (found) return [found[0] - 0.5, found[1] - 0.5];
  }
  // Without a plane the renderer lays the image out at unit spacing, or at its own pixel spacing.
  const image = cache.getImage(imageId);
  return [world[0] / (image?.columnPixelSpacing || 1), world[1] / (image?.rowPixelSpacing || 1)];
}

function calibrationFor(imageId: string): Calibration {
  const frame = frameOf(imageId);
  return frame ? calibrationOf(frame.instance, frame.frame - 1) : { kind: 'none' };
}

const NBSP = '\u00A0';

export function lengthText(a: Point, b: Point, calibration: Calibration): string {
  const { value, calibrated } = lengthOf(a, b, calibration);
  return calibrated ? `${value.toFixed(1)}${NBSP}mm` : `${Math.round(value)}${NBSP}px ${say('measure.uncalibrated')}`;
}

export function areaText(shape: 'box' | 'ellipse', a: Point, b: Point, calibration: Calibration): string {
  const { value, calibrated } = areaOf(shape, a, b, calibration);
  return calibrated ? `${value.toFixed(1)}${NBSP}mm²` : `${Math.round(value)}${NBSP}px² ${say('measure.uncalibrated')}`;
}

function statsLines(stats: Stats | undefined, imageId: string): string[] {
  if (!stats || stats.mean === undefined || !Number.isFinite(stats.mean)) return [];
  const frame = frameOf(imageId);
  const named = frame ? unitOf(frame.instance) : '';
  const unit = named && `${NBSP}${named}`;
  const digits = Math.abs(stats.mean) < 10 ? 2 : 0;
  const word = (value: number | undefined) => (value === undefined ? '-' : value.toFixed(digits));
  return [
    say('measure.mean', { value: `${word(stats.mean)}${unit}`, spread: word(stats.stdDev) }),
    say('measure.range', { low: word(stats.min), high: `${word(stats.max)}${unit}` }),
  ];
}

function corners(points: readonly Point[]): [Point, Point] {
  const columns = points.map(([column]) => column);
  const rows = points.map(([, row]) => row);
  return [
    [Math.min(...columns), Math.min(...rows)],
    [Math.max(...columns), Math.max(...rows)],
  ];
}

/** The lines for measurements of *tool*. */
export function textLinesOf(tool: ToolName): TextLines {
  return (data, target) => {
    const targetId = Array.isArray(target) ? (target[0] ?? '') : target;
    if (!targetId.startsWith(IMAGE_ID)) return undefined;
    const imageId = targetId.slice(IMAGE_ID.length);
    const points = data.handles.points.map((world) => toPixels(imageId, world));
    const calibration = calibrationFor(imageId);
    const [a, b, c] = points;
    if (!a || !b) return undefined;
    if (tool === 'Length') return [lengthText(a, b, calibration)];
    if (tool === 'Angle') return c ? [`${angleOf(a, b, c, calibration).toFixed(1)}°`] : undefined;
    const [low, high] = corners(points);
    const shape = tool === 'EllipticalROI' ? 'ellipse' : 'box';
    return [areaText(shape, low, high, calibration), ...statsLines(data.cachedStats?.[targetId], imageId)];
  };
}
