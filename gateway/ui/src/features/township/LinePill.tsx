import type { Line } from '../../api/types';
import { now, rate, shortTime } from '../../frame/clock';
import { useLanguage } from '../../frame/language';
import { useText } from '../../i18n';
import { brokenOf, wayOf } from './queue-words';

/** The line from this machine to the county: down is one thing, a county that refuses another. */
export function LinePill({ line }: { line: Line | undefined }) {
  const t = useText();
  const language = useLanguage();
  if (!line || (line.state === 'unknown' && !line.held_until)) return null;
  const way = wayOf(line, now());
  const state = brokenOf(line);
  const down = line.since ? t('line.down', { at: shortTime(line.since, language) }) : t('line.downNow');
  const broken = state === 'down' ? down : state === 'refused' ? t('line.refused') : '';
  const words = () => {
    switch (way) {
      case 'held': {
        const held = t('line.held', { at: line.held_until ? shortTime(line.held_until, language) : '' });
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
