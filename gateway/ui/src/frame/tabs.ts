import type { Session, User } from '../api/types';
import type { TextKey } from '../i18n';

export interface Tab {
  path: string;
  label: TextKey;
  /** The letter that follows `G`. */
  letter: string;
}

const TOWNSHIP: Tab = { path: '/township', label: 'tab.township', letter: 'T' };
const TODAY: Tab = { path: '/today', label: 'tab.today', letter: 'D' };
const ORDER: Tab = { path: '/today/new', label: 'tab.order', letter: 'O' };
const STUDIES: Tab = { path: '/studies', label: 'tab.studies', letter: 'S' };
const CONFLICTS: Tab = { path: '/conflicts', label: 'tab.conflicts', letter: 'C' };
const NODES: Tab = { path: '/nodes', label: 'tab.nodes', letter: 'N' };
const LOOKS: Tab = { path: '/looks', label: 'tab.looks', letter: 'L' };
const REJECTIONS: Tab = { path: '/amend/rejections', label: 'tab.rejections', letter: 'X' };
const PERSONS: Tab = { path: '/amend/persons', label: 'tab.persons', letter: 'P' };
const ACCOUNTS: Tab = { path: '/admin/accounts', label: 'tab.accounts', letter: 'A' };
const AUDIT: Tab = { path: '/admin/audit', label: 'tab.audit', letter: 'R' };
const INSTITUTIONS: Tab = { path: '/admin/institutions', label: 'tab.institutions', letter: 'I' };
const DEVICES: Tab = { path: '/admin/devices', label: 'tab.devices', letter: 'E' };

/** Who looks images up at the county; everybody else's pages come with their own issues. */
const READS_STUDIES = ['radiologist', 'senior-radiologist', 'ecg-physician', 'technician', 'doctor'];
const REGISTERS = ['technician', 'registrar', 'doctor'];
/** A village doctor orders for whom the township registered, and sees what they ordered. */
const ORDERS = ['doctor', 'village-doctor'];
const KEEPS_THE_DAY = [...REGISTERS, 'village-doctor'];

/** Who may know how the townships' machines are (`watch-nodes`): whoever waits for their images, and who answers for them. */
const WATCHES_NODES = [
  ...READS_STUDIES,
  'village-doctor',
  'ward',
  'emergency-desk',
  'registrar',
  'coordinator',
  'laboratory',
  'manager',
  'privacy-officer',
  'system-administrator',
  'audit-administrator',
];

/** Whether a signed-in person is told at the county when a township's machine goes silent. */
export function watchesNodes(session: Session | null): boolean {
  const roles = session?.user?.roles ?? [];
  return session?.node === 'county' && WATCHES_NODES.some((role) => roles.includes(role));
}

/** Whether a signed-in person invites townships' machines and lets them go (`admit-nodes`). */
export function admitsNodes(session: Session | null): boolean {
  const { roles = [], institution } = session?.user ?? {};
  const mine = ['manager', 'system-administrator'].some((role) => roles.includes(role));
  return session?.node === 'county' && institution?.kind === 'county' && mine;
}

/** Who treats people (`break-glass`), and may open a patient in an emergency. */
const TREATS = [...READS_STUDIES, 'village-doctor', 'ward', 'emergency-desk', 'registrar', 'coordinator', 'laboratory'];

/** Whether a signed-in person may open, at the county, a patient nobody of their house may see. */
export function breaksGlass(session: Session | null): boolean {
  const roles = session?.user?.roles ?? [];
  return session?.node === 'county' && TREATS.some((role) => roles.includes(role));
}

/** Whether a signed-in person puts studies right (`correct-study`), which is done at the county. */
export function correctsStudies(session: Session | null): boolean {
  const roles = session?.user?.roles ?? [];
  const theirs = ['technician', 'registrar', 'coordinator', 'senior-radiologist'];
  return session?.node === 'county' && theirs.some((role) => roles.includes(role));
}

/** Whether *roles* have the study list, at the county. */
export function readsStudies(roles: readonly string[]): boolean {
  return READS_STUDIES.some((role) => roles.includes(role));
}

/** Whether *roles* read what people did, at whatever machine. */
export function readsTrails(roles: readonly string[]): boolean {
  return ['audit-administrator', 'privacy-officer'].some((role) => roles.includes(role));
}

/** Whether a signed-in person opens studies on this machine: at the township without a list of them. */
export function opensStudies(session: Session | null): boolean {
  return session?.node === 'township'
    ? readsStudies(session.user?.roles ?? [])
    : tabsOf(session).some((tab) => tab === STUDIES);
}

/** Whether *roles* register patients: a doctor orders first, and registers whom nobody registered. */
export function registersPatients(roles: readonly string[]): boolean {
  return REGISTERS.some((role) => roles.includes(role));
}

/** Whether *user* sees, of a patient's orders, their own only, as `sees_own_orders_only` has it. */
export function seesOwnOrdersOnly(user: User): boolean {
  return Boolean(user.orders_at) || !registersPatients(user.roles);
}

/** The tabs of a signed-in person, first = landing. Nobody sees a tab that is not theirs, nor one without a page. */
export function tabsOf(session: Session | null): Tab[] {
  const roles = session?.user?.roles ?? [];
  const is = (...wanted: string[]) => wanted.some((role) => roles.includes(role));
  const day = [...(is(...ORDERS) ? [ORDER] : []), ...(is(...KEEPS_THE_DAY) ? [TODAY] : [])];
  const choose = is(...REGISTERS) ? [CONFLICTS] : [];
  if (session?.node === 'township') return [...(is('technician') ? [TOWNSHIP] : []), ...day, ...choose];
  const centre = session?.user?.institution.kind === 'county';
  const reads = readsStudies(roles) && !is('doctor');
  return [
    ...(reads ? [STUDIES] : []),
    ...day,
    ...(!reads && is('doctor', 'registrar', 'coordinator') ? [STUDIES] : []),
    ...choose,
    ...(is('technician', 'radiologist', 'senior-radiologist', 'coordinator') ? [REJECTIONS] : []),
    ...(is('audit-administrator') ? [AUDIT] : []),
    ...((centre && is('technician')) || is('manager', 'system-administrator', 'audit-administrator') ? [NODES] : []),
    ...(is('system-administrator') ? [DEVICES, INSTITUTIONS] : []),
    ...(is('security-administrator') ? [ACCOUNTS] : []),
    ...(is('privacy-officer', 'security-administrator') ? [LOOKS] : []),
    ...(is('privacy-officer') ? [AUDIT] : []),
    ...(centre && is('registrar', 'coordinator', 'privacy-officer') ? [PERSONS] : []),
  ];
}
