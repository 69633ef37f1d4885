import '../../styles/today.css';

import { useQueryClient } from '@tanstack/react-query';
import { Button, type InputRef } from 'antd';
import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { useLocation, useNavigate } from 'react-router';

import { Problem } from '../../api/client';
import { useSession, useUser } from '../../api/session';
import type { DayPage, OrderRow, RegisteredPatient } from '../../api/types';
import { shortTime, today } from '../../frame/clock';
import { composing } from '../../frame/keys';
import { useLanguage } from '../../frame/language';
import { PatientHeader } from '../../frame/PatientHeader';
import { registersPatients } from '../../frame/tabs';
import { TopBar } from '../../frame/TopBar';
import { Trouble } from '../../frame/Trouble';
import { type TextKey, useText } from '../../i18n';
import { useAwaySince } from '../nodes/silent';
import { LineHere } from '../township/LineHere';
import { placeOrder, registerPatient, showPatient } from './asks';
import { type Desk, missing, newPatientBody, open, orderBody } from './desk';
import type { Slot } from './draft';
import { useKeptDesk } from './kept-desk';
import { isUnknown } from './KnownPatient';
import { Slips } from './Slip';
import { doneWord, useTold, useUnread } from './unread';
import { shownPatient } from './worklist';
import { What } from './What';
import { Whom } from './Whom';

/** How a desk begins when the page before said so. */
export interface DeskStart {
  unknown?: boolean;
}

/** Whom the finder found: somebody just registered must not be missing there. */
const LOOKED_UP = ['lookup', 'patient'];

/** Who is registered already under a number, when that is why the server refused. */
async function whoHas(error: unknown): Promise<RegisteredPatient | null> {
  if (!(error instanceof Problem) || error.code !== 'already-registered') return null;
  const id = error.extra.patient;
  if (typeof id !== 'string') return null;
  return (await showPatient(id)).patient;
}

export default function DeskPage() {
  const t = useText();
  const user = useUser();
  const client = useQueryClient();
  const navigate = useNavigate();
  const location = useLocation();
  const roles = useSession((store) => store.session?.user?.roles ?? []);
  const mayRegister = registersPatients(roles);
  const away = useAwaySince(user.orders_at?.code ?? user.institution.code);
  const language = useLanguage();
  const start = location.state as DeskStart | null;
  const { desk, slot, restored, setDesk, goTo, clear, next: goOn } = useKeptDesk(
    user.username,
    start?.unknown ? 'unknown' : 'somebody',
  );
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const [taken, setTaken] = useState<RegisteredPatient | null>(null);
  const [printing, setPrinting] = useState<OrderRow[]>([]);
  const patientField = useRef<InputRef>(null);
  const examinationField = useRef<InputRef>(null);
  const lacks = missing(desk, today());
  const left = open(desk);
  const done = desk.lines.flatMap((line) => (line.order ? [line.order] : []));
  const told = useTold(done.map(({ id }) => id));
  const { machine } = useUnread();

  useEffect(() => {
    document.title = t('today.new');
  }, [t]);

  const change = useCallback((part: Partial<Desk>) => setDesk((was) => ({ ...was, ...part })), [setDesk]);
  const setWho = useCallback(
    (who: Desk['who']) => {
      setTaken(null);
      setError(null);
      change({ who });
      if (who.kind === 'known') examinationField.current?.focus();
      if (who.kind === 'nobody') setTimeout(() => patientField.current?.focus());
    },
    [change],
  );
  /** The page as it is after another desk was put on it; loaded again, it begins there. */
  const turned = useCallback(
    (to: Slot) => {
      setTaken(null);
      setError(null);
      void navigate('/today/new', { replace: true, state: to === 'unknown' ? ({ unknown: true } satisfies DeskStart) : null });
      const field = to === 'unknown' ? examinationField : patientField;
      setTimeout(() => field.current?.focus());
    },
    [navigate],
  );
  const goOver = useCallback(
    (to: Slot) => {
      // What the server is answering belongs to the desk it was sent from.
      if (busy) return;
      goTo(to);
      turned(to);
    },
    [busy, goTo, turned],
  );
  const unknown = useCallback(() => goOver('unknown'), [goOver]);

  const submit = useCallback(
    async (print: boolean) => {
      if (busy || missing(desk, today()).length) return;
      setBusy(true);
      setError(null);
      setTaken(null);
      let { who, lines } = desk;
      const made: OrderRow[] = [];
      try {
        for (const line of open(desk)) {
          const fresh = newPatientBody(who, today());
          const whom = who.kind === 'known' ? { patient: who.patient.id } : { new_patient: fresh };
          try {
            const { order } = await placeOrder({ ...whom, order: orderBody(desk, line) });
            made.push(order);
            lines = lines.map((one) => (one === line ? { examination: line.examination, order } : one));
            if (order.patient) who = { kind: 'known', patient: order.patient };
          } catch (problem) {
            const patient = await whoHas(problem).catch(() => null);
            if (patient) {
              setTaken(patient);
              return;
            }
            if (who.kind !== 'known') throw problem;
            lines = lines.map((one) => (one === line ? { ...one, error: problem } : one));
          }
        }
        if (print) setPrinting(made);
      } catch (problem) {
        setError(problem);
      } finally {
        setDesk((was) => ({ ...was, who, lines }));
        setBusy(false);
        if (made.length) {
          void client.invalidateQueries({ queryKey: ['worklist'] });
          void client.invalidateQueries({ queryKey: LOOKED_UP });
          // What is said beside it of what was ordered for them lately is one short now.
          if (who.kind === 'known') void client.invalidateQueries({ queryKey: ['orders-of', who.patient.id] });
        }
      }
    },
    [busy, client, desk, setDesk],
  );

  /** Registers without ordering anything: for somebody who comes back later. */
  const register = useCallback(async () => {
    const body = newPatientBody(desk.who, today());
    if (!body || busy) return;
    setBusy(true);
    setError(null);
    setTaken(null);
    try {
      const { patient } = await registerPatient(body);
      void client.invalidateQueries({ queryKey: LOOKED_UP });
      setWho({ kind: 'known', patient });
    } catch (problem) {
      const patient = await whoHas(problem).catch(() => null);
      if (patient) setTaken(patient);
      else setError(problem);
    } finally {
      setBusy(false);
    }
  }, [busy, client, desk.who, setWho]);

  const next = useCallback(() => {
    goOn();
    turned('somebody');
  }, [goOn, turned]);
  const leave = useCallback(() => void navigate('/today'), [navigate]);

  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (composing(event)) return;
      if (event.ctrlKey && event.key === 'Enter') void submit(false);
      else if (event.altKey && event.code === 'KeyU' && mayRegister) unknown();
      else if (event.altKey && event.code === 'KeyN' && done.length > 0 && left.length === 0) next();
      else if (event.altKey && event.code === 'KeyP' && done.length > 0) setPrinting(done);
      else return;
      event.preventDefault();
    };
    window.addEventListener('keydown', onKey);
    return () => window.removeEventListener('keydown', onKey);
  }, [done, left.length, mayRegister, next, submit, unknown]);

  const day = client.getQueryData<{ pages: DayPage[] }>(['worklist', today()]);
  const stations = useMemo(
    () => [...new Set((day?.pages ?? []).flatMap(({ items }) => items.map((row) => row.station_ae_title)))].filter(Boolean),
    [day],
  );
  const over = done.length > 0 && left.length === 0;
  const onlyWho = lacks.filter((key) => key !== 'today.examination').length === 0;
  const patient = desk.who.kind === 'known' ? desk.who.patient : null;
  return (
    <div className="page">
      {patient ? (
        <PatientHeader
          patient={shownPatient(patient)}
          number={patient.patient_id}
          unidentified={isUnknown(patient)}
          emergency={desk.priority === 'emergency'}
          lead={
            <button type="button" className="linkish" onClick={leave}>
              {t('today.back')}
            </button>
          }
        />
      ) : (
        <TopBar pill={<LineHere />} />
      )}
      <main className="desk" data-testid="desk" data-state={over ? 'done' : busy ? 'sending' : 'open'}>
        <h1 className="answer">
          {over ? t(doneWord(told, away), { count: done.length }) : t(mayRegister ? 'today.new' : 'today.newOrder')}
        </h1>
        {user.orders_at && !over && (
          <p className="second desk-note" data-testid="orders-at">
            {t('today.ordersAt', { house: user.orders_at.name })}
          </p>
        )}
        {!machine && !over && (
          <p className="note note-bad desk-note" role="status" data-testid="orders-nobody">
            {t('today.ordersNobody', { house: (user.orders_at ?? user.institution).name })}
          </p>
        )}
        {away && !(over && told === 'read') && (
          <p className="note note-soon desk-note" role="status" data-testid="orders-wait">
            {t('today.ordersWait', { house: (user.orders_at ?? user.institution).name, at: shortTime(away, language) })}
          </p>
        )}
        {restored && !over && (
          <p className="note note-info desk-note" role="status">
            {t('today.restored')}{' '}
            <button
              type="button"
              className="linkish"
              data-testid="start-anew"
              onClick={() => {
                clear();
                turned(slot);
              }}
            >
              {t('today.startAnew')}
            </button>
          </p>
        )}
        <div className="desk-body">
          <section aria-label={t('today.patient')} className="desk-who">
            <h2>{t('today.patient')}</h2>
            <Whom
              who={desk.who}
              change={setWho}
              unknown={unknown}
              knownAfterAll={() => goOver('somebody')}
              mayRegister={mayRegister}
              inputRef={patientField}
              taken={taken}
            />
          </section>
          <section aria-label={t('today.examination')} className="desk-what">
            <h2>{t('today.examination')}</h2>
            <What desk={desk} change={change} stations={stations} inputRef={examinationField} />
          </section>
        </div>
        {error !== null && <Trouble error={error} />}
        <footer className="desk-foot">
          {over ? (
            <>
              <Button type="primary" onClick={next} data-testid="next-patient">
                {t('today.nextPatient')}
                <span className="button-key">Alt+N</span>
              </Button>
              <Button onClick={() => setPrinting(done)} data-testid="print">
                {t('today.print')}
                <span className="button-key">Alt+P</span>
              </Button>
              <Button onClick={leave}>{t('today.backToList')}</Button>
            </>
          ) : (
            <>
              <Button
                type="primary"
                disabled={lacks.length > 0}
                loading={busy}
                onClick={() => void submit(false)}
                data-testid="submit"
              >
                {left.length > 1 ? t('today.submitSome', { count: left.length }) : t('today.submit')}
                <span className="button-key">Ctrl+Enter</span>
              </Button>
              <Button disabled={lacks.length > 0 || busy} onClick={() => void submit(true)}>
                {t('today.submitPrint')}
              </Button>
              {mayRegister && (desk.who.kind === 'new' || desk.who.kind === 'unknown') && (
                <Button disabled={!onlyWho || busy} onClick={() => void register()} data-testid="register-only">
                  {t('today.registerOnly')}
                </Button>
              )}
              <Button type="text" onClick={leave}>
                {t('today.leave')}
              </Button>
              {lacks.length > 0 && (
                <span className="second" role="status" data-testid="lacks">
                  {t('today.lacks', { what: lacks.map((key: TextKey) => t(key)).join(t('app.listed')) })}
                </span>
              )}
            </>
          )}
        </footer>
      </main>
      {printing.length > 0 && <Slips orders={printing} printed={() => setPrinting([])} />}
    </div>
  );
}
