import '../../styles/here.css';

import { Button } from 'antd';
import { useEffect, useState } from 'react';

import { Problem } from '../../api/client';
import { saveInstance } from '../../api/download';
import { type TextKey, useText } from '../../i18n';
import { text } from './dicom-json';
import type { LoadedSeries } from './library';
import { instancePath } from './library';
import { ReportTree } from './ReportTree';

/** A series that is no stack of images: shown as what it is, or said plainly with a way to take it along. */
export function Document({ study, series, name }: { study: string; series: LoadedSeries; name: string }) {
  const t = useText();
  const [failed, setFailed] = useState(false);
  const instance = series.instances[0];
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
    <section className="document" data-testid="document" data-kind={series.kind}>
      <header>
        <h2>{t(`kind.${series.kind}` as TextKey)}</h2>
        <span className="second">{name}</span>
        {series.instances.length > 1 && (
          <span className="second">{t('viewer.objects', { count: series.instances.length })}</span>
        )}
        <span className="stretch" />
        {instance && (
          <Button size="small" onClick={() => void save()}>
            {t('viewer.download')}
          </Button>
        )}
      </header>
      {failed && <p role="alert">{t('viewer.downloadFailed')}</p>}
      {series.kind === 'pdf' && <Pdf path={path} title={(instance && text(instance, '00420010')) || name} />}
      {series.kind === 'report' && instance && <ReportTree instance={instance} />}
      {series.kind !== 'pdf' && series.kind !== 'report' && (
        <p>{t('viewer.cannotShow', { kind: t(`kind.${series.kind}` as TextKey) })}</p>
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
