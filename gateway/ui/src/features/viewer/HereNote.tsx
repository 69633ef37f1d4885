import '../../styles/here.css';

import { useEffect, useMemo, useRef } from 'react';

import { useText } from '../../i18n';
import { placeOf } from '../here/here';
import { useHere } from '../here/live';
import { AskCounty, LookHere } from '../here/Look';

function useOne(study: string) {
  return useHere(useMemo(() => [study], [study])).get(study);
}

/** At the township, of a study that is not whole here: how much is, and how to get the rest. */
export function HereNote({ study }: { study: string }) {
  const here = useOne(study);
  const place = placeOf(here);
  if (!here || place === 'here' || place === 'none') return null;
  return (
    <p className="note note-info grew" role="status" data-testid="here-note">
      <LookHere study={study} here={here} open={false} />
    </p>
  );
}

/** At the township, of a study whose images have gone to the county: said so, and fetched back on request. */
export function NotHere({ study, again }: { study: string; again: () => void }) {
  const t = useText();
  const here = useOne(study);
  const seen = useRef(false);
  const there = (here?.images ?? 0) > 0;
  useEffect(() => {
    // Once, when the first of it has come back.
    if (there && !seen.current) again();
    seen.current = there;
  }, [again, there]);
  return (
    <div className="trouble" role="alert" data-testid="not-here">
      <p>{t('here.atCountyText')}</p>
      <p>
        {placeOf(here) === 'county' ? (
          <AskCounty study={study} size="middle" primary />
        ) : (
          <LookHere study={study} here={here} open={false} />
        )}
      </p>
    </div>
  );
}
