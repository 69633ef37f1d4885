import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Button, Checkbox } from 'antd';
import { useEffect, useRef, useState } from 'react';

import { Problem } from '../../api/client';
import type { RejectionRow, RejectionTitle, StudyDetail } from '../../api/types';
import { useText } from '../../i18n';
import { Refused } from '../admin/Refused';
import { reject, REJECTIONS, rejections } from './asks';
import { count, isStudy, NOTHING, parts, toggleStudy } from './choice';
import { rejects } from './may';
import { type Grounds, RejectionForm } from './RejectionForm';
import { RejectionFacts } from './RejectionFacts';
import { SeriesChoice } from './SeriesChoice';
import { Gone, StudyFrame } from './StudyFrame';
import { amendTrouble } from './words';

const NO_GROUNDS: Grounds = { title: null, reason: '' };

/** Which images of a study do not count: chosen, said with a title and a reason, and taken back. */
export function RejectImages({ uid }: { uid: string }) {
  const t = useText();
  return (
    <StudyFrame uid={uid} title={t('amend.imagesTitle')} allowed={rejects}>
      {(detail, gone) => <Which uid={uid} detail={detail} gone={gone} />}
    </StudyFrame>
  );
}

function Which({ uid, detail, gone }: { uid: string; detail: StudyDetail; gone: boolean }) {
  const t = useText();
  const client = useQueryClient();
  const [choice, setChoice] = useState(NOTHING);
  const [grounds, setGrounds] = useState(NO_GROUNDS);
  const [made, setMade] = useState<RejectionRow | null>(null);
  const [back, setBack] = useState(false);
  const told = useRef<HTMLParagraphElement>(null);
  const before = useQuery({
    queryKey: [REJECTIONS, uid],
    queryFn: ({ signal }) => rejections(uid, '', signal),
    staleTime: 0,
  });
  const { series } = detail;
  const chosen = count(choice, series);
  const whole = isStudy(choice, series);
  const rejecting = useMutation({
    mutationFn: (title: RejectionTitle) => reject(uid, { title, reason: grounds.reason, ...parts(choice, series) }),
    onSuccess: (row) => {
      setMade(row);
      setChoice(NOTHING);
      setGrounds(NO_GROUNDS);
    },
    onError: (error) => {
      // Some of it is there no more: what is left is chosen anew, what was typed stays.
      if (error instanceof Problem && [404, 409].includes(error.status)) setChoice(NOTHING);
    },
    onSettled: () => {
      for (const stale of [[REJECTIONS], ['study'], ['studies'], ['pieces']]) void client.invalidateQueries({ queryKey: stale });
    },
  });
  const said = made ? t('amend.rejected', { count: made.objects }) : back ? t('amend.countsAgain') : '';
  useEffect(() => {
    if (said) told.current?.focus();
  }, [said]);
  const older = (before.data?.items ?? []).filter(({ id }) => id !== made?.id);
  return (
    <>
      <h1 className="answer" data-testid="amend-answer">
        {t('amend.whichImages')}
      </h1>
      <p ref={told} tabIndex={-1} role="status" className={said ? 'note note-info' : 'unseen'} data-testid="said">
        {said}
      </p>
      {rejecting.isError && !gone && <Refused error={rejecting.error} word={amendTrouble} />}
      {made ? (
        <section className="amend-history">
          <RejectionFacts
            row={made}
            undone={() => {
              setMade(null);
              setBack(true);
            }}
          />
          {!gone && (
            <Button onClick={() => setMade(null)} data-testid="more-images">
              {t('amend.moreImages')}
            </Button>
          )}
        </section>
      ) : gone ? (
        <Gone />
      ) : (
        <div className="reject-body">
          <section className="amend-find" aria-label={t('amend.whichImages')}>
            <Checkbox
              checked={whole}
              indeterminate={!whole && chosen > 0}
              onChange={() => setChoice(toggleStudy(choice, series))}
              data-testid="whole-study"
            >
              {t('amend.wholeStudy', { count: detail.study.instance_count })}
            </Checkbox>
            <ul className="series-choice">
              {series.map((row) => (
                <SeriesChoice key={row.series_instance_uid} uid={uid} row={row} choice={choice} change={setChoice} />
              ))}
            </ul>
          </section>
          <RejectionForm
            answer={chosen === 0 ? t('amend.noneChosen') : whole ? t('amend.studyChosen', { count: chosen }) : t('amend.imagesChosen', { count: chosen })}
            chosen={chosen}
            grounds={grounds}
            change={setGrounds}
            busy={rejecting.isPending}
            go={(title) => rejecting.mutate(title)}
          />
        </div>
      )}
      {older.length > 0 && (
        <section aria-labelledby="rejections-title" className="amend-history" data-testid="rejections">
          <h2 id="rejections-title">{t('amend.before', { count: older.length })}</h2>
          <ol>
            {older.map((row) => (
              <li key={row.id}>
                <RejectionFacts row={row} undone={() => setBack(true)} />
              </li>
            ))}
          </ol>
        </section>
      )}
    </>
  );
}
