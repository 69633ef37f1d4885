import { expect, it } from 'vitest';

import type { OrderRow } from '../../api/types';
import { dayAfter, devices, hasSlip, isOf, matches, sameNames, shownRows, stillToDo } from './worklist';

function row(id: string, more: Partial<OrderRow> = {}, patient: Partial<NonNullable<OrderRow['patient']>> = {}): OrderRow {
  return {
    id,
    patient: {
      id: `p-${id}`, patient_id: `QS${id}`, name: '刘小凤', name_pinyin: 'Liu Xiaofeng', sex: 'F', birth_date: null,
      age: { value: 41, unit: 'years' }, age_estimated: false, masked_resident_id: '', masked_phone: '', temporary: null,
      status: 'active', reconciled_with: '', registered_at: '', etag: '1', conflicts: 0, ...patient,
    },
    accession_number: `A${id}`, number_disputed: false, former_accession_numbers: [], study_instance_uid: '',
    examination: { code: 'DR', name: '左膝关节正侧位', modality: 'DX', body_part: 'KNEE' }, station_ae_title: '',
    scheduled_at: '2026-05-12T02:00:00Z', priority: 'routine', patient_class: 'outpatient', state: 'ordered',
    ordered_by_name: '', ordered_at: '', performed_at: null, ended_at: null, recognition_checked: false, etag: '1', conflicts: 0,
    ...more,
  };
}

it('emergencies that are not over stand first, the others by time', () => {
  const rows = [
    row('1', { scheduled_at: '2026-05-12T03:00:00Z' }),
    row('2', { scheduled_at: '2026-05-12T01:00:00Z' }),
    row('3', { priority: 'emergency', scheduled_at: '2026-05-12T05:00:00Z' }),
    row('4', { priority: 'emergency', state: 'completed', scheduled_at: '2026-05-12T00:30:00Z' }),
  ];
  const { pinned, rest } = shownRows(rows, '', '');
  expect(pinned.map(({ id }) => id)).toEqual(['3']);
  expect(rest.map(({ id }) => id)).toEqual(['4', '2', '1']);
});

it('a row is found by name, pinyin, initials, numbers and examination', () => {
  for (const typed of ['刘小', 'liu', 'xiaofeng', 'lxf', 'LXF', 'qs1', 'a1', '左膝']) expect(matches(row('1'), typed), typed).toBe(true);
  expect(matches(row('1'), 'wang')).toBe(false);
});

it('devices are counted, the busiest first', () => {
  const ct = { code: 'CT', name: '头颅', modality: 'CT', body_part: '' };
  expect(devices([row('1'), row('2', { examination: ct }), row('3', { examination: ct })])).toEqual([['CT', 2], ['DX', 1]]);
});

it('two of one name, or of one sound, sex and age, are pointed at', () => {
  const rows = [row('1'), row('2'), row('3', {}, { name: '刘晓凤' }), row('4', {}, { name: '刘晓凤', sex: 'M' })];
  expect(sameNames(rows, rows[0]!.patient!)).toBe(2);
});

it('a day is the county\'s', () => {
  expect(isOf(row('1', { scheduled_at: '2026-05-11T16:30:00Z' }), '2026-05-12')).toBe(true);
  expect(isOf(row('1', { scheduled_at: '2026-05-11T15:30:00Z' }), '2026-05-12')).toBe(false);
  expect(dayAfter('2026-02-28', 1)).toBe('2026-03-01');
});

it('what is left is counted by state', () => {
  expect(stillToDo([row('1'), row('2', { state: 'in-progress' }), row('3', { state: 'completed' }), row('4', { state: 'cancelled' })])).toEqual({
    ordered: 1, doing: 1, done: 1,
  });
});

it('no slip sends a patient to what was cancelled or broken off', () => {
  expect((['ordered', 'in-progress', 'completed'] as const).map((state) => hasSlip(row('1', { state })))).toEqual([true, true, true]);
  expect((['cancelled', 'discontinued'] as const).map((state) => hasSlip(row('1', { state })))).toEqual([false, false]);
});
