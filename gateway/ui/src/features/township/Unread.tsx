import { Button } from 'antd';

import { useText } from '../../i18n';

const SHOWN = 5;

/** Files of a batch that this computer cannot read: what to do, and each read again or left out. */
export function Unread({
  files,
  again,
  leave,
}: {
  files: readonly { id: string; name: string }[];
  again: (ids: readonly string[]) => void;
  leave: (ids: readonly string[]) => void;
}) {
  const t = useText();
  if (files.length === 0) return null;
  const all = files.map(({ id }) => id);
  return (
    <div className="note note-soon unread" role="alert" data-testid="unread">
      <p>{t('sending.unreadable', { count: files.length })}</p>
      <ul className="refused">
        {files.slice(0, SHOWN).map(({ id, name }) => (
          <li key={id}>
            <span>{name}</span>
            <Button size="small" onClick={() => again([id])}>
              {t('sending.readAgain')}
            </Button>
            <Button size="small" onClick={() => leave([id])}>
              {t('sending.leave')}
            </Button>
          </li>
        ))}
      </ul>
      {files.length > SHOWN && <p>{t('sending.unreadableMore', { count: files.length - SHOWN })}</p>}
      {files.length > 1 && (
        <p className="acts">
          <Button size="small" onClick={() => again(all)} data-testid="read-all-again">
            {t('sending.readAllAgain', { count: all.length })}
          </Button>
          <Button size="small" onClick={() => leave(all)} data-testid="leave-all">
            {t('sending.leaveAll', { count: all.length })}
          </Button>
        </p>
      )}
    </div>
  );
}
