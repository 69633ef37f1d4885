import type { Session } from '../api/types';
import type { TextKey } from '../i18n';

export interface Tab {
  path: string;
  label: TextKey;
  /** The letter that follows `G`. */
  letter: string;
}

const TOWNSHIP: Tab = { path: '/township', label: 'tab.township', letter: 'T' };
const STUDIES: Tab = { path: '/studies', label: 'tab.studies', letter: 'S' };

/** Who looks images up at the county; everybody else's pages come with their own issues. */
const READS_STUDIES = new Set(['radiologist', 'senior-radiologist', 'ecg-physician', 'technician', 'doctor']);

/** Whether *roles* have the study list, at the county. */
export function readsStudies(roles: readonly string[]): boolean {
  return roles.some((role) => READS_STUDIES.has(role));
}

/** The tabs of a signed-in person, first = landing. Nobody sees a tab that is not theirs, nor one without a page. */
export function tabsOf(session: Session | null): Tab[] {
  const roles = session?.user?.roles ?? [];
  if (session?.node === 'township') return roles.includes('technician') ? [TOWNSHIP] : [];
  return readsStudies(roles) ? [STUDIES] : [];
}
