/** What of a study can be looked at on the township's machine, and how far what was asked of the county is. Pure. */

import type { EarlierStudy, ReportHere, StudyHere } from '../../api/types';

/** Where the images of a study are, for whoever wants to see them here. */
export type Place = 'here' | 'part' | 'coming' | 'asked' | 'aside' | 'refused' | 'county' | 'none';

export function placeOf(here: StudyHere | undefined): Place {
  if (!here) return 'none';
  const { prior } = here;
  const onTheWay = prior?.state === 'fetching' ? 'coming' : prior?.state === 'asked' ? 'asked' : null;
  if (here.images > 0 && here.gone === 0 && onTheWay === null && prior?.state !== 'set-aside') return 'here';
  if (onTheWay) return onTheWay;
  if (prior?.state === 'set-aside') return 'aside';
  if (here.images > 0) return 'part';
  if (prior?.state === 'refused') return 'refused';
  return here.gone > 0 ? 'county' : 'none';
}

/** How far the reports of a study are: the best of them counts. */
export function reportOf(here: StudyHere | undefined): { state: ReportHere['state'] | 'none'; first?: ReportHere; count: number } {
  const reports = here?.reports ?? [];
  const there = reports.filter(({ state }) => state === 'here');
  // The newest is the one that holds, for an amended report has a UID of its own; of one moment the page that was signed.
  const order = (one: ReportHere, other: ReportHere) =>
    Date.parse(other.at) - Date.parse(one.at) || Number(other.form === 'pdf') - Number(one.form === 'pdf');
  const first = [...there].sort(order)[0];
  if (first) return { state: 'here', first, count: there.length };
  const coming = reports.some(({ state }) => state === 'coming');
  return { state: coming ? 'coming' : reports.length ? 'set-aside' : 'none', count: reports.length };
}

/** Why something could not be had from the county, as far as it matters to whoever waits for it. */
export type NotBack = 'gone' | 'damaged' | 'otherwise' | 'broke' | 'failed';

const NOT_BACK: Readonly<Record<string, NotBack>> = {
  'object-missing': 'gone',
  'instance-not-found': 'gone',
  'study-not-found': 'gone',
  'not-found': 'gone',
  'object-damaged': 'damaged',
  'broken-dataset': 'damaged',
  truncated: 'damaged',
  'not-dicom': 'damaged',
  'wrong-length': 'damaged',
  'size-mismatch': 'otherwise',
  'digest-mismatch': 'otherwise',
  'uid-mismatch': 'otherwise',
  'transfer-syntax-mismatch': 'otherwise',
  'line-cut': 'broke',
};

export function notBack(code: string): NotBack {
  return NOT_BACK[code] ?? 'failed';
}

/** What of a study could not be had: reports, images among all of it, and why the first of them. */
export interface Missing {
  reports: number;
  images: number;
  of: number;
  code: string;
}

/** What of a study could not be had from the county, so that a person may have to do something; null where nothing. */
export function notBackOf(here: StudyHere | undefined): Missing | null {
  const aside = (here?.reports ?? []).filter(({ state }) => state === 'set-aside');
  const prior = here?.prior?.state === 'set-aside' ? here.prior : null;
  if (!prior && aside.length === 0) return null;
  const images = Math.max(0, (prior?.set_aside ?? 0) - aside.length);
  return { reports: aside.length, images, of: prior?.objects ?? images, code: (aside[0]?.code ?? prior?.code) || '' };
}

/** Address of a study's images in the viewer. */
export function imagesPath(study: string): string {
  return `/studies/${study}`;
}

/** Address of a report in the viewer. */
export function reportPath(report: ReportHere): string {
  return `/studies/${report.study_instance_uid}?series=${report.series_instance_uid}`;
}

/** The earlier studies of a patient besides *study* itself, newest first. */
export function others(items: readonly EarlierStudy[], study: string): EarlierStudy[] {
  return items.filter((one) => one.study_instance_uid !== study);
}

/** *known* with what a live word says, where it speaks of one of them. */
export function withWord(known: readonly StudyHere[], word: StudyHere): readonly StudyHere[] {
  const at = known.findIndex((one) => one.study_instance_uid === word.study_instance_uid);
  return at < 0 ? known : known.map((one, index) => (index === at ? word : one));
}
