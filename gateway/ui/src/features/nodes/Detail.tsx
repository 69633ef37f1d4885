import { useQuery } from '@tanstack/react-query';

import { ask } from '../../api/client';
import { useSession } from '../../api/session';
import type { NodeDetail, NodeRow } from '../../api/types';
import { Chip } from '../../frame/Chip';
import { absolute, dayAndTime, fileSize, shortTime } from '../../frame/clock';
import { useLanguage } from '../../frame/language';
import { modalityWord } from '../../frame/modality';
import { readsTrails } from '../../frame/tabs';
import { Technical } from '../../frame/Technical';
import { Trouble } from '../../frame/Trouble';
import { useText } from '../../i18n';
import { LetGo } from './LetGo';
import { clockIsOff, heldUntil } from './node-words';
import { Refused } from './Refused';
import { Trail } from './Trail';
import { TrailFault } from './TrailFault';

/** A township's machine opened in place: its studies, what of it was refused, what people did there. */
export function Detail({ node, letGo }: { node: NodeRow; letGo?: () => void }) {
  const t = useText();
  const language = useLanguage();
  const auditor = useSession((store) => readsTrails(store.session?.user?.roles ?? []));
  const detail = useQuery({
    queryKey: ['node', node.id, node.heard_at],
    queryFn: ({ signal }) => ask<NodeDetail>(`/api/v1/nodes/${node.id}`, { signal }),
    placeholderData: (before) => before,
  });
  // What its disk and queue were is no longer so, and nobody here can know how they are.
  const gone = node.state === 'revoked';
  const open = (detail.data?.studies ?? []).filter(({ completeness }) => completeness.state !== 'complete');
  return (
    <div role="row" className="node-detail" data-testid="node-detail">
      <div role="gridcell">
        {(node.state === 'late' || node.state === 'silent') && <p className="note note-soon">{t('nodes.whatNow')}</p>}
        {heldUntil(node) && (
          <p className="note note-soon" data-testid="node-held">
            {t('nodes.heldText', { by: node.line?.held_by ?? '', at: shortTime(heldUntil(node), language) })}
          </p>
        )}
        {node.state === 'never' && <p className="note note-info">{t('nodes.neverText')}</p>}
        {node.audit_fault && <TrailFault node={node} auditor={auditor} />}
        {clockIsOff(node) && node.clock_off_s !== null && (
          <p className="note note-soon">{t('nodes.clockOffText', { minutes: Math.round(Math.abs(node.clock_off_s) / 60) })}</p>
        )}
        <ul className="facts-line">
          {node.heard_at && <li>{t('nodes.heardAt', { at: absolute(node.heard_at, language) })}</li>}
          <li>{t('nodes.enrolledAt', { at: absolute(node.enrolled_at, language) })}</li>
          {node.revoked_at && <li>{t('nodes.revokedAt', { at: absolute(node.revoked_at, language) })}</li>}
          {!gone && node.letters_waiting > 0 && <li>{t('nodes.lettersWaiting', { count: node.letters_waiting })}</li>}
          {!gone && node.disk && (
            <li>{t('nodes.room', { free: fileSize(node.disk.free_bytes), total: fileSize(node.disk.total_bytes) })}</li>
          )}
        </ul>
        {detail.isError && <Trouble error={detail.error} again={() => void detail.refetch()} />}
        {detail.isSuccess && open.length === 0 && <p className="second">{t('nodes.noStudies')}</p>}
        {open.length > 0 && (
          <ul className="node-studies">
            {open.map(({ study_instance_uid: uid, modality, priority, paused, completeness, first_received_at: at }) => (
              <li key={uid}>
                <span title={absolute(at, language)}>{dayAndTime(at, language)}</span>
                <span>{modalityWord(modality, language)}</span>
                {priority === 'emergency' ? <Chip kind="emergency">{t('priority.emergency')}</Chip> : <span />}
                <span>
                  {node.down_since && completeness.state === 'growing' && completeness.expected === null
                    ? t('nodes.arrivedMaybe', { arrived: completeness.arrived })
                    : t('nodes.arrived', {
                        arrived: completeness.arrived,
                        of: Math.max(completeness.expected ?? 0, completeness.here),
                      })}
                </span>
                <span className="second">{paused ? t('queue.pausedShort') : t(`completeness.${completeness.state}`)}</span>
              </li>
            ))}
          </ul>
        )}
        <Refused node={node} />
        {auditor && <Trail node={node} />}
        {letGo && !gone && <LetGo node={node} over={letGo} />}
        <Technical
          facts={{
            ID: node.id,
            ...(node.line?.code ? { code: node.line.code } : {}),
            ...(node.audit_fault ? { audit: node.audit_fault } : {}),
          }}
        />
      </div>
    </div>
  );
}
