import type { Identity } from '../../api/types';
import { dicomDate } from '../../frame/clock';
import { useLanguage } from '../../frame/language';
import { sexText } from '../../frame/patient';
import { useText } from '../../i18n';
import { useHouses } from '../admin/HouseSelect';
import { varies } from './identities';

const VARYING = ['name', 'sex', 'birth_date', 'resident_id'] as const;
type Varying = (typeof VARYING)[number];

/** The numbers of all houses; a field that is not the same everywhere stands out. */
export function PersonNumbers({ identities }: { identities: readonly Identity[] }) {
  const t = useText();
  const language = useLanguage();
  const known = useHouses();
  const other = Object.fromEntries(VARYING.map((field) => [field, varies(identities, field)]));
  const given = (value: string) => value || <span className="second">{t('today.notGiven')}</span>;
  const cell = (field: Varying, value: string) => <td className={other[field] ? 'varies' : ''}>{given(value)}</td>;
  const head = (field: Varying, word: string) => <th scope="col">{other[field] ? t('amend.wordDiffers', { word }) : word}</th>;
  return (
    <table className="compare person-numbers" data-testid="numbers">
      <thead>
        <tr>
          <th scope="col">{t('studies.institution')}</th>
          <th scope="col">{t('today.patientId')}</th>
          {head('name', t('today.name'))}
          {head('sex', t('today.sex'))}
          {head('birth_date', t('today.birth'))}
          {head('resident_id', t('today.residentId'))}
          <th scope="col">{t('today.phone')}</th>
          <th scope="col">{t('amend.studies')}</th>
        </tr>
      </thead>
      <tbody>
        {identities.map((one) => (
          <tr key={one.row} data-testid="identity">
            <th scope="row">{known.get(one.issuer)?.name ?? one.issuer}</th>
            <td>{one.patient_id}</td>
            {cell('name', one.name)}
            {cell('sex', one.sex && sexText(one.sex, language))}
            {cell('birth_date', dicomDate(one.birth_date))}
            {cell('resident_id', one.resident_id)}
            <td>{given(one.phone)}</td>
            <td>{t('study.count', { count: one.studies })}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
