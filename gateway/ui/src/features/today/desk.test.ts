import { describe, expect, it } from 'vitest';

import type { Examination, OrderRow, RegisteredPatient } from '../../api/types';
import { changesOf, type Desk, EMPTY, faultsOf, fieldsFrom, filledFrom, holdsAnything, missing, newPatientBody, NO_FIELDS, orderBody, unknownDesk } from './desk';
import { residentNumber } from './resident-id.fixture';

const TODAY = '2026-05-12';
const HEAD: Examination = { code: 'CT-HEAD', name: '头颅CT平扫', modality: 'CT', body_part: 'HEAD' };
const number = residentNumber('1960-03-07', '451');

describe('the ordering page', () => {
  it('names what is missing in the words of its fields', () => {
    expect(missing(EMPTY, TODAY)).toEqual(['today.patient', 'today.examination']);
    const begun: Desk = { ...EMPTY, who: { kind: 'new', fields: { ...NO_FIELDS, name: '刘小凤' } }, lines: [{ examination: HEAD }] };
    expect(missing(begun, TODAY)).toEqual(['today.sex', 'today.birth']);
    const wrong: Desk = { ...begun, who: { kind: 'new', fields: { ...NO_FIELDS, name: '刘小凤', sex: 'F', birth: '41', phone: 'x' } } };
    expect(missing(wrong, TODAY)).toEqual(['today.phone']);
  });

  it('takes sex and birth date from a right resident number', () => {
    expect(filledFrom({ ...NO_FIELDS, residentId: number })).toMatchObject({ sex: 'M', birth: '1960-03-07' });
    expect(filledFrom({ ...NO_FIELDS, residentId: number.slice(0, 17) })).toMatchObject({ sex: '', birth: '' });
  });

  it('takes them also from a number that was typed to find somebody', () => {
    const filled = { ...NO_FIELDS, residentId: number, sex: 'M', birth: '1960-03-07' };
    expect(fieldsFrom(number)).toEqual(filled);
    expect(fieldsFrom(`${number.slice(0, 6)} ${number.slice(6, 14)} ${number.slice(14)}`)).toEqual(filled);
    const slip = `${number.slice(0, 17)}${number[17] === '0' ? '1' : '0'}`;
    expect(fieldsFrom(slip)).toEqual({ ...NO_FIELDS, residentId: slip });
    expect(fieldsFrom('13800000001')).toEqual({ ...NO_FIELDS, phone: '13800000001' });
    expect(fieldsFrom('QS12')).toEqual({ ...NO_FIELDS, patientId: 'QS12' });
    expect(fieldsFrom('刘小凤')).toEqual({ ...NO_FIELDS, name: '刘小凤' });
  });

  it('says of a telephone number what is wrong with it', () => {
    const phone = (typed: string) => faultsOf({ ...NO_FIELDS, phone: typed }, TODAY).phone;
    expect(phone('12')).toBe('today.shortPhone');
    expect(phone('1a')).toBe('today.badPhone');
    expect(phone('138-0000 0001')).toBeUndefined();
    expect(phone('')).toBeUndefined();
  });

  it('says when they differ from what was told', () => {
    const told = { ...NO_FIELDS, name: '某', residentId: number, sex: 'F' as const, birth: '1961-03-07' };
    expect(faultsOf(told, TODAY)).toEqual({ sex: 'today.sexDiffers', birth: 'today.birthDiffers' });
  });

  it('takes somebody unknown as an emergency with nothing told', () => {
    const desk = { ...unknownDesk(EMPTY), lines: [{ examination: HEAD }] };
    expect(missing(desk, TODAY)).toEqual([]);
    expect(newPatientBody(desk.who, TODAY)).toEqual({ sex: '', temporary: { estimated_age_years: null, marks: '' } });
    expect(orderBody(desk, { examination: HEAD })).toMatchObject({ priority: 'emergency', patient_class: 'emergency' });
  });

  it('sends a time by the clock of the county, and none for now', () => {
    expect(orderBody(EMPTY, { examination: HEAD }).scheduled_at).toBeNull();
    const later = { ...EMPTY, later: '2026-05-13T08:30' };
    expect(orderBody(later, { examination: HEAD }).scheduled_at).toBe('2026-05-13T08:30:00+08:00');
  });

  it('sends of a correction only what is other, and no number that stands masked', () => {
    const patient = { name: '刘小凤', sex: 'F', birth_date: '1985-01-02', patient_id: 'QS1' } as RegisteredPatient;
    const same = { ...NO_FIELDS, name: '刘小凤', sex: 'F' as const, birth: '1985-01-02', patientId: 'QS1' };
    expect(changesOf(patient, same, TODAY)).toEqual({});
    expect(changesOf(patient, { ...same, name: '刘晓凤', phone: '13800000000' }, TODAY)).toEqual({
      name: '刘晓凤',
      phone: '13800000000',
    });
  });

  it('knows whether something would be lost', () => {
    expect(holdsAnything(EMPTY)).toBe(false);
    expect(holdsAnything({ ...EMPTY, who: { kind: 'new', fields: { ...NO_FIELDS, phone: '1' } } })).toBe(true);
    expect(holdsAnything({ ...EMPTY, question: '头痛' })).toBe(true);
    expect(holdsAnything(unknownDesk(EMPTY))).toBe(false);
    expect(holdsAnything({ ...EMPTY, who: { kind: 'unknown', sex: '', age: '45', marks: '' } })).toBe(true);
    const ordered = { examination: HEAD, order: {} as OrderRow };
    expect(holdsAnything({ ...EMPTY, question: '头痛', lines: [ordered] })).toBe(false);
    expect(holdsAnything({ ...EMPTY, lines: [ordered, { examination: HEAD }] })).toBe(true);
  });
});
