import '../../styles/here.css';

import { Button } from 'antd';
import { useEffect, useMemo, useRef, useState } from 'react';

import { Problem } from '../../api/client';
import { saveInstance } from '../../api/download';
import { dicomDate, dicomTime } from '../../frame/clock';
import { type TextKey, useText } from '../../i18n';
import { text } from './dicom-json';
import { leafed, newestFirst, placeOf } from './documents';
import { kindOf } from './kinds';
import type { LoadedSeries } from './library';
import { instancePath } from './library';
import { ReportTree } from './ReportTree';
import { leaves } from './state';

interface Props {
  cell: number;
  study: string;
  series: LoadedSeries;
  name: string;
}

/** A series that is no stack of images: one of its objects at a time, shown as what it is, or said plainly with a way to take it along. */
export function Document({ cell, study, series, name }: Props) {
  const t = useText();
  const [failed, setFailed] = useState(false);
  const [open, setOpen] = useState('');
  const all = useMemo(() => newestFirst(series.instances), [series]);
  const count = all.length;
  const at = placeOf(all, open);
  const instance = all[at];
  const kind = instance ? kindOf(instance) : series.kind;
  const paper = useRef<HTMLElement>(null);
  useEffect(() => {
    const goTo = (place: number) => {
      const next = all[leafed(place, 0, count)];
      if (!next) return;
      setOpen(text(next, '00080018'));
      setFailed(false);
      paper.current?.scrollTo({ top: 0 });
    };
    const mine = { scroll: (by: number) => goTo(at + by), goTo };
    leaves.set(cell, mine);
    return () => {
      if (leaves.get(cell) === mine) leaves.delete(cell);
    };
  }, [all, at, cell, count]);
  const leaf = (by: number) => leaves.get(cell)?.scroll(by);
  const path = instance ? instancePath(study, series.uid, instance) : '';
  const save = async () => {
    setFailed(false);
    try {
      await saveInstance(path, `${name.trim() || 'object'}.dcm`);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setFailed(true);
    }
  };
  return (
    <section ref={paper} className="document" data-testid="document" data-kind={kind}>
      <header>
        <h2>{t(`kind.${kind}` as TextKey)}</h2>
        <span className="second">{name}</span>
        {instance && count > 1 && (
          <>
            <span role="status" data-testid="document-at">
              {t('viewer.documentAt', { index: at + 1, count })}
            </span>
            <span className="second">
              {dicomDate(text(instance, '00080023'))} {dicomTime(text(instance, '00080033'))}
            </span>
            <Button size="small" disabled={at === 0} onClick={() => leaf(-1)} data-testid="document-previous">
              {t('viewer.documentPrevious')}
            </Button>
            <Button size="small" disabled={at === count - 1} onClick={() => leaf(1)} data-testid="document-next">
              {t('viewer.documentNext')}
            </Button>
          </>
        )}
        <span className="stretch" />
        {instance && (
          <Button size="small" onClick={() => void save()}>
            {t('viewer.download')}
          </Button>
        )}
      </header>
      {failed && <p role="alert">{t('viewer.downloadFailed')}</p>}
      {kind === 'pdf' && <Pdf key={path} path={path} title={(instance && text(instance, '00420010')) || name} />}
      {kind === 'report' && instance && <ReportTree instance={instance} />}
      {kind !== 'pdf' && kind !== 'report' && (
        <p>{t('viewer.cannotShow', { kind: t(`kind.${kind}` as TextKey) })}</p>
      )}
    </section>
  );
}

function Pdf({ path, title }: { path: string; title: string }) {
  const t = useText();
  const [state, setState] = useState<'asking' | 'there' | 'away'>('asking');
  const address = `${path}/rendered?accept=application/pdf`;
  useEffect(() => {
    const stop = new AbortController();
    fetch(address, { credentials: 'same-origin', headers: { Accept: 'application/pdf' }, signal: stop.signal })
      .then((answer) => {
        void answer.body?.cancel();
        setState(answer.ok && (answer.headers.get('Content-Type') ?? '').includes('pdf') ? 'there' : 'away');
      })
      .catch(() => {
        if (!stop.signal.aborted) setState('away');
      });
    return () => stop.abort();
  }, [address]);
  if (state === 'asking') return <p role="status">{t('viewer.documentLoading')}</p>;
  if (state === 'away') return <p role="alert">{t('viewer.pdfAway')}</p>;
  return (
    <>
      <p className="document-acts">
        <a className="ant-btn-link-like" href={address} target="_blank" rel="noreferrer" data-testid="pdf-open">
          {t('viewer.pdfOpen')}
        </a>
        <a className="ant-btn-link-like" href={address} download={`${title.trim() || t('kind.pdf')}.pdf`} data-testid="pdf-save">
          {t('viewer.pdfSave')}
        </a>
      </p>
      {navigator.pdfViewerEnabled ? (
        <iframe className="pdf" src={`${address}#toolbar=0&navpanes=0&view=FitH`} title={title || t('kind.pdf')} />
      ) : (
        <p data-testid="pdf-no-viewer">{t('viewer.pdfNoViewer')}</p>
      )}
    </>
  );
}
