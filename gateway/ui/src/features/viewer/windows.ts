/** Window presets on the digits, by modality, and the two ways to write a window. Pure. */

import { type Instance, numbers, ofFrame, texts } from './dicom-json';

export interface Window {
  width: number;
  centre: number;
}

export interface Preset {
  /** Catalogue key `window.*`, or '' when *name* comes from the file. */
  label: string;
  name: string;
  /** null = the whole range of this image. */
  window: Window | null;
}

const CT: readonly [label: string, width: number, centre: number][] = [
  ['soft', 400, 40],
  ['lung', 1500, -600],
  ['liver', 150, 60],
  ['bone', 2000, 500],
  ['brain', 80, 40],
];

const FRAME_VOI_LUT = '00289132';
const PIXEL_VALUE_TRANSFORMATION = '00289145';

/** The windows the machine wrote for frame *frame* (from 0) of the object, with the machine's own names for them. */
export function windowsOf(instance: Instance, frame = 0): { window: Window; name: string }[] {
  const told = ofFrame(instance, frame, FRAME_VOI_LUT);
  const centres = numbers(told, '00281050');
  const widths = numbers(told, '00281051');
  const names = texts(told, '00281055');
  return centres.flatMap((centre, index) => {
    const width = widths[index];
    return width && width > 0 ? [{ window: { width, centre }, name: names[index] ?? '' }] : [];
  });
}

/** Whether stored values are Hounsfield units: only then do the CT presets mean anything. */
export function isHounsfield(instance: Instance, modality: string): boolean {
  const type = texts(ofFrame(instance, 0, PIXEL_VALUE_TRANSFORMATION), '00281054')[0] ?? '';
  return modality === 'CT' && (type === '' || type === 'HU');
}

/** What the digits 1-9 choose for frame *frame* (from 0) of *instance*. */
export function presetsFor(instance: Instance, modality: string, frame = 0): Preset[] {
  if (isHounsfield(instance, modality)) {
    return CT.map(([label, width, centre]) => ({ label, name: '', window: { width, centre } }));
  }
  const own = windowsOf(instance, frame)
    .slice(0, 4)
    .map(({ window, name }, index): Preset => ({ label: index === 0 ? 'own' : '', name, window }));
  const first = own[0]?.window;
  const derived: Preset[] = first
    ? [
        { label: 'narrow', name: '', window: { width: first.width * 0.6, centre: first.centre } },
        { label: 'wide', name: '', window: { width: first.width * 1.6, centre: first.centre } },
      ]
    : [];
  return [...own, { label: 'full', name: '', window: null }, ...derived].slice(0, 9);
}

/** A window as the lower and upper value the renderer wants (DICOM LINEAR, PS3.3 C.11.2.1.2.1). */
export function toRange({ width, centre }: Window): { lower: number; upper: number } {
  return { lower: centre - 0.5 - (width - 1) / 2, upper: centre - 0.5 + (width - 1) / 2 };
}

/** The window a range stands for: width is upper - lower + 1. */
export function toWindow({ lower, upper }: { lower: number; upper: number }): Window {
  return { width: upper - lower + 1, centre: (upper + lower + 1) / 2 };
}

function rounded(value: number, width: number): string {
  return width < 10 ? String(Math.round(value * 100) / 100) : String(Math.round(value));
}

/** `W400 L40`. */
export function windowText(window: Window): string {
  return `W${rounded(window.width, window.width)} L${rounded(window.centre, window.width)}`;
}
