import type { NodeRow } from '../../api/types';
import { Chip } from '../../frame/Chip';
import { absolute, dayAndTime } from '../../frame/clock';
import { useLanguage } from '../../frame/language';
import { useText } from '../../i18n';
import { CHIP, waiting } from './node-words';

interface Props {
  id: string;
  node: NodeRow;
  active: boolean;
  open: boolean;
  toggle: () => void;
}

/** A machine that was let go: since when, and what it had not sent by its last word. Its disk and program are nobody's matter here any more. */
export function GoneRow({ id, node, active, open, toggle }: Props) {
  const t = useText();
  const language = useLanguage();
  const { studies } = waiting(node);
  const letters = node.letters_waiting;
  const lastWord = !node.heard_at ? 'nodes.state.never' : studies + letters > 0 ? 'nodes.goneWaits' : 'nodes.goneAll';
  return (
    <div
      id={id}
      role="row"
      className="node-row node-gone"
      tabIndex={active ? 0 : -1}
      aria-expanded={open}
      data-testid="node-gone"
      data-state={node.state}
      onClick={toggle}
    >
      <div role="gridcell">
        <b>{node.institution.name}</b>
      </div>
      <div role="gridcell" className="cells-line" title={node.revoked_at ? absolute(node.revoked_at, language) : ''}>
        <Chip kind={CHIP[node.state]}>{t(`nodes.state.${node.state}`)}</Chip>
        <span className="second">{node.revoked_at && t('nodes.revokedAt', { at: dayAndTime(node.revoked_at, language) })}</span>
      </div>
      <div role="gridcell">
        <span className="second">{t(lastWord, { studies, letters })}</span>
      </div>
    </div>
  );
}
