/** How old somebody is of whom the images say no birth date: as it was ordered, with the same "about". Pure. */

import type { Patient, StudyOrder } from '../../api/types';

/** *patient* of a study with the age in the order behind it, *found*, where the images know no better. */
export function withOrderedAge(patient: Patient, found: StudyOrder | null): Patient {
  const order = found?.order;
  if (patient.birth_date || !order?.patient_age) return patient;
  return { ...patient, age: order.patient_age, age_estimated: order.patient_age_estimated };
}
