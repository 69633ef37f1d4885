import type { Line } from '../../api/types';
import { clockTime, rate } from '../../frame/clock';
import { useText } from '../../i18n';

/** The line from this node to the county. */
export function LinePill({ line }: { line: Line | undefined }) {
  const t = useText();
  if (!line || line.state === 'unknown') return null;
  if (line.state === 'down') {
    return (
      <span className="pill pill-away" data-testid="line" data-state="down" role="status">
        {line.since ? t('line.down', { at: clockTime(line.since) }) : t('line.downNow')}
      </span>
    );
  }
  return (
    <span className="pill" data-testid="line" data-state="up" role="status">
      {line.rate_bits_per_s ? t('line.upRate', { rate: rate(line.rate_bits_per_s) }) : t('line.up')}
    </span>
  );
}
