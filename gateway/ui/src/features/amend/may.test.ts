import { expect, it } from 'vitest';

import type { Session } from '../../api/types';
import { corrects, rejects } from './may';

const signedIn = (role: string, house: string, node: 'county' | 'township' = 'county') =>
  ({ node, user: { roles: [role], institution: { code: house, name: house } } }) as unknown as Session;
const study = { institution: { code: 'qingshan', name: '' }, route: { rule: 'all', destination: 'county-hospital' } };

it.each([
  ['technician', 'qingshan', true],
  ['registrar', 'qingshan', true],
  ['senior-radiologist', 'county-hospital', true],
  ['coordinator', 'dahe', false],
  ['radiologist', 'qingshan', false],
  ['doctor', 'qingshan', false],
])('a %s of %s says whose a study of Qingshan is, that was routed to the centre: %s', (role, house, may) =>
  expect(corrects(signedIn(role, house), study)).toBe(may),
);

it('nobody puts right at a township, nor who is not signed in', () => {
  expect(corrects(signedIn('technician', 'qingshan', 'township'), study)).toBe(false);
  expect(corrects(null, study)).toBe(false);
});

it.each([
  ['radiologist', 'county-hospital', true],
  ['technician', 'qingshan', true],
  ['registrar', 'qingshan', false],
  ['radiologist', 'dahe', false],
])('a %s of %s says which of its images do not count: %s', (role, house, may) =>
  expect(rejects(signedIn(role, house), study)).toBe(may),
);
