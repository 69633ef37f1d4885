/** What a length on the image means in the patient: millimetres only where the object says so. Pure. */

import { type Instance, items, number, numbers, ofFrame, text } from './dicom-json';

export type Point = readonly [column: number, row: number];

interface Region {
  x0: number;
  y0: number;
  x1: number;
  y1: number;
  mmPerColumn: number;
  mmPerRow: number;
}

export type Calibration =
  /** Millimetres per pixel, in the patient. */
  | { kind: 'mm'; perColumn: number; perRow: number }
  /** Ultrasound: each region of the picture has its own scale. */
  | { kind: 'regions'; regions: Region[] }
  | { kind: 'none' };

/** Shadows on a detector: the spacing of the detector is not that of the patient. */
const PROJECTION = new Set(['CR', 'DX', 'MG', 'RF', 'XA', 'IO', 'PX', 'RG']);
const CENTIMETRES = 3;

const NONE: Calibration = { kind: 'none' };

function spacing(values: readonly number[]): { perRow: number; perColumn: number } | null {
  const [perRow = 0, perColumn = 0] = values;
  return perRow > 0 && perColumn > 0 ? { perRow, perColumn } : null;
}

/**
 * Projection images count as calibrated when the spacing was corrected for magnification: Pixel Spacing with a
 * calibration type, or other than Imager Pixel Spacing (PS3.3 10.7.1.2), or through the estimated magnification.
 */
export function calibrationOf(instance: Instance, frame = 0): Calibration {
  const modality = text(instance, '00080060');
  if (items(instance, '00186011').length > 0) return regionsOf(instance);
  const pixel = spacing(numbers(ofFrame(instance, frame, '00289110'), '00280030'));
  if (!PROJECTION.has(modality)) return pixel ? { kind: 'mm', ...pixel } : NONE;
  const imager = spacing(numbers(instance, '00181164'));
  if (pixel && text(instance, '00280A02')) return { kind: 'mm', ...pixel };
  if (pixel && imager && Math.abs(pixel.perRow - imager.perRow) > 1e-6) return { kind: 'mm', ...pixel };
  const magnified = number(instance, '00181114') ?? 0;
  if (imager && magnified > 0) {
    return { kind: 'mm', perRow: imager.perRow / magnified, perColumn: imager.perColumn / magnified };
  }
  return NONE;
}

function regionsOf(instance: Instance): Calibration {
  const regions = items(instance, '00186011').flatMap((region): Region[] => {
    const inCm = number(region, '00186024') === CENTIMETRES && number(region, '00186026') === CENTIMETRES;
    const mmPerColumn = Math.abs(number(region, '0018602C') ?? 0) * 10;
    const mmPerRow = Math.abs(number(region, '0018602E') ?? 0) * 10;
    if (!inCm || mmPerColumn === 0 || mmPerRow === 0) return [];
    const corner = (tag: string) => number(region, tag) ?? 0;
    return [
      {
        x0: corner('00186018'),
        y0: corner('0018601A'),
        x1: corner('0018601C'),
        y1: corner('0018601E'),
        mmPerColumn,
        mmPerRow,
      },
    ];
  });
  return regions.length ? { kind: 'regions', regions } : NONE;
}

/** The scale all of *points* share, or null: outside a region, or across two, a length has no unit. */
export function scaleAt(
  calibration: Calibration,
  points: readonly Point[],
): { perColumn: number; perRow: number } | null {
  if (calibration.kind === 'none') return null;
  if (calibration.kind === 'mm') return calibration;
  const region = calibration.regions.find(({ x0, y0, x1, y1 }) =>
    points.every(([column, row]) => column >= x0 && column <= x1 && row >= y0 && row <= y1),
  );
  return region ? { perColumn: region.mmPerColumn, perRow: region.mmPerRow } : null;
}

export interface Measured {
  value: number;
  calibrated: boolean;
}

const UNIT = { perColumn: 1, perRow: 1 };

export function lengthOf(a: Point, b: Point, calibration: Calibration): Measured {
  const scale = scaleAt(calibration, [a, b]);
  const { perColumn, perRow } = scale ?? UNIT;
  return { value: Math.hypot((b[0] - a[0]) * perColumn, (b[1] - a[1]) * perRow), calibrated: scale !== null };
}

/** The angle at *apex* in degrees, in [0, 180]; pixels that are not square are made so first. */
export function angleOf(a: Point, apex: Point, b: Point, calibration: Calibration): number {
  const { perColumn, perRow } = scaleAt(calibration, [a, apex, b]) ?? UNIT;
  const u = [(a[0] - apex[0]) * perColumn, (a[1] - apex[1]) * perRow] as const;
  const v = [(b[0] - apex[0]) * perColumn, (b[1] - apex[1]) * perRow] as const;
  const cross = u[0] * v[1] - u[1] * v[0];
  return (Math.abs(Math.atan2(cross, u[0] * v[0] + u[1] * v[1])) * 180) / Math.PI;
}

/** The area of the box between two opposite corners, or of the ellipse inside it. */
export function areaOf(shape: 'box' | 'ellipse', a: Point, b: Point, calibration: Calibration): Measured {
  const scale = scaleAt(calibration, [a, b]);
  const { perColumn, perRow } = scale ?? UNIT;
  const box = Math.abs(b[0] - a[0]) * perColumn * Math.abs(b[1] - a[1]) * perRow;
  return { value: shape === 'box' ? box : (box * Math.PI) / 4, calibrated: scale !== null };
}
