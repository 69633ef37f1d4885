/** Who puts what right (`correct-study`, `reject-images`), so that nobody is shown a door that stays shut. Pure. */

import type { Session, StudyRow } from '../../api/types';

const REJECTS = ['technician', 'radiologist', 'senior-radiologist', 'coordinator'];
const CORRECTS = ['technician', 'registrar', 'coordinator', 'senior-radiologist'];

/** Whether the study belongs to the house of who is signed in, or was routed to it; only the county puts right. */
function within(session: Session | null, { institution, route }: Pick<StudyRow, 'institution' | 'route'>): boolean {
  const mine = session?.user?.institution.code;
  return session?.node === 'county' && mine !== undefined && (institution.code === mine || route?.destination === mine);
}

function are(session: Session | null, roles: readonly string[]): boolean {
  return roles.some((role) => session?.user?.roles.includes(role));
}

/** Whether who is signed in says whose *study* is. */
export function corrects(session: Session | null, study: Pick<StudyRow, 'institution' | 'route'>): boolean {
  return within(session, study) && are(session, CORRECTS);
}

/** Whether who is signed in says that images of *study* do not count. */
export function rejects(session: Session | null, study: Pick<StudyRow, 'institution' | 'route'>): boolean {
  return within(session, study) && are(session, REJECTS);
}
