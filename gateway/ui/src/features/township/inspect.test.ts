import { describe, expect, it } from 'vitest';

import { explicit, part10 } from './dicom-bytes.fixture';
import type { Header } from './dicom-header';
import { Collection, doubts, type FoundPatient, holdsAll, inspect, type ToSend } from './inspect';
import { zip } from './zip.fixture';

function header(part: Partial<Header>): Header {
  return {
    sopInstance: '1',
    study: 's',
    series: 'x',
    patientId: 'P1',
    name: '陈建国',
    sex: 'M',
    age: null,
    birthDate: '',
    modality: 'CT',
    description: '头颅',
    bodyPart: '',
    date: '2026-05-12',
    time: '',
    accession: '',
    ...part,
  };
}

function patientsOf(...headers: (Header | null)[]): FoundPatient[] {
  const collection = new Collection();
  for (const one of headers) collection.add(one);
  return collection.found();
}

const why = (patients: FoundPatient[]) => doubts(patients, null, '2026-05-12').map(({ why: reason }) => reason);

describe('what must be ticked before sending', () => {
  it('is nothing for one patient of today', () =>
    expect(why(patientsOf(header({}), header({ sopInstance: '2' })))).toEqual([]));
  it('is every patient when there are several', () =>
    expect(why(patientsOf(header({}), header({ patientId: 'P2' })))).toEqual(['several-patients', 'several-patients']));
  it('is a patient whose exam is of another day', () => {
    expect(why(patientsOf(header({ date: '2026-05-11' })))).toEqual(['old-exam']);
    expect(why(patientsOf(header({ date: '2026-05-13' })))).toEqual(['future-exam']);
  });
  it('is a patient without name and number', () =>
    expect(why(patientsOf(header({ name: '', patientId: '' })))).toEqual(['no-name']));
  it('tells two people of one name by their number', () =>
    expect(patientsOf(header({}), header({ patientId: 'P9' }))).toHaveLength(2));
  it('counts images by exam', () => {
    const [patient] = patientsOf(header({}), header({}), header({ study: 't', modality: 'DR' }), null);
    expect(patient?.studies.map(({ images }) => images)).toEqual([2, 1]);
  });
});

function object(name: string, sop: string): Uint8Array {
  return part10('1.2.840.10008.1.2.1', [
    explicit(0x0008, 0x0005, 'CS', 'ISO_IR 192'),
    explicit(0x0008, 0x0018, 'UI', sop),
    explicit(0x0010, 0x0010, 'PN', name),
    explicit(0x0010, 0x0020, 'LO', name),
  ]);
}

const picked = (path: string, bytes: Uint8Array) => ({ path, file: new File([bytes as BlobPart], path) });

describe('looking through a folder', () => {
  it('finds patients in files and in zips, and names what stays behind', async () => {
    const archive = await zip([
      { name: 'DICOM/IM1', bytes: object('刘小凤', '2.25.5'), deflate: true },
      { name: 'DICOM/IM2', bytes: object('马成功', '2.25.6'), deflate: false },
      { name: 'readme.txt', bytes: new TextEncoder().encode('x'.repeat(40)), deflate: false },
    ]);
    const found = await inspect(
      [
        picked('a/1.dcm', object('陈建国', '2.25.4')),
        picked('a/empty', new Uint8Array()),
        picked('a/disc.zip', archive),
        picked('a/bad.zip', Uint8Array.from([0x50, 0x4b, 3, 4, 9, 9])),
      ],
      () => undefined,
      new AbortController().signal,
    );
    expect(found.patients.map(({ name }) => name)).toEqual(['陈建国', '刘小凤', '马成功']);
    expect(found.send.map(({ kind, patients }) => [kind, patients.length])).toEqual([
      ['dicom', 1],
      ['zip', 2],
    ]);
    expect(found.skipped).toEqual([
      { name: 'a/empty', why: 'empty' },
      { name: 'a/bad.zip', why: 'broken-zip' },
    ]);
    expect(found.images).toBe(3);
  });

  it('tells what this computer cannot read from what is no image, in a zip too', async () => {
    const archive = await zip([{ name: 'IM1', bytes: object('刘小凤', '2.25.5'), deflate: true }]);
    /** Of a scratched disc: what begins at *scratch* or behind it cannot be read. */
    const scratched = (path: string, bytes: Uint8Array, scratch: number) => {
      const one = picked(path, bytes);
      const slice = one.file.slice.bind(one.file);
      const fails = { arrayBuffer: () => Promise.reject(new DOMException('', 'NotReadableError')) };
      const cut = (from: number, to: number) => (from < scratch ? slice(from, to) : Object.assign(slice(from, to), fails));
      return { ...one, file: Object.assign(one.file, { slice: cut }) };
    };
    const found = await inspect(
      [
        picked('a/1.dcm', object('陈建国', '2.25.4')),
        scratched('a/2.dcm', object('陈建国', '2.25.6'), 0),
        scratched('a/disc.zip', archive, 1),
        picked('a/readme.txt', new TextEncoder().encode('x'.repeat(40))),
      ],
      () => undefined,
      new AbortController().signal,
    );
    expect(found.unreadable).toEqual(['a/2.dcm', 'a/disc.zip']);
    expect(found.skipped).toEqual([{ name: 'a/readme.txt', why: 'not-dicom' }]);
    expect(found.send.map(({ picked: { path } }) => path)).toEqual(['a/1.dcm']);
  });

  it('stops when asked to', async () => {
    const stop = new AbortController();
    stop.abort();
    const found = await inspect([picked('a', object('x', '2.25.4'))], () => undefined, stop.signal);
    expect(found.send).toEqual([]);
  });
});

describe('a folder that is chosen again', () => {
  const sent = (path: string, sopInstance: string, size = 4): ToSend => ({
    picked: picked(path, new Uint8Array(size)),
    kind: 'dicom',
    sopInstance,
    patients: [],
    studies: [],
  });

  it('is known by its images, not by their names alone: many a disc is called DICOM', () => {
    const lost = [sent('DICOM/IM1', '2.25.1')];
    expect(holdsAll([sent('DICOM/IM0', '2.25.0'), sent('DICOM/IM1', '2.25.1')], lost)).toBe(true);
    expect(holdsAll([sent('DICOM/IM1', '2.25.9')], lost)).toBe(false);
    expect(holdsAll([sent('DICOM/IM1', '2.25.1', 5)], lost)).toBe(false);
    expect(holdsAll([], lost)).toBe(false);
  });
});
