import '../../styles/access.css';

import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Button } from 'antd';
import { useEffect, useState } from 'react';
import { Link, useLocation } from 'react-router';

import { useSession } from '../../api/session';
import { clockTime, now } from '../../frame/clock';
import { useLanguage } from '../../frame/language';
import { shownName } from '../../frame/patient';
import { breaksGlass } from '../../frame/tabs';
import { useText } from '../../i18n';
import { endEmergency, MINE, myLooks, type OpenLook } from './asks';

const TICK_MS = 5_000;

/** On every page, while an emergency look lasts: whose, how long still, and how to end it. */
export function EmergencyBar() {
  const may = useSession((store) => breaksGlass(store.session));
  const [, tick] = useState(0);
  const { data } = useQuery({ queryKey: MINE, queryFn: ({ signal }) => myLooks(signal), enabled: may });
  const lasting = (data?.items ?? []).filter(({ until }) => Date.parse(until) > now().getTime());
  const waits = lasting.length > 0;
  useEffect(() => {
    if (!waits) return undefined;
    const timer = setInterval(() => tick((was) => was + 1), TICK_MS);
    return () => clearInterval(timer);
  }, [waits]);
  if (!may || !waits) return null;
  return (
    <div className="emergency-bar" role="status" data-testid="emergency-bar">
      {lasting.map((look) => (
        <One key={look.id} look={look} />
      ))}
    </div>
  );
}

function One({ look }: { look: OpenLook }) {
  const t = useText();
  const language = useLanguage();
  const client = useQueryClient();
  const end = useMutation({
    mutationFn: () => endEmergency(look.id),
    onSuccess: () => {
      // What it opened is not there any more, on whichever page it stands.
      void client.invalidateQueries();
    },
  });
  const { pathname } = useLocation();
  const [newest] = look.studies;
  const path = newest ? `/studies/${newest.study_instance_uid}` : '';
  const minutes = Math.max(1, Math.ceil((Date.parse(look.until) - now().getTime()) / 60_000));
  return (
    <p>
      <b>{t('access.emergency')}</b>
      {newest && <span className="name">{shownName(newest.patient, language) || t('patient.noName')}</span>}
      <span>{t('access.lasts', { minutes, at: clockTime(look.until) })}</span>
      <span className="stretch" />
      {path && path !== pathname && <Link to={path}>{t('studies.open')}</Link>}
      <Button size="small" loading={end.isPending} onClick={() => end.mutate()} data-testid="emergency-end">
        {t('access.end')}
      </Button>
    </p>
  );
}
