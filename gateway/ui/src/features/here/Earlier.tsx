import { Button } from 'antd';
import { useMemo } from 'react';

import type { EarlierStudy, StudyHere } from '../../api/types';
import { dayAndTime } from '../../frame/clock';
import { useLanguage } from '../../frame/language';
import { examinationWords } from '../../frame/modality';
import { GreyLines, Trouble } from '../../frame/Trouble';
import { useText } from '../../i18n';
import { others, placeOf } from './here';
import { useEarlier, useHere, type Whose } from './live';
import { AskCounty, LookHere, ReportMark } from './Look';
import { SendOn } from './SendOn';

/** A patient's earlier studies: what is here is opened, what is at the county is asked for. */
export function Earlier({ whose, study }: { whose: Whose; study: string }) {
  const t = useText();
  const { list, own, all } = useEarlier(whose);
  const items = useMemo(() => others(list?.items ?? [], study), [list, study]);
  const uids = useMemo(() => items.map((one) => one.study_instance_uid), [items]);
  const live = useHere(uids);
  const asking = all.isFetching;
  const away = !asking && (all.isError || list?.county === 'unreachable');
  return (
    <section className="earlier" aria-label={t('earlier.title')} data-testid="earlier" data-state={asking ? 'asking' : away ? 'away' : 'ready'}>
      <h3>{t('earlier.title')}</h3>
      {own.isPending && all.isPending && <GreyLines count={2} />}
      {own.isError && all.isError && <Trouble error={own.error} again={() => void all.refetch()} />}
      {items.length > 0 && (
        <ul>
          {items.map((one) => (
            <EarlierLine key={one.study_instance_uid} one={one} here={live.get(one.study_instance_uid) ?? one.here} />
          ))}
        </ul>
      )}
      <p role="status" className="second">
        {asking && t('earlier.asking')}
        {away && (
          <>
            {t(items.length > 0 ? 'earlier.away' : 'earlier.awayNone')}{' '}
            <Button size="small" onClick={() => void all.refetch()}>
              {t('earlier.again')}
            </Button>
          </>
        )}
        {!asking && list?.county === 'not-enrolled' && t('earlier.notEnrolled')}
        {!asking && !away && list && items.length === 0 && t('earlier.none')}
      </p>
    </section>
  );
}

function EarlierLine({ one, here }: { one: EarlierStudy; here: StudyHere }) {
  const t = useText();
  const language = useLanguage();
  return (
    <li data-testid="earlier-study" data-study={one.study_instance_uid} data-place={placeOf(here)}>
      <span className="earlier-when">{one.study_date_time ? dayAndTime(one.study_date_time, language) : t('study.noDate')}</span>
      <span className="earlier-what">
        {examinationWords(one.modalities, one.description || t('study.noDescription'), language)}
        {one.images !== null && <span className="second"> {t('study.images', { count: one.images })}</span>}
      </span>
      <span>{here.reports.length > 0 && <ReportMark here={here} />}</span>
      <span className="earlier-act">
        {placeOf(here) === 'none' ? <AskCounty study={one.study_instance_uid} /> : <LookHere study={one.study_instance_uid} here={here} />}
        {here.prior?.state === 'here' && <SendOn study={one.study_instance_uid} />}
      </span>
    </li>
  );
}
