import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Button } from 'antd';
import { useState } from 'react';
import { Link } from 'react-router';

import { Problem } from '../../api/client';
import { useUser } from '../../api/session';
import type { OrderRow, StudyHere } from '../../api/types';
import { PatientHeader } from '../../frame/PatientHeader';
import { Technical } from '../../frame/Technical';
import { GreyLines, Trouble } from '../../frame/Trouble';
import { useText } from '../../i18n';
import { Versions } from '../conflicts/Versions';
import { Earlier } from '../here/Earlier';
import { useLooksHere } from '../here/live';
import { LookHere, NotBack } from '../here/Look';
import { changeOrder, moveOrder, settleOrder, showOrder } from './asks';
import { isUnknown } from './KnownPatient';
import { Change, Why } from './OrderAsks';
import { Facts, History } from './OrderFacts';
import { Reconcile } from './Reconcile';
import { hasSlip, NOBODY, shownPatient } from './worklist';

type Asking = 'cancel' | 'discontinue' | 'change' | 'who' | 'earlier' | null;

interface Props {
  row: OrderRow;
  /** What of its study can be looked at on this machine. */
  here: StudyHere | undefined;
  asking: Asking;
  ask: (asking: Asking) => void;
  print: (order: OrderRow) => void;
}

/** An order opened in place: all that is known of it, and what may be done now. */
export function OrderDetail({ row, here, asking, ask, print }: Props) {
  const t = useText();
  const { institution } = useUser();
  const looks = useLooksHere();
  const client = useQueryClient();
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const detail = useQuery({
    queryKey: ['order', row.id, row.etag],
    queryFn: ({ signal }) => showOrder(row.id, signal),
    placeholderData: (before) => before,
  });
  const shown = detail.data;
  const actions = shown?.actions ?? [];

  const done = async (what: Promise<unknown>) => {
    setBusy(true);
    setError(null);
    try {
      await what;
      ask(null);
    } catch (problem) {
      setError(problem);
    } finally {
      setBusy(false);
      // Also after a refusal: somebody else was first, and what is true now belongs on the page.
      void client.invalidateQueries({ queryKey: ['worklist'] });
    }
  };
  const move = (act: string, reason = '') => void done(moveOrder(row.id, act, row.etag, reason));
  const simple = (act: 'begin' | 'complete' | 'reorder') =>
    actions.includes(act) && (
      <Button disabled={busy} onClick={() => move(act)} data-testid={act}>
        {t(`order.act.${act}`)}
      </Button>
    );
  return (
    <div role="row" className="order-detail" data-testid="order-detail">
      <div role="gridcell">
        <PatientHeader
          patient={row.patient ? shownPatient(row.patient) : NOBODY}
          number={row.accession_number}
          unidentified={row.patient ? isUnknown(row.patient) : false}
          emergency={row.priority === 'emergency'}
        />
        {detail.isPending && <GreyLines count={3} />}
        {detail.isError && <Trouble error={detail.error} again={() => void detail.refetch()} />}
        {shown && <Facts detail={shown} row={row} />}
        {error !== null && <ActTrouble error={error} />}
        {shown && shown.open_versions.length > 0 && (
          <div className="note note-soon">
            <p>{t('order.conflictText')}</p>
            <Versions
              versions={shown.open_versions}
              settle={actions.includes('settle') ? (keep) => void done(settleOrder(row.id, row.etag, keep)) : undefined}
              busy={busy}
              house={institution}
            />
          </div>
        )}
        {(row.patient?.conflicts ?? 0) > 0 && (
          <p className="note note-soon">
            {t('order.patientConflict')} <Link to="/conflicts">{t('order.toConflicts')}</Link>
          </p>
        )}
        {asking === 'cancel' && <Why act="cancel" busy={busy} say={(reason) => move('cancel', reason)} leave={() => ask(null)} />}
        {asking === 'discontinue' && (
          <Why act="discontinue" busy={busy} say={(reason) => move('discontinue', reason)} leave={() => ask(null)} />
        )}
        {asking === 'change' && shown && (
          <Change
            detail={shown}
            busy={busy}
            save={(changes) => void done(changeOrder(row.id, row.etag, changes))}
            leave={() => ask(null)}
          />
        )}
        {asking === 'who' && row.patient && <Reconcile unknown={row.patient} over={() => ask(null)} />}
        <NotBack study={row.study_instance_uid} here={here} />
        {(asking === null || asking === 'earlier') && (
          <div className="acts">
            <LookHere study={row.study_instance_uid} here={here} keys />
            {looks && row.patient && (
              <Button
                onClick={() => ask(asking === 'earlier' ? null : 'earlier')}
                aria-expanded={asking === 'earlier'}
                data-testid="show-earlier"
              >
                {t(asking === 'earlier' ? 'earlier.hide' : 'earlier.show')}
                <span className="button-key">H</span>
              </Button>
            )}
            {hasSlip(row) && (
              <Button onClick={() => print(row)} data-testid="print-slip">
                {t('today.print')}
                <span className="button-key">P</span>
              </Button>
            )}
            {row.patient && isUnknown(row.patient) && (
              <Button onClick={() => ask('who')} data-testid="who-is">
                {t('today.whoIs')}
                <span className="button-key">W</span>
              </Button>
            )}
            {actions.includes('change') && (
              <Button onClick={() => ask('change')} data-testid="change">
                {t('order.act.change')}
              </Button>
            )}
            {simple('begin')}
            {simple('complete')}
            {actions.includes('discontinue') && (
              <Button onClick={() => ask('discontinue')}>{t('order.act.discontinue')}</Button>
            )}
            {simple('reorder')}
            {actions.includes('cancel') && (
              <Button onClick={() => ask('cancel')} data-testid="cancel">
                {t('order.act.cancel')}
                <span className="button-key">X</span>
              </Button>
            )}
          </div>
        )}
        {asking === 'earlier' && row.patient && <Earlier whose={{ patient: row.patient.id }} study={row.study_instance_uid} />}
        {shown && <History lines={shown.history} />}
        <Technical facts={{ 'Study Instance UID': row.study_instance_uid, ETag: row.etag }} />
      </div>
    </div>
  );
}

/** A refused act: when somebody else was first, that is what is said. */
function ActTrouble({ error }: { error: unknown }) {
  const t = useText();
  if (error instanceof Problem && (error.status === 412 || error.code === 'act-not-allowed'))
    return (
      <p className="note note-soon" role="alert">
        {t('order.changedMeanwhile')}
      </p>
    );
  return <Trouble error={error} />;
}
