import type { ReactNode } from 'react';
import { Link } from 'react-router';

import type { Identity, Proposal } from '../../api/types';
import { Chip } from '../../frame/Chip';
import { useLanguage } from '../../frame/language';
import { useText } from '../../i18n';
import { useHouses } from '../admin/HouseSelect';
import { agreement, IDENTITY_FIELDS, IDENTITY_WORDS, type IdentityField, identityValue } from './identities';

/** Two patients field by field: what agrees and what differs is said by word and shape. */
export function SideBySide({ proposal }: { proposal: Proposal }) {
  const t = useText();
  const houses = useHouses();
  const both = [proposal.one, proposal.other];
  /** A line that is not compared. */
  const line = (head: string, cell: (one: Identity) => ReactNode) => (
    <tr>
      <th scope="row">{head}</th>
      {both.map((one) => (
        <td key={one.row}>{cell(one)}</td>
      ))}
      <td />
    </tr>
  );
  return (
    <table className="compare" data-testid="side-by-side">
      <thead>
        <tr>
          <td />
          {both.map((one) => (
            <th scope="col" key={one.row}>
              {houses.get(one.issuer)?.name ?? one.issuer}
            </th>
          ))}
          <td />
        </tr>
      </thead>
      <tbody>
        {IDENTITY_FIELDS.map((field) => (
          <FieldLine key={field} proposal={proposal} field={field} />
        ))}
        {line(t('today.patientId'), (one) => one.patient_id)}
        {line(t('amend.studies'), (one) => t('study.count', { count: one.studies }))}
        {line(t('amend.allNumbers'), (one) =>
          one.person === null ? (
            <span className="second">{t('amend.onlyThis')}</span>
          ) : (
            <Link to={`/amend/persons/${one.person}`} data-testid="person-link">
              {t('amend.seePerson')}
            </Link>
          ),
        )}
      </tbody>
    </table>
  );
}

function FieldLine({ proposal, field }: { proposal: Proposal; field: IdentityField }) {
  const t = useText();
  const language = useLanguage();
  const is = agreement(proposal, field);
  // A health card is compared and shown to nobody; where neither has one there is nothing to say.
  if (is === 'unknown' && field === 'health-card') return null;
  const value = (one: Identity) =>
    identityValue(one, field, language) || <span className="second">{t(is === 'unknown' ? 'today.notGiven' : 'amend.hidden')}</span>;
  return (
    <tr className={is === 'differs' ? 'is-other' : ''} data-field={field}>
      <th scope="row">{t(IDENTITY_WORDS[field])}</th>
      <td>{value(proposal.one)}</td>
      <td>{value(proposal.other)}</td>
      <td>
        {is === 'differs' && <Chip kind="conflict">{t('amend.other')}</Chip>}
        {is === 'agrees' && <Chip kind="done">{t('amend.same')}</Chip>}
      </td>
    </tr>
  );
}
