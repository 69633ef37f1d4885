/** The day's list: what is shown of it, in which order, and how far each examination is. Pure. */

import type { OrderRow, OrderState, Patient, RegisteredPatient } from '../../api/types';
import type { ChipKind } from '../../frame/Chip';
import { moment, today } from '../../frame/clock';
import { maskIdentifier } from '../../frame/patient';
import { soundsLike } from '../../frame/pinyin';

export const CHIP: Readonly<Record<OrderState, ChipKind>> = {
  ordered: 'info',
  'in-progress': 'soon',
  completed: 'done',
  discontinued: 'paused',
  cancelled: 'paused',
};

const OPEN: ReadonlySet<OrderState> = new Set(['ordered', 'in-progress']);

export function isOpen(row: OrderRow): boolean {
  return OPEN.has(row.state);
}

const NOBODY_GOES: ReadonlySet<OrderState> = new Set(['cancelled', 'discontinued']);

/** Whether a slip sends the patient where somebody waits: not where it was cancelled or broken off. */
export function hasSlip(row: Pick<OrderRow, 'state'>): boolean {
  return !NOBODY_GOES.has(row.state);
}

/** Emergencies that are still to be done or not over. */
export function isPinned(row: OrderRow): boolean {
  return row.priority === 'emergency' && isOpen(row);
}

/** The patient as every page shows one. */
export function shownPatient(patient: RegisteredPatient): Patient {
  return {
    name: patient.name,
    alphabetic_name: patient.name_pinyin,
    sex: patient.sex,
    age: patient.age,
    age_estimated: patient.age_estimated,
    patient_id: patient.patient_id,
    masked_id: patient.masked_resident_id,
  };
}

export const NOBODY: Patient = { name: '', sex: '', age: null };

export interface Shown {
  pinned: OrderRow[];
  rest: OrderRow[];
}

/** *rows* of *device* that match what was *typed*: emergencies first, then by time. */
export function shownRows(rows: readonly OrderRow[], device: string, typed: string): Shown {
  const found = rows.filter((row) => (!device || row.examination.modality === device) && matches(row, typed));
  const byTime = [...found].sort((one, other) => Date.parse(one.scheduled_at) - Date.parse(other.scheduled_at));
  return { pinned: byTime.filter(isPinned), rest: byTime.filter((row) => !isPinned(row)) };
}

/** Whether *row* holds *typed*: name, pinyin or its initials, number, accession number, examination. */
export function matches(row: OrderRow, typed: string): boolean {
  const wanted = typed.trim().toLowerCase();
  if (!wanted) return true;
  const texts = [row.patient?.name ?? '', row.patient?.patient_id ?? '', row.accession_number, row.examination.name];
  // Whoever reads a resident number off a card finds who is shown with it masked.
  const masked = maskIdentifier(wanted);
  return (
    texts.some((text) => [wanted, masked].some((part) => text.toLowerCase().includes(part))) ||
    soundsLike(row.patient?.name_pinyin ?? '', wanted)
  );
}

/** How many there are of each modality, the most frequent first. */
export function devices(rows: readonly OrderRow[]): [string, number][] {
  const counts = new Map<string, number>();
  for (const { examination } of rows) counts.set(examination.modality, (counts.get(examination.modality) ?? 0) + 1);
  return [...counts].sort(([a, many], [b, more]) => more - many || a.localeCompare(b));
}

export function stillToDo(rows: readonly OrderRow[]): { ordered: number; doing: number; done: number } {
  const count = (state: OrderState) => rows.filter((row) => row.state === state).length;
  return { ordered: count('ordered'), doing: count('in-progress'), done: count('completed') };
}

/** How many open rows bear another patient's name or, in Latin letters, sex and age within two years. */
export function sameNames(rows: readonly OrderRow[], patient: RegisteredPatient): number {
  const others = new Set<string>();
  for (const { patient: other } of rows) {
    if (!other || other.id === patient.id) continue;
    const alike =
      other.name_pinyin.toLowerCase() === patient.name_pinyin.toLowerCase() &&
      other.sex === patient.sex &&
      Math.abs((other.age?.value ?? -9) - (patient.age?.value ?? 99)) <= 2;
    if (other.name === patient.name || alike) others.add(other.id);
  }
  return others.size;
}

/** Whether *row* is of the day *day* at the county. */
export function isOf(row: OrderRow, day: string): boolean {
  return today(moment(row.scheduled_at)) === day;
}

/** *day* moved by *days*. */
export function dayAfter(day: string, days: number): string {
  return new Date(Date.parse(`${day}T00:00:00Z`) + days * 86_400_000).toISOString().slice(0, 10);
}
