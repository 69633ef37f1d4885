/** Whether a patient found in a folder is on today's worklist of this house. */

import type { OrderRow } from '../../api/types';
import { maskIdentifier } from '../../frame/patient';
import { dayPage } from '../today/asks';
import type { FoundPatient } from './inspect';

/** The list is on this site's own machine: longer than this nobody waits for it. */
const LIST_WAIT_MS = 5_000;

export interface TodaysList {
  rows: readonly OrderRow[];
  /** Whether these are all of the day. */
  all: boolean;
}

/** Today's worklist; null where it cannot be asked, and then nothing is said of who is on it. */
export async function askTodaysList(signal: AbortSignal): Promise<TodaysList | null> {
  const stop = new AbortController();
  const giveUp = () => stop.abort();
  const timer = setTimeout(giveUp, LIST_WAIT_MS);
  signal.addEventListener('abort', giveUp, { once: true });
  try {
    const { items, more } = await dayPage('', stop.signal);
    return { rows: items, all: !more };
  } catch {
    return null;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', giveUp);
  }
}

/**
 * Whether *list* is known not to hold *patient*: neither one of its exams nor its number, nor, where the images bear no
 * number, its name. A list that is cut, or of which a patient has not reached this machine yet, does not tell. Pure.
 */
export function isMissingOn(list: TodaysList | null, patient: FoundPatient): boolean {
  if (!list?.all || list.rows.some((row) => row.patient === null)) return false;
  return !list.rows.some((row) => isOf(row, patient));
}

function isOf(row: OrderRow, found: FoundPatient): boolean {
  const numbers = [row.accession_number, ...row.former_accession_numbers].filter(Boolean);
  if (found.studies.some(({ key, accession }) => key === row.study_instance_uid || numbers.includes(accession))) return true;
  const listed = row.patient;
  if (!listed) return false;
  if (!found.patientId) return found.name !== '' && found.name === listed.name;
  if (found.patientId === listed.patient_id) return true;
  // A number that is a resident's is shown masked; two people may look alike then.
  return maskIdentifier(found.patientId) === listed.patient_id && found.name === listed.name;
}
