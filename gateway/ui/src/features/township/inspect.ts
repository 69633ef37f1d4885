/** Looks through what somebody wants to add, before a byte is sent: which patients, which exams, what is no image. */

import type { Age, Sex } from '../../api/types';
import { today } from '../../frame/clock';
import { HEAD_BYTES, type Header, readHeader } from './dicom-header';
import { bytesOf, Unreadable } from './local-file';
import type { Picked } from './pick';
import { isMissingOn, type TodaysList } from './todays-list';
import { NotAZip, zipMembers } from './zip-peek';

export interface FoundStudy {
  /** Names the study in this panel: its UID, or the file it stands in when the header is not readable here. */
  key: string;
  accession: string;
  modality: string;
  description: string;
  date: string;
  time: string;
  images: number;
}

export interface FoundPatient {
  key: string;
  name: string;
  patientId: string;
  sex: Sex;
  age: Age | null;
  birthDate: string;
  studies: FoundStudy[];
}

export type SkipReason = 'empty' | 'directory' | 'not-dicom' | 'broken-zip';

export interface ToSend {
  picked: Picked;
  kind: 'dicom' | 'zip';
  sopInstance: string;
  /** Patients this file belongs to: one for an image, several for a zip. */
  patients: string[];
  /** Study Instance UIDs in it, as far as they can be read here. */
  studies: string[];
}

export interface Found {
  patients: FoundPatient[];
  send: ToSend[];
  skipped: { name: string; why: SkipReason }[];
  /** What this computer cannot read: any of them may be an image. */
  unreadable: string[];
  /** Images whose header only the node can read; they go without a name to check. */
  unread: number;
  images: number;
  bytes: number;
}

export interface Doubt {
  patient: string;
  why: 'several-patients' | 'old-exam' | 'no-name' | 'future-exam' | 'not-on-list';
}

/** Collects headers into patients and exams. Pure; order of arrival is kept. */
export class Collection {
  private readonly patients = new Map<string, FoundPatient & { byStudy: Map<string, FoundStudy> }>();
  unread = 0;
  images = 0;

  /** Files *header* under its patient and exam and returns the patient's key. */
  add(header: Header | null): string | null {
    this.images += 1;
    if (!header) {
      this.unread += 1;
      return null;
    }
    const key = `${header.patientId}|${header.name}`;
    let patient = this.patients.get(key);
    if (!patient) {
      const { name, patientId, sex, age, birthDate } = header;
      patient = { key, name, patientId, sex, age, birthDate, studies: [], byStudy: new Map() };
      this.patients.set(key, patient);
    }
    const studyKey = header.study || `${header.date} ${header.description}`;
    let study = patient.byStudy.get(studyKey);
    if (!study) {
      const { accession, modality, description, date, time } = header;
      study = { key: studyKey, accession, modality, description, date, time, images: 0 };
      patient.byStudy.set(studyKey, study);
      patient.studies.push(study);
    }
    study.images += 1;
    if (!study.modality.split('/').includes(header.modality) && header.modality)
      study.modality += `/${header.modality}`;
    return key;
  }

  found(): FoundPatient[] {
    return [...this.patients.values()].map(({ byStudy: _, ...patient }) => patient);
  }
}

/** What a person must tick before *patients* are sent; *list* is today's, *day* its date at the county. Pure. */
export function doubts(patients: readonly FoundPatient[], list: TodaysList | null, day: string = today()): Doubt[] {
  return patients.flatMap((patient) => {
    const found: Doubt[] = [];
    if (patients.length > 1) found.push({ patient: patient.key, why: 'several-patients' });
    if (!patient.name && !patient.patientId) found.push({ patient: patient.key, why: 'no-name' });
    if (patient.studies.some(({ date }) => date !== '' && date < day))
      found.push({ patient: patient.key, why: 'old-exam' });
    if (isMissingOn(list, patient)) found.push({ patient: patient.key, why: 'not-on-list' });
    if (patient.studies.some(({ date }) => date > day)) found.push({ patient: patient.key, why: 'future-exam' });
    return found;
  });
}

/** Whether *files* hold the very images of *sought*, by path and number: many a disc's folder is called DICOM. Pure. */
export function holdsAll(files: readonly ToSend[], sought: readonly ToSend[]): boolean {
  const nameOf = ({ picked, sopInstance }: ToSend) => `${picked.path}|${picked.file.size}|${sopInstance}`;
  const here = new Set(files.map(nameOf));
  return sought.every((one) => here.has(nameOf(one)));
}

const SLICE = 16;

/** Reads the heads of *files* a few at a time; *progress* hears how many are done. Stops quietly when aborted. */
export async function inspect(
  files: readonly Picked[],
  progress: (done: number) => void,
  signal: AbortSignal,
): Promise<Found> {
  const collection = new Collection();
  const found: Found = { patients: [], send: [], skipped: [], unreadable: [], unread: 0, images: 0, bytes: 0 };
  for (let at = 0; at < files.length && !signal.aborted; at += SLICE) {
    const slice = files.slice(at, at + SLICE);
    const looked = await Promise.all(slice.map((picked) => look(picked)));
    looked.forEach((result, index) => {
      const picked = slice[index];
      if (picked) file(picked, result, collection, found);
    });
    progress(Math.min(files.length, at + SLICE));
  }
  found.patients = collection.found();
  found.unread = collection.unread;
  found.images = collection.images;
  return found;
}

type Looked =
  | { kind: 'dicom'; header: Header | null }
  | { kind: 'zip'; headers: (Header | null)[] }
  | { kind: 'skip'; why: SkipReason }
  | { kind: 'unreadable' };

function file(picked: Picked, looked: Looked, collection: Collection, found: Found): void {
  if (looked.kind === 'skip') {
    found.skipped.push({ name: picked.path, why: looked.why });
    return;
  }
  if (looked.kind === 'unreadable') {
    found.unreadable.push(picked.path);
    return;
  }
  const headers = looked.kind === 'zip' ? looked.headers : [looked.header];
  const keys = headers.map((header) => collection.add(header)).filter((key): key is string => key !== null);
  found.bytes += picked.file.size;
  found.send.push({
    picked,
    kind: looked.kind,
    sopInstance: looked.kind === 'dicom' ? (looked.header?.sopInstance ?? '') : '',
    patients: [...new Set(keys)],
    studies: [...new Set(headers.flatMap((header) => header?.study || []))],
  });
}

async function look(picked: Picked): Promise<Looked> {
  try {
    return await lookInto(picked);
  } catch (error) {
    if (error instanceof Unreadable) return { kind: 'unreadable' };
    throw error;
  }
}

async function lookInto({ file: blob, path }: Picked): Promise<Looked> {
  const head = await bytesOf(blob, 0, HEAD_BYTES);
  if (head[0] === 0x50 && head[1] === 0x4b && /\.zip$/i.test(path)) return lookIntoZip(blob);
  const read = readHeader(head);
  return read.kind === 'dicom' ? { kind: 'dicom', header: read.header } : { kind: 'skip', why: read.why };
}

async function lookIntoZip(blob: Blob): Promise<Looked> {
  try {
    const headers: (Header | null)[] = [];
    for (const member of await zipMembers(blob)) {
      if (member.size === 0) continue;
      const head = await member.head(HEAD_BYTES);
      if (!head) {
        headers.push(null);
        continue;
      }
      const read = readHeader(head);
      if (read.kind === 'dicom') headers.push(read.header);
    }
    return headers.length ? { kind: 'zip', headers } : { kind: 'skip', why: 'not-dicom' };
  } catch (error) {
    if (error instanceof NotAZip) return { kind: 'skip', why: 'broken-zip' };
    throw error;
  }
}
