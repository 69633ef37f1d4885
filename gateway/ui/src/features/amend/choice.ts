/** Which series and images of a study are chosen. Pure. */

import type { SeriesRow } from '../../api/types';

/** Series chosen whole, and single images by their series. */
export interface Choice {
  whole: ReadonlySet<string>;
  single: ReadonlyMap<string, ReadonlySet<string>>;
}

export const NOTHING: Choice = { whole: new Set(), single: new Map() };

/** All series, or none where all are chosen. */
export function toggleStudy(choice: Choice, series: readonly SeriesRow[]): Choice {
  if (isStudy(choice, series)) return NOTHING;
  return { whole: new Set(series.map(({ series_instance_uid }) => series_instance_uid)), single: new Map() };
}

export function isStudy({ whole }: Choice, series: readonly SeriesRow[]): boolean {
  return series.length > 0 && series.every(({ series_instance_uid }) => whole.has(series_instance_uid));
}

export function toggleSeries({ whole, single }: Choice, series: string): Choice {
  const chosen = new Set(whole);
  if (!chosen.delete(series)) chosen.add(series);
  return { whole: chosen, single: new Map([...single].filter(([key]) => key !== series)) };
}

/** One image of *series*, whose images are *all*: all of them are the series, one less is no longer. */
export function toggleImage({ whole, single }: Choice, series: string, image: string, all: readonly string[]): Choice {
  const chosen = new Set(whole.has(series) ? all : single.get(series));
  if (!chosen.delete(image)) chosen.add(image);
  const full = all.length > 0 && all.every((one) => chosen.has(one));
  const rest = new Map([...single].filter(([key]) => key !== series));
  if (!full && chosen.size > 0) rest.set(series, chosen);
  const kept = new Set([...whole].filter((one) => one !== series));
  return { whole: full ? kept.add(series) : kept, single: rest };
}

export function isChosen({ whole, single }: Choice, series: string, image: string): boolean {
  return whole.has(series) || single.get(series)?.has(image) === true;
}

/** How many images are chosen. */
export function count({ whole, single }: Choice, series: readonly SeriesRow[]): number {
  const rows = series.filter(({ series_instance_uid }) => whole.has(series_instance_uid));
  const images = [...single.values()].reduce((sum, { size }) => sum + size, 0);
  return rows.reduce((sum, { instance_count }) => sum + instance_count, images);
}

/** The parts as the server is told of them; none where it is the whole study. */
export function parts(choice: Choice, series: readonly SeriesRow[]): { series: string[]; instances: string[] } {
  if (isStudy(choice, series)) return { series: [], instances: [] };
  return { series: [...choice.whole], instances: [...choice.single.values()].flatMap((images) => [...images]) };
}
