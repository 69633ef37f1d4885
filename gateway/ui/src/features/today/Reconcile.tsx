import { useQueryClient } from '@tanstack/react-query';
import { Button } from 'antd';
import { useState } from 'react';

import type { RegisteredPatient } from '../../api/types';
import { today } from '../../frame/clock';
import { Trouble } from '../../frame/Trouble';
import { useText } from '../../i18n';
import { patientsLike, reconcilePatient, registerPatient } from './asks';
import { faultsOf, type Fields, fieldsFrom, lacking, newPatientBody } from './desk';
import { PatientOption } from './KnownPatient';
import { Lookup } from './Lookup';
import { PatientFields } from './PatientFields';

/** "This is ...": says who somebody unknown is; nothing happens before both stand side by side and one says so. */
export function Reconcile({ unknown, over }: { unknown: RegisteredPatient; over: () => void }) {
  const t = useText();
  const client = useQueryClient();
  const [real, setReal] = useState<RegisteredPatient | null>(null);
  const [fields, setFields] = useState<Fields | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const run = async (what: () => Promise<void>) => {
    setBusy(true);
    setError(null);
    try {
      await what();
    } catch (problem) {
      setError(problem);
    } finally {
      setBusy(false);
    }
  };
  const register = (typed: Fields) =>
    run(async () => {
      const body = newPatientBody({ kind: 'new', fields: typed }, today());
      if (body) setReal((await registerPatient(body)).patient);
    });
  const settle = (whom: RegisteredPatient) =>
    run(async () => {
      await reconcilePatient(unknown.id, unknown.etag, whom.id);
      await client.invalidateQueries({ queryKey: ['worklist'] });
      over();
    });
  return (
    <div className="ask" data-testid="reconcile">
      {real ? (
        <>
          <p>{t('today.reconcileAsk')}</p>
          <div className="side-by-side">
            <p>
              <PatientOption patient={unknown} />
            </p>
            <p aria-hidden>→</p>
            <p>
              <PatientOption patient={real} />
            </p>
          </div>
          <p className="second">{t('today.reconcileWhat')}</p>
          <div className="acts">
            <Button type="primary" autoFocus disabled={busy} onClick={() => void settle(real)} data-testid="reconcile-go">
              {t('today.reconcileGo')}
            </Button>
            <Button onClick={() => setReal(null)}>{t('today.another')}</Button>
            <Button onClick={over}>{t('order.leaveIt')}</Button>
          </div>
        </>
      ) : fields ? (
        <>
          <PatientFields fields={fields} change={setFields} />
          <div className="acts">
            <Button
              type="primary"
              disabled={busy || lacking(fields, today()).length > 0 || Object.keys(faultsOf(fields, today())).length > 0}
              onClick={() => void register(fields)}
            >
              {t('today.registerOnly')}
            </Button>
            <Button onClick={() => setFields(null)}>{t('today.findInstead')}</Button>
          </div>
        </>
      ) : (
        <>
          <p>{t('today.whoIsAsk')}</p>
          <Lookup<RegisteredPatient>
            name="real"
            label={t('today.findPatient')}
            load={async (typed, signal) =>
              (await patientsLike(typed, signal)).items.filter((one) => one.temporary === null && one.status === 'active')
            }
            keyOf={(patient) => patient.id}
            draw={(patient) => <PatientOption patient={patient} />}
            choose={setReal}
            other={{
              label: (typed) => (typed ? t('today.registerTyped', { typed }) : t('today.registerNew')),
              choose: (typed) => setFields(fieldsFrom(typed)),
            }}
            empty={t('today.nobodyFound')}
            autoFocus
          />
          <div className="acts">
            <Button onClick={over}>{t('order.leaveIt')}</Button>
          </div>
        </>
      )}
      {error !== null && <Trouble error={error} />}
    </div>
  );
}
