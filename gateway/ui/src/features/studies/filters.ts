/** The filters of the study list, kept in the address; what is typed never is, since it may be a name. Pure. */

export interface Filters {
  modality: string;
  institution: string;
  from: string;
  to: string;
  unidentified: boolean;
  conflicts: boolean;
}

export const NO_FILTERS: Filters = {
  modality: '',
  institution: '',
  from: '',
  to: '',
  unidentified: false,
  conflicts: false,
};

const DATE = /^\d{4}-\d{2}-\d{2}$/;
const date = (value: string | null) => (value && DATE.test(value) ? value : '');

/** The filters in *address*; what is not one of ours is passed over. */
export function fromAddress(address: URLSearchParams): Filters {
  return {
    modality: /^[A-Z]{2,8}$/.exec(address.get('modality') ?? '')?.[0] ?? '',
    institution: address.get('institution') ?? '',
    from: date(address.get('from')),
    to: date(address.get('to')),
    unidentified: address.get('unidentified') === '1',
    conflicts: address.get('conflicts') === '1',
  };
}

/** The address of *filters*, without the ones that are off. */
export function toAddress(filters: Filters): URLSearchParams {
  const address = new URLSearchParams();
  if (filters.modality) address.set('modality', filters.modality);
  if (filters.institution) address.set('institution', filters.institution);
  if (filters.from) address.set('from', filters.from);
  if (filters.to) address.set('to', filters.to);
  if (filters.unidentified) address.set('unidentified', '1');
  if (filters.conflicts) address.set('conflicts', '1');
  return address;
}

export const PAGE_ROWS = 50;

/** What the server is asked. */
export function toQuery(filters: Filters, typed: string, cursor: string): URLSearchParams {
  const query = new URLSearchParams({ limit: String(PAGE_ROWS) });
  if (typed.trim()) query.set('q', typed.trim());
  if (filters.modality) query.set('modality', filters.modality);
  if (filters.institution) query.set('institution', filters.institution);
  if (filters.from) query.set('date_from', filters.from);
  if (filters.to) query.set('date_to', filters.to);
  if (filters.unidentified) query.set('unidentified', 'true');
  if (filters.conflicts) query.set('conflicts', 'true');
  if (cursor) query.set('cursor', cursor);
  return query;
}

export function isFiltered(filters: Filters, typed: string): boolean {
  return typed.trim() !== '' || toAddress(filters).size > 0;
}

interface Listed {
  modalities: string[];
  institution: { code: string };
  study_date_time: string | null;
  unidentified: boolean;
  conflicts: number;
}

/**
 * Whether a study that just came belongs to the list as filtered. What was typed is the server's to judge (pinyin,
 * numbers), so while something is typed new rows do not offer themselves.
 */
export function belongsTo(row: Listed, filters: Filters, typed: string): boolean {
  if (typed.trim()) return false;
  const day = row.study_date_time?.slice(0, 10) ?? '';
  return (
    (!filters.modality || row.modalities.includes(filters.modality)) &&
    (!filters.institution || row.institution.code === filters.institution) &&
    (!filters.from || day >= filters.from) &&
    (!filters.to || (day !== '' && day <= filters.to)) &&
    (!filters.unidentified || row.unidentified) &&
    (!filters.conflicts || row.conflicts > 0)
  );
}
