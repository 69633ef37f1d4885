import type { Line } from '../../api/types';
import { clockTime, now, rate } from '../../frame/clock';
import { useText } from '../../i18n';
import { brokenOf, wayOf } from './queue-words';

/** The line from this machine to the county: down is one thing, a county that refuses another. */
export function LinePill({ line }: { line: Line | undefined }) {
  const t = useText();
  if (!line || (line.state === 'unknown' && !line.held_until)) return null;
  const way = wayOf(line, now());
  const state = brokenOf(line);
  const down = line.since ? t('line.down', { at: clockTime(line.since) }) : t('line.downNow');
  const broken = state === 'down' ? down : state === 'refused' ? t('line.refused') : '';
  const words = () => {
    switch (way) {
      case 'held': {
        const held = t('line.held', { at: clockTime(line.held_until ?? '') });
        return broken ? `${held}${t('app.comma')}${broken}` : held;
      }
      case 'refused':
      case 'down':
        return broken;
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
