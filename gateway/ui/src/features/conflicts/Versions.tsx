import '../../styles/conflicts.css';

import { useQuery } from '@tanstack/react-query';
import { Button } from 'antd';

import type { Institution, OpenVersion } from '../../api/types';
import { Chip } from '../../frame/Chip';
import { dayAndTime, type Language } from '../../frame/clock';
import { useLanguage } from '../../frame/language';
import { shownName } from '../../frame/patient';
import { hasText, type Say, useText } from '../../i18n';
import { showPatient } from '../today/asks';
import { shownPatient } from '../today/worklist';

/** What two machines wrote of one record while the line was down: a person says which holds. */
export function Versions({
  versions,
  settle,
  busy,
  house,
  chosen = false,
}: {
  versions: readonly OpenVersion[];
  /** Absent for whom it is not to choose. */
  settle?: (keep: string) => void;
  busy: boolean;
  /** Whose record it is: its machine wrote one, the county's the other. */
  house: Institution;
  /** Somebody chose already: the one in use needs no choosing again. */
  chosen?: boolean;
}) {
  const t = useText();
  const language = useLanguage();
  return (
    <ul className="versions" data-testid="versions">
      {versions.map((one) => (
        <li key={one.version}>
          <span id={`version-${one.version}`}>
            <b>{one.node === house.code ? house.name : t('order.atCounty')}</b> {t('order.versionBy', { by: one.by || t('order.byMachine'), at: dayAndTime(one.at, language) })}{' '}
            {one.shown && <Chip kind="info">{t('order.versionShown')}</Chip>}
          </span>
          <dl>
            {worded(one).map(([field, value]) => (
              <div key={field}>
                <dt>{fieldWord(field, t)}</dt>
                <dd>
                  {PEOPLE.has(field) && typeof value === 'string' && value ? (
                    <Named patient={value} />
                  ) : (
                    valueText(field, value, language, t)
                  )}
                </dd>
              </div>
            ))}
          </dl>
          {settle && !(chosen && one.shown) && (
            <Button
              size="small"
              disabled={busy}
              aria-describedby={`version-${one.version}`}
              onClick={() => settle(one.version)}
              data-testid="keep"
            >
              {t('order.keepThis')}
            </Button>
          )}
        </li>
      ))}
      {versions.every((one) => worded(one).length === 0) && <li className="second">{t('conflicts.alike')}</li>}
    </ul>
  );
}

const FIELD_WORDS: Readonly<Record<string, string>> = {
  scheduled_at: 'today.when',
  priority: 'today.priority',
  clinical_question: 'today.question',
  station_ae_title: 'today.device',
  patient_class: 'today.class',
  state: 'order.howFar',
  patient: 'today.patient',
  examination: 'today.examination',
  ended_reason: 'order.reason',
  accession_number: 'today.colNumber',
  former_accession_numbers: 'order.formerNumbers',
  name: 'today.name',
  name_pinyin: 'conflicts.pinyin',
  sex: 'today.sex',
  birth_date: 'today.birth',
  phone: 'today.phone',
  resident_id: 'today.residentId',
  patient_id: 'today.patientId',
  reconciled_with: 'conflicts.mergedWith',
  temporary: 'today.marks',
};
/** Fields that hold the number of a patient's record: people read a name. */
const PEOPLE: ReadonlySet<string> = new Set(['patient', 'first_patient', 'reconciled_with']);
/** Values that are one of a few words; each has its own text. */
const VALUE_WORDS: Readonly<Record<string, string>> = {
  state: 'order.state',
  priority: 'today.urgency',
  patient_class: 'today.class',
  sex: 'sex',
};

/** What differs in words of the page; what else differs is for machines. */
function worded({ differs }: OpenVersion): [string, unknown][] {
  return Object.entries(differs).filter(([field]) => field in FIELD_WORDS);
}

/** Who the patient of a version is, looked up by the number of the record. */
function Named({ patient }: { patient: string }) {
  const t = useText();
  const language = useLanguage();
  const found = useQuery({ queryKey: ['patient', patient], queryFn: ({ signal }) => showPatient(patient, signal), retry: false });
  if (found.isError) return t('conflicts.anotherPatient');
  return found.data ? `${shownName(shownPatient(found.data.patient), language)} ${found.data.patient.patient_id}` : t('app.loading');
}

function fieldWord(field: string, t: Say): string {
  const key = FIELD_WORDS[field] ?? '';
  return hasText(key) ? t(key) : field;
}

function valueText(field: string, value: unknown, language: Language, t: Say): string {
  const key = `${VALUE_WORDS[field] ?? ''}.${String(value)}`;
  if (hasText(key)) return t(key);
  if (Array.isArray(value)) return value.join(' ') || t('today.notGiven');
  if (typeof value === 'string' && value) return /^\d{4}-\d{2}-\d{2}T/.test(value) ? dayAndTime(value, language) : value;
  if (value && typeof value === 'object' && 'name' in value) return String(value.name);
  if (value && typeof value === 'object' && 'marks' in value) return String(value.marks) || t('today.notGiven');
  return value === null || value === undefined || value === '' ? t('today.notGiven') : String(value);
}
