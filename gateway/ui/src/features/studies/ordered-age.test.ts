import { describe, expect, it } from 'vitest';

import type { OrderBehind, Patient, StudyOrder } from '../../api/types';
import { ageText } from '../../frame/patient';
import { withOrderedAge } from './ordered-age';

const STATES_NONE: Patient = { name: '无名氏男 1123-1', sex: 'M', age: null, birth_date: null };

function ordered(patient_age: OrderBehind['patient_age'], patient_age_estimated: boolean): StudyOrder {
  return { order: { patient_age, patient_age_estimated } as OrderBehind, other_patient: false };
}

const shown = (patient: Patient, found: StudyOrder | null) => {
  const { age, age_estimated } = withOrderedAge(patient, found);
  return ageText(age, 'zh-CN', age_estimated);
};

describe('the age of somebody whose images state no birth date', () => {
  it('is the guess the day\'s list shows', () => {
    const about45 = ordered({ value: 45, unit: 'years' }, true);
    expect(shown(STATES_NONE, about45)).toBe('约45岁');
    // The device had it from the worklist, where a guess does not look like one.
    expect(shown({ ...STATES_NONE, age: { value: 45, unit: 'years' } }, about45)).toBe('约45岁');
  });

  it('is what the images say where they do, and unknown where nobody said', () => {
    const born: Patient = { ...STATES_NONE, birth_date: '1960-03-07', age: { value: 66, unit: 'years' } };
    expect(shown(born, ordered({ value: 45, unit: 'years' }, true))).toBe('66岁');
    expect(shown(STATES_NONE, ordered(null, false))).toBe('年龄未填');
    expect(shown(STATES_NONE, { order: null, other_patient: true })).toBe('年龄未填');
    expect(shown(STATES_NONE, null)).toBe('年龄未填');
  });
});
