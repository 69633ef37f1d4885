import type { Instance } from './dicom-json';

const VR: Record<string, string> = { '00200032': 'DS', '00200037': 'DS', '00280030': 'DS' };

/** An instance from plain values: arrays stay, anything else becomes the one value. */
export function instance(values: Readonly<Record<string, unknown>>): Instance {
  return Object.fromEntries(
    Object.entries(values).map(([tag, value]) => [
      tag,
      { vr: VR[tag] ?? 'LO', Value: Array.isArray(value) ? value : [value] },
    ]),
  );
}

export const AXIAL = [1, 0, 0, 0, 1, 0];

/** Slice *number* of an axial series, *z* millimetres up. */
export function slice(number: number, z: number, more: Readonly<Record<string, unknown>> = {}): Instance {
  return instance({
    '00080018': `2.25.${number}`,
    '00200013': number,
    '00200037': AXIAL,
    '00200032': [0, 0, z],
    '00280010': 512,
    '00280011': 512,
    ...more,
  });
}
