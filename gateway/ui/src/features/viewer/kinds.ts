/** What can be done with a series on screen: shown as images, opened as a document, or only named. Pure. */

import { type Instance, number, text } from './dicom-json';

export type SeriesKind = 'images' | 'pdf' | 'report' | 'ecg' | 'presentation' | 'segmentation' | 'video' | 'bare' | 'other';

const BY_CLASS: readonly [prefix: string, kind: SeriesKind][] = [
  ['1.2.840.10008.5.1.4.1.1.104.1', 'pdf'],
  ['1.2.840.10008.5.1.4.1.1.88', 'report'],
  ['1.2.840.10008.5.1.4.1.1.9.', 'ecg'],
  ['1.2.840.10008.5.1.4.1.1.11.', 'presentation'],
  ['1.2.840.10008.5.1.4.1.1.66.4', 'segmentation'],
  ['1.2.840.10008.5.1.4.1.1.77.1.1.1', 'video'],
  ['1.2.840.10008.5.1.4.1.1.77.1.2.1', 'video'],
  ['1.2.840.10008.5.1.4.1.1.77.1.4.1', 'video'],
];

/** Transfer syntaxes that carry a film rather than frames. */
const VIDEO_SYNTAX = '1.2.840.10008.1.2.4.10';

export function kindOf(instance: Instance): SeriesKind {
  const sopClass = text(instance, '00080016');
  const named = BY_CLASS.find(
    ([prefix]) => sopClass === prefix || sopClass.startsWith(prefix.endsWith('.') ? prefix : `${prefix}.`),
  );
  if (named) return named[1];
  if (text(instance, '00083002').startsWith(VIDEO_SYNTAX)) return 'video';
  if (!((number(instance, '00280010') ?? 0) > 0 && (number(instance, '00280011') ?? 0) > 0)) return 'other';
  return hasPixels(instance) ? 'images' : 'bare';
}

/** Float, Double Float and Pixel Data: rows and columns alone are the frame of a picture that did not come along. */
const PIXELS = ['7FE00008', '7FE00009', '7FE00010'];

function hasPixels(instance: Instance): boolean {
  return PIXELS.some((tag) => {
    const element = instance[tag];
    return Boolean(element?.BulkDataURI || element?.InlineBinary || element?.Value?.length);
  });
}

/** Who can draw a picture: the browser; only the server, for a palette in segments (PS3.3 C.7.9.2); or nobody. */
export type Drawing = 'here' | 'server' | 'none';

export function drawingOf(instance: Instance): Drawing {
  if (!hasPixels(instance)) return 'none';
  const segmented = text(instance, '00280004') === 'PALETTE COLOR' && instance['00281201'] === undefined;
  return segmented ? 'server' : 'here';
}

/** Whether the stored picture has lost something: said on the image (PS3.3 C.7.6.1.1.5). */
export function isLossy(instance: Instance): boolean {
  return text(instance, '00282110') === '01';
}
