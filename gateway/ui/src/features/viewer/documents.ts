/** The documents of a series that is no stack: in which order one leafs through them, and which stands open. Pure. */

import { type Instance, text } from './dicom-json';

/** When the content was made (PS3.3 C.17.2, C.24.2), so that it sorts; '' where it is not said. */
function madeAt(instance: Instance): string {
  const day = text(instance, '00080023').replace(/\D/g, '');
  return day && day + text(instance, '00080033').replace(/[^\d.]/g, '').padEnd(6, '0');
}

/** *instances*, the newest content first; those that do not say when follow in the order given. */
export function newestFirst(instances: readonly Instance[]): Instance[] {
  const compare = (a: string, b: string) => (a === b ? 0 : a < b ? 1 : -1);
  return [...instances].sort((a, b) => compare(madeAt(a), madeAt(b)));
}

/** Where the document with the SOP instance UID *open* stands among *all*; the first where none is open or it is gone. */
export function placeOf(all: readonly Instance[], open: string): number {
  return Math.max(0, all.findIndex((one) => text(one, '00080018') === open));
}

/** The place *by* further than *at*, within *count* places. */
export function leafed(at: number, by: number, count: number): number {
  return Math.max(0, Math.min(count - 1, at + by));
}
