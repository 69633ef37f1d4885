import { Button } from 'antd';
import { useState } from 'react';

import { useText } from '../../i18n';
import { frameOf } from './library';

/** An image that could not be shown as it is: try again, or look at the picture the server draws, marked as such. */
export function Missed({ imageId, index, count, again }: { imageId: string; index: number; count: number; again: () => void }) {
  const t = useText();
  const [asked, setAsked] = useState('');
  const [away, setAway] = useState(false);
  const frame = frameOf(imageId);
  const address = frame ? `${imageId.replace(/^wadors:/, '')}/rendered` : '';
  const others = count > 1;
  if (asked === imageId && !away) {
    return (
      <div className="said missed">
        <img className="drawn" src={address} alt="" onError={() => setAway(true)} />
        <p className="preview-mark">{t('overlay.preview')}</p>
      </div>
    );
  }
  return (
    <div className="said missed" role="alert">
      <p>{others ? t(away ? 'viewer.previewAway' : 'viewer.imageFailed', { index: index + 1 }) : t(away ? 'viewer.onlyPreviewAway' : 'viewer.onlyImageFailed')}</p>
      <span className="acts">
        <Button onClick={again}>{t('trouble.again')}</Button>
        {address && !away && <Button onClick={() => setAsked(imageId)}>{t('viewer.preview')}</Button>}
      </span>
    </div>
  );
}
