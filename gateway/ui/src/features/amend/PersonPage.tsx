import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Link } from 'react-router';

import type { CountyPerson, PersonMerge } from '../../api/types';
import { Technical } from '../../frame/Technical';
import { useText } from '../../i18n';
import { AdminFrame } from '../admin/Frame';
import { Refused } from '../admin/Refused';
import { person, PERSONS, undoMerge } from './asks';
import { houseCount } from './identities';
import { Merges } from './Merges';
import { PersonNumbers } from './PersonNumbers';
import { amendTrouble } from './words';

/** One person with the numbers of all houses, and how they came together. */
export function PersonPage({ id }: { id: string }) {
  const t = useText();
  const client = useQueryClient();
  const [said, setSaid] = useState('');
  const key = [PERSONS, id];
  const shown = useQuery({ queryKey: key, queryFn: ({ signal }) => person(id, signal), staleTime: 0 });
  const found = shown.data;
  const parting = useMutation({
    mutationFn: ({ merge, why }: { merge: PersonMerge; why: string }) => undoMerge(found as CountyPerson, merge, why),
    onSuccess: (now) => {
      client.setQueryData(key, now);
      setSaid(t('amend.parted'));
    },
    // Also after a refusal: what is true now belongs on the page.
    onSettled: () => client.invalidateQueries({ queryKey: [PERSONS] }),
  });
  const answer = ({ identities }: CountyPerson) => {
    if (identities.length === 0) return t('amend.personEmpty');
    const name = identities[0]?.name || t('patient.noName');
    return t('amend.personAnswer', { name, houses: houseCount(identities), numbers: identities.length });
  };
  return (
    <AdminFrame
      title="tab.persons"
      answer={found && answer(found)}
      state={shown}
      said={said}
      tools={
        <Link to="/amend/persons" className="to-list" data-testid="back">
          {t('amend.backToPersons')}
        </Link>
      }
    >
      {found?.merged_into != null && (
        <p className="note note-soon amend-note" data-testid="merged-into">
          {t('amend.mergedInto')} <Link to={`/amend/persons/${found.merged_into}`}>{t('amend.seePerson')}</Link>
        </p>
      )}
      {parting.isError && <Refused error={parting.error} word={amendTrouble} />}
      {found && found.identities.length > 0 && <PersonNumbers identities={found.identities} />}
      {found && (
        <Merges
          rows={found.merges}
          identities={found.identities}
          undo={(merge, why) => {
            setSaid('');
            parting.mutate({ merge, why });
          }}
          busy={parting.isPending}
        />
      )}
      {found && <Technical facts={{ ID: String(found.id) }} />}
    </AdminFrame>
  );
}
