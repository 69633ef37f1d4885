import { useText } from '../../i18n';
import { TextField } from '../admin/TextField';
import { isReason, REASON_MOST } from './reason';

/** Why, in the words of whoever answers for it. */
export function Reason({
  value,
  change,
  autoFocus = false,
  testid,
}: {
  value: string;
  change: (value: string) => void;
  autoFocus?: boolean;
  testid: string;
}) {
  const t = useText();
  return (
    <TextField
      label={t('order.reason')}
      hint={isReason(value) ? undefined : t('amend.reasonNeeded')}
      value={value}
      maxLength={REASON_MOST}
      autoFocus={autoFocus}
      change={change}
      testid={testid}
    />
  );
}
