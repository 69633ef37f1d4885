import { Button } from 'antd';
import { useState } from 'react';

import type { RegisteredPatient } from '../../api/types';
import { today } from '../../frame/clock';
import { Trouble } from '../../frame/Trouble';
import { useText } from '../../i18n';
import { correctPatient } from './asks';
import { changesOf, faultsOf, type Fields } from './desk';
import { PatientFields } from './PatientFields';

/** Mends what was registered. Masked numbers stand empty, and stay as they are unless written anew. */
export function CorrectPatient({ patient, over }: { patient: RegisteredPatient; over: (patient?: RegisteredPatient) => void }) {
  const t = useText();
  const [fields, setFields] = useState<Fields>({
    name: patient.name,
    residentId: '',
    sex: patient.sex,
    birth: patient.birth_date ?? '',
    phone: '',
    patientId: patient.patient_id.includes('*') ? '' : patient.patient_id,
  });
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const changes = changesOf(patient, fields, today());
  const save = async () => {
    setBusy(true);
    setError(null);
    try {
      over((await correctPatient(patient.id, patient.etag, changes)).patient);
    } catch (problem) {
      setError(problem);
    } finally {
      setBusy(false);
    }
  };
  return (
    <div className="fields" data-testid="correct">
      <p className="second">{t('today.correctHow')}</p>
      <PatientFields fields={fields} change={setFields} />
      {error !== null && <Trouble error={error} />}
      <div className="acts">
        <Button
          disabled={busy || !Object.keys(changes).length || Object.keys(faultsOf(fields, today())).length > 0}
          onClick={() => void save()}
          data-testid="correct-go"
        >
          {t('order.saveChange')}
        </Button>
        <Button type="text" onClick={() => over()}>
          {t('order.leaveIt')}
        </Button>
      </div>
    </div>
  );
}
