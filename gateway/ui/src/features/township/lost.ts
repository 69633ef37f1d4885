/** Images of a study that were told of and do not come from this page: refused, unreadable or left out. Pure. */

import type { ToSend } from './inspect';

/** By study how many images, each counted once. */
export type Lost = ReadonlyMap<string, number>;

export const NOTHING_LOST: Lost = new Map();

/** How many images of each study are among *files*; a zip told of none. */
export function lostAmong(files: readonly ToSend[]): Lost {
  const images = new Map<string, Set<string>>();
  for (const { sopInstance, studies } of files) {
    const [study] = studies;
    if (!sopInstance || !study) continue;
    images.set(study, (images.get(study) ?? new Set()).add(sopInstance));
  }
  return new Map([...images].map(([study, uids]) => [study, uids.size]));
}

export function areAlike(one: Lost, other: Lost): boolean {
  return one.size === other.size && [...one].every(([study, images]) => other.get(study) === images);
}

/** What is lost of each study in all *batches*, one after the other: the last word of a study holds. */
export function lostInAll(batches: Iterable<Lost>): Lost {
  return new Map([...batches].flatMap((lost) => [...lost]));
}

/** *batches* as they are once *studies* are sent anew: what was lost of them may come now. */
export function sentAnew(batches: ReadonlyMap<string, Lost>, studies: ReadonlySet<string>): ReadonlyMap<string, Lost> {
  return new Map([...batches].map(([batch, lost]) => [batch, new Map([...lost].filter(([study]) => !studies.has(study)))]));
}
