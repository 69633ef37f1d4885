import { Button } from 'antd';
import { Link, useLocation } from 'react-router';

import type { StudyHere } from '../../api/types';
import { Chip } from '../../frame/Chip';
import { useTroubleText } from '../../frame/Trouble';
import { useText } from '../../i18n';
import { imagesPath, notBack, notBackOf, placeOf, reportOf, reportPath } from './here';
import { useAskCounty, useRetryBack } from './live';
import { SendOn } from './SendOn';

/** The page a study is opened from, so that it leads back there. */
export interface CameFrom {
  from: string;
}

export function useCameFrom(): CameFrom {
  const { pathname, search } = useLocation();
  return { from: pathname + search };
}

/** The report of a study in a list's cell: to be opened, on its way, or not yet. */
export function ReportMark({ here }: { here: StudyHere | undefined }) {
  const t = useText();
  const from = useCameFrom();
  const { state, first, count } = reportOf(here);
  switch (state) {
    case 'here':
      return (
        <>
          <Link
            to={reportPath(first!)}
            state={from}
            className="report-link"
            data-testid="report"
            data-form={first!.form}
            onClick={(event) => event.stopPropagation()}
          >
            {t('here.seeReport')}
          </Link>
          {count > 1 && <span className="second"> {t('here.reports', { count })}</span>}
        </>
      );
    case 'coming':
      return <span data-testid="report-coming">{t('here.reportComing')}</span>;
    case 'set-aside':
      return (
        <span data-testid="report-aside">
          <Chip kind="overdue">{t('here.reportAside')}</Chip>
        </span>
      );
    case 'none':
      return <span className="second">-</span>;
  }
}

/** Where the images of a study are, in words, with the one thing that can be done about it. */
export function LookHere({
  study,
  here,
  keys = false,
  open = true,
}: {
  study: string;
  here: StudyHere | undefined;
  /** Whether the page's keys open it. */
  keys?: boolean;
  /** Whether it can be opened from here: not where it is open. */
  open?: boolean;
}) {
  const t = useText();
  const from = useCameFrom();
  const place = placeOf(here);
  if (!here || (place === 'none' && !(keys && reportOf(here).first))) return null;
  const link = open && here.images > 0 && (
    <Link to={imagesPath(study)} state={from} className="ant-btn-link-like" data-testid="look">
      {t('here.seeImages')}
      {keys && <span className="button-key">V</span>}
    </Link>
  );
  return (
    <span className="look-here" data-testid="look-here" data-place={place}>
      {link}
      {keys && <ReportButton here={here} />}
      <PlaceWords here={here} />
      {(place === 'county' || place === 'part' || place === 'refused') && (
        <AskCounty study={study} part={place === 'part'} again={place === 'refused'} size={keys ? 'middle' : 'small'} />
      )}
      {keys && here.prior?.state === 'here' && <SendOn study={study} />}
      {!keys && <NotBack study={study} here={here} size="small" />}
    </span>
  );
}

/** The same as the mark in the list, for whoever opened the row. */
function ReportButton({ here }: { here: StudyHere }) {
  const t = useText();
  const from = useCameFrom();
  const { first } = reportOf(here);
  return (
    first && (
      <Link to={reportPath(first)} state={from} className="ant-btn-link-like">
        {t('here.seeReport')}
        <span className="button-key">R</span>
      </Link>
    )
  );
}

function PlaceWords({ here }: { here: StudyHere }) {
  const t = useText();
  switch (placeOf(here)) {
    case 'county':
      return <span>{t('here.atCounty')}</span>;
    case 'part':
      return <span>{t('here.part', { here: here.images, gone: here.gone })}</span>;
    case 'asked':
      return <span>{t('here.asked')}</span>;
    case 'coming':
      return <span>{t('here.coming', { here: here.prior?.here ?? 0, of: here.prior?.objects ?? 0 })}</span>;
    case 'refused':
      return <span>{t('here.refused')}</span>;
    default:
      return null;
  }
}

/** What could not be had from the county, why, and the one thing that can be done about it; nothing where all could. */
export function NotBack({ study, here, size = 'middle' }: { study: string; here: StudyHere | undefined; size?: 'small' | 'middle' }) {
  const t = useText();
  const trouble = useTroubleText();
  const trying = useRetryBack();
  const missing = notBackOf(here);
  if (!missing) return null;
  const { reports, images, of, code } = missing;
  const why = t(`here.why.${notBack(code)}`);
  return (
    <div className="not-back note note-soon" data-testid="not-back">
      <span>{reports > 0 ? t('here.reportsNotBack', { count: reports, why }) : t('here.imagesNotBack', { count: images, of, why })}</span>
      <Button size={size} disabled={trying.isPending} onClick={() => trying.mutate(study)} data-testid="retry-back">
        {t('queue.retry')}
      </Button>
      {trying.isError && (
        <span className="fault" role="alert">
          {trouble(trying.error).text}
        </span>
      )}
    </div>
  );
}

/** Has the county send the images of a study. */
export function AskCounty({
  study,
  part = false,
  again = false,
  size = 'small',
  primary = false,
}: {
  study: string;
  part?: boolean;
  again?: boolean;
  size?: 'small' | 'middle';
  /** Whether it is the one thing to do on the page. */
  primary?: boolean;
}) {
  const t = useText();
  const trouble = useTroubleText();
  const asking = useAskCounty();
  return (
    <>
      <Button
        size={size}
        type={primary ? 'primary' : 'default'}
        disabled={asking.isPending}
        onClick={() => asking.mutate(study)}
        data-testid="ask-county"
      >
        {t(again ? 'here.askAgain' : part ? 'here.askRest' : 'here.ask')}
      </Button>
      {asking.isError && (
        <span className="fault" role="alert">
          {trouble(asking.error).text}
        </span>
      )}
    </>
  );
}
