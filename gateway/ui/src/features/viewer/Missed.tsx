import { Button } from 'antd';
import { useState, type WheelEvent } from 'react';

import { useText } from '../../i18n';
import { drawingOf } from './kinds';
import { frameOf } from './library';

interface Props {
  imageId: string;
  undrawable: boolean;
  index: number;
  count: number;
  again: () => void;
  leaf: (by: number) => void;
}

/**
 * An image that is not shown as it is. One that did not come can be asked for again, or looked at as the server draws
 * it; one that no browser draws stands there as the server draws it, marked as such; one without a picture is told.
 */
export function Missed({ imageId, undrawable, index, count, again, leaf }: Props) {
  const t = useText();
  const [asked, setAsked] = useState(false);
  const [away, setAway] = useState(false);
  const frame = frameOf(imageId);
  const turn = (event: WheelEvent) => leaf(Math.sign(event.deltaY));
  if (frame && drawingOf(frame.instance) === 'none') {
    return (
      <div className="said missed" onWheel={turn} role="status" data-testid="no-picture">
        <p>{t('viewer.noPicture')}</p>
      </div>
    );
  }
  const address = frame ? `${imageId.replace(/^wadors:/, '')}/rendered` : '';
  const others = count > 1;
  if ((asked || undrawable) && address && !away) {
    return (
      <div className="said missed" onWheel={turn} data-testid="preview">
        <img className="drawn" src={address} alt="" onError={() => setAway(true)} />
        <p className="preview-mark">{t('overlay.preview')}</p>
      </div>
    );
  }
  const retry = () => {
    setAway(false);
    again();
  };
  const failed = others ? t('viewer.imageFailed', { index: index + 1 }) : t('viewer.onlyImageFailed');
  const nothing = others ? t('viewer.previewAway', { index: index + 1 }) : t('viewer.onlyPreviewAway');
  return (
    <div className="said missed" onWheel={turn} role="alert">
      <p>{undrawable ? t('viewer.undrawable') : away ? nothing : failed}</p>
      <span className="acts">
        <Button onClick={retry}>{t('trouble.again')}</Button>
        {address && !away && <Button onClick={() => setAsked(true)}>{t('viewer.preview')}</Button>}
      </span>
    </div>
  );
}
