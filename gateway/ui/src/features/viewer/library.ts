/** The series of one study: metadata fetched once each, turned into stacks of image ids. */

import { Enums, utilities as metadata } from '@cornerstonejs/metadata';

import { Problem, underSession } from '../../api/client';
import type { Instance } from './dicom-json';
import { text } from './dicom-json';
import { isLossy, kindOf, type SeriesKind } from './kinds';
import { type Frame, stackOf } from './series-stack';

export interface LoadedSeries {
  uid: string;
  kind: SeriesKind;
  instances: Instance[];
  frames: Frame[];
  imageIds: string[];
  missing: number[];
  lossy: boolean;
}

const FRAMES = new Map<string, Frame>();

/** The frame behind an image id of this page. */
export function frameOf(imageId: string): Frame | undefined {
  return FRAMES.get(imageId);
}

/** Forgets every frame and what its header says. */
export function forgetFrames(): void {
  FRAMES.clear();
  metadata.clearTypedCacheData(Enums.MetadataModules.NATURALIZED);
}

function base(study: string, series: string): string {
  return `/dicom-web/studies/${study}/series/${series}`;
}

async function metadataOf(study: string, series: string, signal: AbortSignal): Promise<Instance[]> {
  const answered = underSession();
  let answer: Response;
  try {
    answer = await fetch(`${base(study, series)}/metadata`, {
      headers: { Accept: 'application/dicom+json' },
      credentials: 'same-origin',
      signal,
    });
  } catch (error) {
    if (signal.aborted) throw error;
    throw new Problem(0, 'unreachable', '');
  }
  answered(answer.status);
  if (!answer.ok) throw new Problem(answer.status, `metadata-${answer.status}`, '');
  return (await answer.json()) as Instance[];
}

/** *instance* without its empty elements: the renderer would take an empty spacing for a number. */
function filled(instance: Instance): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(instance).filter(
      ([, element]) => element.Value?.length || element.BulkDataURI || element.InlineBinary,
    ),
  );
}

/** Reads one series and makes its frames known to the renderer. */
export async function loadSeries(study: string, series: string, signal: AbortSignal): Promise<LoadedSeries> {
  const instances = await metadataOf(study, series, signal);
  // What lacks its picture keeps its place in the stack, where it is said.
  const pictures = instances.filter((instance) => ['images', 'bare'].includes(kindOf(instance)));
  const first = instances[0];
  const kind = pictures.length ? 'images' : first ? kindOf(first) : 'other';
  const { frames, missing } = stackOf(pictures);
  const imageIds = frames.map((frame) => {
    const id = `wadors:${location.origin}${base(study, series)}/instances/${frame.sopInstance}/frames/${frame.frame}`;
    // The instance is told once, through its first frame; the provider derives the others from it.
    if (!FRAMES.has(id) && frame.frame === 1) metadata.addDicomWebInstance(id, filled(frame.instance));
    FRAMES.set(id, frame);
    return id;
  });
  return { uid: series, kind, instances, frames, imageIds, missing, lossy: pictures.some(isLossy) };
}

/** Where a non-image object can be fetched as it is stored. */
export function instancePath(study: string, series: string, instance: Instance): string {
  return `${base(study, series)}/instances/${text(instance, '00080018')}`;
}
