import { useQuery } from '@tanstack/react-query';
import { Button } from 'antd';
import { useEffect, useState } from 'react';

import { ask } from '../../api/client';
import type { Conflict, StudyDetail, StudyRow } from '../../api/types';
import { absolute } from '../../frame/clock';
import { useLanguage } from '../../frame/language';
import { examinationWords, isDocument, modalityWord } from '../../frame/modality';
import { revealOfStudy } from '../../frame/Masked';
import { PatientHeader } from '../../frame/PatientHeader';
import { Technical } from '../../frame/Technical';
import { Trouble } from '../../frame/Trouble';
import { useText } from '../../i18n';
import { AmendDoors } from '../amend/Doors';
import { arriving } from './arrival';
import { Conflicts } from './Conflicts';
import { withOrderedAge } from './ordered-age';
import { OrderBehind, useOrderBehind } from './OrderBehind';
import { Picture } from './Picture';
import { Coming } from './StudyLine';

/** Moving through the list must not ask for every study passed on the way. */
const SETTLE_MS = 250;

function useSettled<Value>(value: Value): Value {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), SETTLE_MS);
    return () => clearTimeout(timer);
  }, [value]);
  return settled;
}

/** What the chosen study holds, before it is opened. */
export function Preview({ row, open }: { row: StudyRow; open: (uid: string) => void }) {
  const t = useText();
  const language = useLanguage();
  const uid = useSettled(row.study_instance_uid);
  const detail = useQuery({
    queryKey: ['study', uid],
    queryFn: ({ signal }) => ask<StudyDetail>(`/api/v1/studies/${uid}`, { signal }),
  });
  const ordered = useOrderBehind(uid);
  // Until then what is known is of the study before: of another patient.
  const settled = uid === row.study_instance_uid;
  const here = settled ? detail.data : undefined;
  const older =
    here !== undefined && (here.study.instance_count !== row.instance_count || here.study.conflicts !== row.conflicts);
  const { refetch } = detail;
  // The list's row is live: what it says newly, the detail is asked for again.
  useEffect(() => {
    if (older) void refetch();
  }, [older, refetch]);
  const series = here?.series ?? [];
  const conflicts = here?.conflicts ?? [];
  const coming = arriving(row.completeness, row.instance_count);
  const exam = examinationWords(row.modalities, row.description || row.body_part || t('study.noDescription'), language);
  return (
    <aside
      className="preview"
      aria-label={t('studies.preview')}
      data-testid="preview"
      data-study={row.study_instance_uid}
    >
      <PatientHeader
        key={row.study_instance_uid}
        patient={withOrderedAge(row.patient, settled ? ordered : null)}
        number={row.accession_number}
        reveal={() => revealOfStudy(row.study_instance_uid)}
        unidentified={row.unidentified}
        emergency={row.priority === 'emergency'}
      />
      <div className="preview-body">
        <p className="words" title={exam}>
          {exam}
        </p>
        <p className="second words" title={row.institution.name}>
          {row.institution.name} · {row.study_date_time ? absolute(row.study_date_time, language) : t('study.noDate')}
        </p>
        {settled && <OrderBehind study={uid} />}
        {coming && <Coming coming={coming} />}
        {(row.conflicts > 0 || conflicts.length > 0) && (
          <div className={row.conflicts > 0 ? 'note note-soon' : 'note'}>
            <p>{row.conflicts > 0 ? t('studies.conflictText', { count: row.conflicts }) : t('conflict.allDecided')}</p>
            {here !== undefined && conflicts.length > 0 && <Conflicts key={uid} detail={here} />}
          </div>
        )}
        {row.unidentified && <p className="note note-soon">{t('studies.unidentifiedText')}</p>}
        <Button type="primary" block onClick={() => open(row.study_instance_uid)} data-testid="open">
          {t('studies.open')}
          <span className="button-key">Enter</span>
        </Button>
        <AmendDoors study={row} />
        {settled && detail.isError && <Trouble error={detail.error} again={() => void detail.refetch()} />}
        <ul className="preview-series">
          {series.map((one) => (
            <li key={one.series_instance_uid}>
              <Picture address={one.thumbnail} word={modalityWord(one.modality, language)} />
              <span>
                <span className="words" title={one.description || one.body_part || undefined}>
                  {examinationWords([one.modality], one.description || one.body_part, language)}
                </span>
                <span className="second">
                  {t(isDocument(one.modality) ? 'study.objects' : 'study.images', { count: one.instance_count })}
                </span>
              </span>
            </li>
          ))}
        </ul>
        <Technical
          facts={{
            'Study Instance UID': row.study_instance_uid,
            ...(conflicts.length ? { 'SOP Instance UID': listed(conflicts, 'sop_instance_uid') } : {}),
            ...(conflicts.some(({ ae_title: title }) => title) ? { AE: listed(conflicts, 'ae_title') } : {}),
            ...(row.route ? { [t('studies.route')]: `${row.route.rule} > ${row.route.destination}` } : {}),
          }}
        />
      </div>
    </aside>
  );
}

function listed(conflicts: readonly Conflict[], what: 'sop_instance_uid' | 'ae_title'): string {
  return [...new Set(conflicts.map((conflict) => conflict[what]).filter(Boolean))].join(' ');
}
