import './words';

import { Link, useLocation } from 'react-router';

import { useSession } from '../../api/session';
import type { StudyRow } from '../../api/types';
import { useText } from '../../i18n';
import { corrects, rejects } from './may';
import type { CameFrom } from './StudyFrame';

/** From a study to where it is put right, for whom that is. */
export function AmendDoors({ study }: { study: StudyRow }) {
  const t = useText();
  const session = useSession((store) => store.session);
  const { pathname, search } = useLocation();
  const state: CameFrom = { from: pathname + search };
  const path = `/amend/studies/${study.study_instance_uid}`;
  const [patient, images] = [corrects(session, study), rejects(session, study)];
  if (!patient && !images) return null;
  return (
    <nav className="amend-doors" aria-label={t('amend.doors')}>
      {patient && (
        <Link to={`${path}/patient`} state={state} data-testid="wrong-patient">
          {t('amend.wrongPatient')}
        </Link>
      )}
      {images && (
        <Link to={`${path}/images`} state={state} data-testid="reject-images">
          {t('amend.rejectImages')}
        </Link>
      )}
    </nav>
  );
}
