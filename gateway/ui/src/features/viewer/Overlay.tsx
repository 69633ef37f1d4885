import type { StudyRow } from '../../api/types';
import { dicomDate, dicomTime } from '../../frame/clock';
import { useLanguage } from '../../frame/language';
import { ageText, identifierTail, sexText, shownName } from '../../frame/patient';
import { useText } from '../../i18n';
import { number, text } from './dicom-json';
import { drawsOnCpu } from './engine';
import { isLossy } from './kinds';
import { frameOf } from './library';
import type { PaneState } from './pane';
import { thicknessOf } from './series-stack';
import { windowText } from './windows';

/** The text over an image: whose it is, what it is, how it is shown. */
export function Overlay({ study, state, missing }: { study: StudyRow; state: PaneState; missing: readonly number[] }) {
  const t = useText();
  const language = useLanguage();
  const frame = frameOf(state.imageId);
  if (!frame) return null;
  const { instance } = frame;
  const { patient } = study;
  const tail = identifierTail(patient);
  const date = dicomDate(text(instance, '00080022') || text(instance, '00080021') || text(instance, '00080020'));
  const time = dicomTime(text(instance, '00080032') || text(instance, '00080031') || text(instance, '00080030'));
  const series = number(instance, '00200011');
  const thickness = thicknessOf(instance, frame.frame - 1);
  return (
    <div className="overlay">
      <div className="at-top-left">
        <p>
          {shownName(patient, language) || t('patient.noName')} {sexText(patient.sex, language)}{' '}
          {ageText(patient.age, language, patient.age_estimated)}
        </p>
        {tail && <p>{t('overlay.tail', { tail })}</p>}
        <p>{text(instance, '00080080') || study.institution.name}</p>
      </div>
      <div className="at-top-right">
        <p>
          {date} {time}
        </p>
        <p>
          {series === undefined ? '' : t('overlay.series', { number: series })} {text(instance, '0008103E')}
        </p>
        {thickness !== undefined && <p>{t('overlay.thickness', { value: thickness.toFixed(1) })}</p>}
      </div>
      <div className="at-bottom-left">
        <p data-testid="image-number">{t('overlay.image', { index: state.index + 1, count: state.count })}</p>
        {missing.length > 0 && <p className="warn">{t('overlay.missing', { list: shortList(missing) })}</p>}
        {state.status === 'ready' && (
          <p>
            <span data-testid="window">{state.window ? windowText(state.window) : ''}</span>{' '}
            <span data-testid="zoom">{state.zoom.toFixed(2)}x</span>
            {state.inverted ? ` ${t('overlay.inverted')}` : ''}
          </p>
        )}
      </div>
      <div className="at-bottom-right">
        {state.status === 'ready' && (
          <p data-testid="quality" className={isLossy(instance) ? 'warn' : ''}>
            {t(isLossy(instance) ? 'overlay.lossy' : 'overlay.original')}
          </p>
        )}
        {drawsOnCpu() && <p data-testid="cpu">{t('overlay.cpu')}</p>}
      </div>
      {state.letters && (
        <>
          <span className="letter at-left">{state.letters.left}</span>
          <span className="letter at-right">{state.letters.right}</span>
          <span className="letter at-top">{state.letters.top}</span>
          <span className="letter at-bottom">{state.letters.bottom}</span>
        </>
      )}
    </div>
  );
}

const LISTED = 6;

/** `3, 7, 12 …`: the first few numbers of a list. */
export function shortList(numbers: readonly number[]): string {
  const shown = numbers.slice(0, LISTED).join(', ');
  return numbers.length > LISTED ? `${shown} …` : shown;
}
