import type { Line } from '../../api/types';
import { clockTime, now, rate } from '../../frame/clock';
import { useText } from '../../i18n';
import { wayOf } from './queue-words';

/** The line from this machine to the county: down is one thing, a county that refuses another. */
export function LinePill({ line }: { line: Line | undefined }) {
  const t = useText();
  if (!line || (line.state === 'unknown' && !line.held_until)) return null;
  const way = wayOf(line, now());
  const words = () => {
    switch (way) {
      case 'held':
        return t('line.held', { at: clockTime(line.held_until ?? '') });
      case 'refused':
        return t('line.refused');
      case 'down':
        return line.since ? t('line.down', { at: clockTime(line.since) }) : t('line.downNow');
      case 'open':
        if (line.limit_bits_per_s && line.clinic_hours) return t('line.upHalf', { rate: rate(line.limit_bits_per_s) });
        return line.rate_bits_per_s ? t('line.upRate', { rate: rate(line.rate_bits_per_s) }) : t('line.up');
    }
  };
  return (
    <span
      className={`pill${way === 'open' ? '' : ' pill-away'}`}
      data-testid="line"
      data-state={way === 'open' ? 'up' : way}
      role="status"
    >
      {words()}
    </span>
  );
}
