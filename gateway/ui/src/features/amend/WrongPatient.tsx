import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Button } from 'antd';
import { type FormEvent, useEffect, useRef, useState } from 'react';

import { Problem } from '../../api/client';
import type { StudyDetail } from '../../api/types';
import { absolute, dayAndTime } from '../../frame/clock';
import { useLanguage } from '../../frame/language';
import { examinationWords } from '../../frame/modality';
import { shownName } from '../../frame/patient';
import { GreyLines } from '../../frame/Trouble';
import { useText } from '../../i18n';
import { Refused } from '../admin/Refused';
import { Lookup } from '../today/Lookup';
import { correct, CORRECTIONS, corrections, type Found, type Known, targets, undoCorrection } from './asks';
import { Compare } from './Compare';
import { CorrectionHistory } from './CorrectionHistory';
import { corrects } from './may';
import { isReason } from './reason';
import { Reason } from './Reason';
import { Gone, StudyFrame } from './StudyFrame';
import { TargetOption } from './TargetOption';
import { amendTrouble } from './words';

/** Whose the study is: found among the house's orders and patients, compared, said with a reason, and taken back. */
export function WrongPatient({ uid }: { uid: string }) {
  const t = useText();
  return (
    <StudyFrame uid={uid} title={t('amend.patientTitle')} allowed={corrects}>
      {(detail, gone) => (gone ? <Gone /> : <Whom uid={uid} detail={detail} />)}
    </StudyFrame>
  );
}

function Whom({ uid, detail }: { uid: string; detail: StudyDetail }) {
  const t = useText();
  const language = useLanguage();
  const client = useQueryClient();
  const [target, setTarget] = useState<Found | null>(null);
  const [reason, setReason] = useState('');
  const [done, setDone] = useState('');
  const told = useRef<HTMLParagraphElement>(null);
  const key = [CORRECTIONS, uid];
  const history = useQuery({ queryKey: key, queryFn: ({ signal }) => corrections(uid, signal), staleTime: 0 });
  const rows = history.data?.items ?? [];
  useEffect(() => {
    if (done) told.current?.focus();
  }, [done]);

  const settled = (known: Known, said: string) => {
    client.setQueryData(key, known);
    setTarget(null);
    setReason('');
    setDone(said);
    // Lists, the page of the images and the order behind it all say another patient now.
    for (const stale of [['study'], ['studies'], ['study-order'], ['lookup']]) void client.invalidateQueries({ queryKey: stale });
  };
  /** Somebody was first: what is true now is read, and has to be compared anew; what was typed stays. */
  const late = (error: unknown) => {
    if (!(error instanceof Problem) || ![404, 409, 412].includes(error.status)) return;
    setTarget(null);
    for (const stale of [key, ['study', uid], ['lookup']]) void client.invalidateQueries({ queryKey: stale });
  };
  const version = history.data?.version ?? '';
  const correcting = useMutation({
    mutationFn: (chosen: Found) => correct(uid, chosen.key, reason, version),
    onSuccess: (known, chosen) => settled(known, t('amend.corrected', { name: chosen.who.name })),
    onError: late,
  });
  const undoing = useMutation({
    mutationFn: ({ id, why }: { id: number; why: string }) => undoCorrection(uid, id, why, version),
    onSuccess: (known) => settled(known, t('amend.undone')),
    onError: late,
  });
  const trouble = correcting.error ?? undoing.error;
  const choose = (found: Found | null) => {
    setTarget(found);
    setDone('');
    correcting.reset();
    undoing.reset();
  };
  const ready = target !== null && isReason(reason) && !correcting.isPending && history.isSuccess;
  const go = (event: FormEvent) => {
    event.preventDefault();
    if (ready) correcting.mutate(target);
  };
  const { study } = detail;
  return (
    <>
      <h1 className="answer" data-testid="amend-answer">
        {t('amend.whose', { name: shownName(study.patient, language) || t('patient.noName') })}
      </h1>
      <p className="second">
        {examinationWords(study.modalities, study.description || study.body_part, language)} · {study.institution.name} ·{' '}
        {study.study_date_time ? absolute(study.study_date_time, language) : t('study.noDate')}
      </p>
      <p ref={told} tabIndex={-1} role="status" className={done ? 'note note-info' : 'unseen'} data-testid="said">
        {done}
      </p>
      {trouble !== null && <Refused error={trouble} word={amendTrouble} />}
      {done ? (
        <Button className="amend-again" onClick={() => choose(null)} data-testid="again">
          {t('amend.again')}
        </Button>
      ) : target === null ? (
        <section className="amend-find">
          <h2>{t('amend.whoseIsIt')}</h2>
          <Lookup<Found>
            name="target"
            about={uid}
            label={t('amend.findTarget')}
            load={(typed, signal) => targets(uid, typed, signal)}
            keyOf={({ key: name }) => name}
            draw={(found) => <TargetOption found={found} />}
            choose={choose}
            empty={t('amend.noTarget', { house: study.institution.name })}
            untyped={t('amend.findHow', { house: study.institution.name })}
            autoFocus
          />
          {reason && <p className="second">{t('amend.reasonKept', { reason })}</p>}
        </section>
      ) : (
        <form className="amend-form" onSubmit={go} data-testid="correct-form">
          {target.differs.length === 0 && <p className="note note-soon">{t('amend.nothingDiffers')}</p>}
          <Compare now={target.now} then={target.who} differs={target.differs} />
          {target.examination && (
            <p className="second">
              {t('amend.orderOf', { examination: target.examination, at: target.scheduled_at ? dayAndTime(target.scheduled_at, language) : t('study.noDate') })}
            </p>
          )}
          <p className="second">{t('amend.whatFollows')}</p>
          <Reason value={reason} change={setReason} autoFocus testid="reason" />
          <div className="acts">
            <Button type="primary" htmlType="submit" disabled={!ready} loading={correcting.isPending} data-testid="correct-go">
              {t('amend.correctGo', { name: target.who.name })}
            </Button>
            <Button onClick={() => choose(null)} data-testid="another">
              {t('today.another')}
            </Button>
          </div>
        </form>
      )}
      {history.isError && <Refused error={history.error} again={() => void history.refetch()} word={amendTrouble} />}
      {history.isPending && <GreyLines count={2} />}
      <CorrectionHistory rows={rows} undo={(id, why) => undoing.mutate({ id, why })} busy={undoing.isPending} />
    </>
  );
}
