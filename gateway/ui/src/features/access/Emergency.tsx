import '../../styles/access.css';

import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Button, Input, type InputRef } from 'antd';
import { type FormEvent, useEffect, useRef, useState } from 'react';
import { useNavigate } from 'react-router';

import { Problem } from '../../api/client';
import { coverKeys } from '../../frame/keys';
import { useTroubleText } from '../../frame/Trouble';
import { useText } from '../../i18n';
import { askEmergency, MINE } from './asks';
import { isAsked, NO_NUMBER, NumberFields } from './NumberFields';
import { closeEmergency } from './sheet';

const WHY_MIN = 10;

/** Opens a patient nobody here may see, for an hour, by an exact number and a reason. It says beforehand what follows. */
export default function Emergency() {
  const t = useText();
  const trouble = useTroubleText();
  const client = useQueryClient();
  const navigate = useNavigate();
  const [asked, setAsked] = useState(NO_NUMBER);
  const [why, setWhy] = useState('');
  const field = useRef<InputRef>(null);
  useEffect(() => coverKeys(), []);
  useEffect(() => field.current?.focus(), []);
  useEffect(() => {
    const leave = (event: KeyboardEvent) => {
      if (event.key === 'Escape' && !event.isComposing) closeEmergency();
    };
    window.addEventListener('keydown', leave);
    return () => window.removeEventListener('keydown', leave);
  }, []);
  const opening = useMutation({
    mutationFn: () => askEmergency({ ...asked, why }),
    onSuccess: async (look) => {
      await client.invalidateQueries({ queryKey: MINE });
      void client.invalidateQueries({ queryKey: ['studies'] });
      closeEmergency();
      const [newest] = look.studies;
      if (newest) void navigate(`/studies/${newest.study_instance_uid}`);
    },
  });
  const written = [...why.trim().replace(/\s+/g, ' ')].length;
  const ready = isAsked(asked) && written >= WHY_MIN;
  const save = (event: FormEvent) => {
    event.preventDefault();
    if (ready && !opening.isPending) opening.mutate();
  };
  const mine = opening.error instanceof Problem && opening.error.code === 'already-within-reach' ? opening.error.extra.study : null;
  return (
    <div className="lock" role="dialog" aria-modal="true" aria-labelledby="emergency-title" data-testid="emergency">
      <form className="emergency" onSubmit={save}>
        <h1 id="emergency-title" className="answer">
          {t('access.emergency')}
        </h1>
        <ul className="note note-soon">
          <li>{t('access.whatHour')}</li>
          <li>{t('access.whatReviewed')}</li>
          <li>{t('access.whatPatient')}</li>
        </ul>
        <NumberFields of="emergency" asked={asked} change={setAsked} field={field} />
        <label htmlFor="emergency-why">{t('access.why')}</label>
        <Input.TextArea
          id="emergency-why"
          value={why}
          maxLength={500}
          autoSize={{ minRows: 2, maxRows: 4 }}
          placeholder={t('access.whyExample')}
          onChange={(event) => setWhy(event.target.value)}
          data-testid="emergency-why"
        />
        <p className="quiet" aria-live="polite">
          {written < WHY_MIN ? t('access.whyMore', { count: WHY_MIN - written }) : t('access.whyEnough')}
        </p>
        {opening.isError && (
          <p className="note note-bad" role="alert" data-testid="emergency-trouble">
            {trouble(opening.error).text}
            {typeof mine === 'string' && (
              <Button size="small" type="link" onClick={() => {
                  closeEmergency();
                  void navigate(`/studies/${mine}`);
                }}>
                {t('studies.open')}
              </Button>
            )}
          </p>
        )}
        <div className="foot">
          <Button type="primary" danger htmlType="submit" disabled={!ready} loading={opening.isPending} data-testid="emergency-open">
            {t('access.open')}
          </Button>
          <Button type="text" onClick={closeEmergency}>
            {t('access.cancel')}
          </Button>
        </div>
      </form>
    </div>
  );
}
