/** A row of a machine's trail in words: who, and what about. Numbers for the help desk stand apart, under the technical facts. Pure. */

import type { TextKey } from '../../i18n';

/** Who a row is about: a person by name, nobody (a sign-in that was refused), or a machine. */
export type Who = { kind: 'person'; name: string } | { kind: 'nobody' | 'device' | 'machine' };

const OF_THE_MACHINE = new Set(['started', 'stopped']);

export function whoOf({ username, event }: { username: string; event: string }): Who {
  if (username) return { kind: 'person', name: username };
  // Whoever typed a name that is no account's is nobody known, and no device either.
  if (event === 'sign-in-refused') return { kind: 'nobody' };
  return { kind: OF_THE_MACHINE.has(event) ? 'machine' : 'device' };
}

/** Rows of before named their act where now the reason stands. */
const IN_REASON = new Set(['retry', 'release', 'take-back']);

/** What was done, as the trail names it, and how urgent a study became by it; empty where the event says all. */
export function actOf({ event, reason, detail }: { event: string; reason: string; detail: Readonly<Record<string, unknown>> }): {
  act: string;
  priority: string;
} {
  const text = (value: unknown) => (typeof value === 'string' ? value : '');
  const act = text(detail.act) || (event === 'changed' && IN_REASON.has(reason) ? reason : '');
  return { act, priority: act === 'priority' ? text(detail.priority) : '' };
}

/** What a row is about: its kind in a word of the catalogue, and what tells one from another of that kind. */
export interface About {
  key: TextKey;
  /** End of a number people may compare, or a name; empty where the kind says all. */
  tail: string;
}

const KINDS: Readonly<Record<string, TextKey>> = {
  account: 'nodes.about.account',
  conflicts: 'nodes.about.conflicts',
  'dicom-web': 'nodes.about.studies',
  earlier: 'nodes.about.earlier',
  emergency: 'nodes.about.emergency',
  'emergency-looks': 'nodes.about.emergency',
  examination: 'nodes.about.catalogue',
  image: 'nodes.about.image',
  instance: 'nodes.about.image',
  line: 'nodes.about.line',
  'name-sha256': 'nodes.about.typedName',
  node: 'nodes.about.machine',
  order: 'nodes.about.order',
  orders: 'nodes.about.orders',
  patient: 'nodes.about.patient',
  patients: 'nodes.about.patients',
  queue: 'nodes.about.queue',
  study: 'nodes.about.study',
  studies: 'nodes.about.studies',
  worklist: 'nodes.about.worklist',
};
/** Fields of a patient that were shown by themselves. */
const FIELDS: Readonly<Record<string, TextKey>> = {
  patient_id: 'nodes.about.patientId',
  resident_id: 'nodes.about.residentId',
  phone: 'nodes.about.phone',
};
/** Of these the end of the number tells one from another; of the rest it says nothing to anybody. */
const NUMBERED = new Set(['order', 'patient', 'study', 'image', 'instance']);
const TAIL = 6;

export function aboutOf(subject: string): About | null {
  if (!subject) return null;
  const [kind = '', name = '', field = ''] = subject.split(':');
  // A bare number of DICOM's is a study's.
  if (/^\d+(\.\d+)+$/.test(kind)) return { key: 'nodes.about.study', tail: kind.slice(-TAIL) };
  const key = FIELDS[field] ?? KINDS[kind] ?? 'nodes.about.other';
  if (kind === 'account') return { key, tail: name };
  return { key, tail: NUMBERED.has(kind) ? name.slice(-TAIL) : '' };
}
