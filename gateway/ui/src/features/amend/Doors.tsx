import './words';

import { Link, useLocation } from 'react-router';

import { useSession } from '../../api/session';
import type { StudyRow } from '../../api/types';
import { useText } from '../../i18n';
import { corrects } from './may';
import type { CameFrom } from './StudyFrame';

/** From a study to where it is put right, for whom that is. */
export function AmendDoors({ study }: { study: StudyRow }) {
  const t = useText();
  const session = useSession((store) => store.session);
  const { pathname, search } = useLocation();
  const state: CameFrom = { from: pathname + search };
  const path = `/amend/studies/${study.study_instance_uid}`;
  if (!corrects(session, study)) return null;
  return (
    <nav className="amend-doors" aria-label={t('amend.doors')}>
      <Link to={`${path}/patient`} state={state} data-testid="wrong-patient">
        {t('amend.wrongPatient')}
      </Link>
    </nav>
  );
}
