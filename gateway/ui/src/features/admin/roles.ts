/** Which roles may meet in one account. */

export const ADMINISTRATORS = ['system-administrator', 'security-administrator', 'audit-administrator'] as const;

export const WORK = [
  'technician',
  'radiologist',
  'senior-radiologist',
  'ecg-physician',
  'doctor',
  'village-doctor',
  'ward',
  'emergency-desk',
  'registrar',
  'coordinator',
  'laboratory',
  'catalogue-editor',
  'manager',
  'assistance-worker',
  'privacy-officer',
] as const;

const administers = (role: string) => (ADMINISTRATORS as readonly string[]).includes(role);

/** *roles* with *role* put in or taken out: an administrator's role stands alone (GB/T 22239 8.1.4.2). */
export function withRole(roles: readonly string[], role: string, on: boolean): string[] {
  if (!on) return roles.filter((one) => one !== role);
  if (administers(role)) return [role];
  return [...roles.filter((one) => one !== role && !administers(one)), role];
}

/** Whether *a* and *b* hold the same roles, in whatever order. */
export function sameRoles(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((role) => b.includes(role));
}
