import { describe, expect, it } from 'vitest';

import type { OrderRow, RegisteredPatient } from '../../api/types';
import { maskIdentifier } from '../../frame/patient';
import { residentNumber } from '../today/resident-id.fixture';
import { doubts, type FoundPatient } from './inspect';
import { isMissingOn, type TodaysList } from './todays-list';

const listed = (patient: Partial<RegisteredPatient> | null, rest: Partial<OrderRow> = {}): OrderRow =>
  ({
    patient: patient && { patient_id: 'QS1', name: '陈建国', ...patient },
    study_instance_uid: '2.25.7',
    accession_number: 'A1042',
    former_accession_numbers: [],
    ...rest,
  }) as unknown as OrderRow;

const list = (...rows: OrderRow[]): TodaysList => ({ rows, all: true });

const found = (part: Partial<FoundPatient>, key = '2.25.1', accession = ''): FoundPatient => ({
  key: 'p',
  name: '陈建国',
  patientId: 'QS1',
  sex: 'M',
  age: null,
  birthDate: '',
  studies: [{ key, accession, modality: 'CT', description: '', date: '2026-05-12', time: '', images: 1 }],
  ...part,
});

describe("a patient found in a folder, against today's worklist", () => {
  it('is on it by the number', () => {
    expect(isMissingOn(list(listed({})), found({}))).toBe(false);
    expect(isMissingOn(list(listed({})), found({ patientId: 'QS2' }))).toBe(true);
    expect(isMissingOn(list(), found({}))).toBe(true);
  });

  it('is on it by the exam, whatever number the device wrote', () => {
    const device = { patientId: '00017' };
    expect(isMissingOn(list(listed({})), found(device, '2.25.7'))).toBe(false);
    expect(isMissingOn(list(listed({})), found(device, '2.25.1', 'A1042'))).toBe(false);
    expect(isMissingOn(list(listed({}, { former_accession_numbers: ['7'] })), found(device, '2.25.1', '7'))).toBe(false);
    // That neither has a number makes them not one.
    expect(isMissingOn(list(listed({}, { accession_number: '' })), found(device))).toBe(true);
  });

  it('is on it by the name only where the images bear no number', () => {
    expect(isMissingOn(list(listed({})), found({ patientId: '' }))).toBe(false);
    expect(isMissingOn(list(listed({})), found({ patientId: '', name: '陈建军' }))).toBe(true);
    expect(isMissingOn(list(listed({ name: '' })), found({ patientId: '', name: '' }))).toBe(true);
  });

  it('is on it by a resident number, which the list shows masked, and the name', () => {
    const number = residentNumber('1960-03-07', '451');
    const masked = list(listed({ patient_id: maskIdentifier(number) }));
    expect(isMissingOn(masked, found({ patientId: number }))).toBe(false);
    expect(isMissingOn(masked, found({ patientId: number, name: '刘小凤' }))).toBe(true);
  });

  it('is not called missing where the list does not tell', () => {
    const stranger = found({ patientId: 'QS9', name: '刘小凤' });
    expect(isMissingOn(null, stranger)).toBe(false);
    expect(isMissingOn({ rows: [listed({})], all: false }, stranger)).toBe(false);
    expect(isMissingOn(list(listed({}), listed(null)), stranger)).toBe(false);
  });

  it('must be ticked when missing, and only then', () => {
    const why = (patient: FoundPatient) => doubts([patient], list(listed({})), '2026-05-12').map((doubt) => doubt.why);
    expect(why(found({}))).toEqual([]);
    expect(why(found({ patientId: 'QS9' }))).toEqual(['not-on-list']);
  });
});
