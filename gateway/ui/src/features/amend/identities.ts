/** Patients of several houses side by side: which fields are alike, and how each is written. Pure. */

import type { Identity, Proposal } from '../../api/types';
import { dicomDate, type Language } from '../../frame/clock';
import { sexText } from '../../frame/patient';
import type { TextKey } from '../../i18n';

export type IdentityField = 'name' | 'sex' | 'birth_date' | 'resident-id' | 'health-card' | 'phone';
export type Agreement = 'agrees' | 'differs' | 'unknown';

/** What the server compares, in the order people do. */
export const IDENTITY_WORDS: Readonly<Record<IdentityField, TextKey>> = {
  name: 'today.name',
  sex: 'today.sex',
  birth_date: 'today.birth',
  'resident-id': 'today.residentId',
  'health-card': 'amend.healthCard',
  phone: 'today.phone',
};
export const IDENTITY_FIELDS = Object.keys(IDENTITY_WORDS) as IdentityField[];

/** What two patients are in a field; unknown where one of them has none. */
export function agreement({ agrees, differs }: Pick<Proposal, 'agrees' | 'differs'>, field: string): Agreement {
  if (agrees.includes(field)) return 'agrees';
  return differs.includes(field) ? 'differs' : 'unknown';
}

/** A field as it is read; '' where there is none, or where it is hidden from the reader. */
export function identityValue(identity: Identity, field: IdentityField, language: Language): string {
  switch (field) {
    case 'name':
      return identity.name;
    case 'sex':
      return identity.sex && sexText(identity.sex, language);
    case 'birth_date':
      return dicomDate(identity.birth_date) || identity.birth_date;
    case 'resident-id':
      return identity.resident_id;
    case 'phone':
      return identity.phone;
    case 'health-card':
      // Compared by the server, and shown to nobody.
      return '';
  }
}

/** How many houses gave the numbers. */
export function houseCount(identities: readonly Identity[]): number {
  return new Set(identities.map(({ issuer }) => issuer)).size;
}

/** Whether a field is not the same in all who have one. */
export function varies(identities: readonly Identity[], field: 'name' | 'sex' | 'birth_date' | 'resident_id'): boolean {
  return new Set(identities.map((one) => one[field]).filter(Boolean)).size > 1;
}

/** What became of a pair since somebody decided. */
export function since({ state, one, other }: Proposal): TextKey {
  if (state !== 'confirmed') return 'amend.notAskedAgain';
  return one.person === other.person ? 'amend.howToPart' : 'amend.partedSince';
}
