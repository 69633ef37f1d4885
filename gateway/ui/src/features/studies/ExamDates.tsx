import { DatePicker } from 'antd';
import dayjs, { type Dayjs } from 'dayjs';
import 'dayjs/locale/zh-cn';

import { today } from '../../frame/clock';
import { useText } from '../../i18n';

interface Props {
  from: string;
  to: string;
  change: (from: string, to: string) => void;
}

const read = (day: string): Dayjs | null => (day ? dayjs(day) : null);
const write = (day: Dayjs | null | undefined) => day?.format('YYYY-MM-DD') ?? '';

/** From which day to which day the exam was; either end may stay open. */
export function ExamDates({ from, to, change }: Props) {
  const t = useText();
  const now = dayjs(today());
  return (
    <DatePicker.RangePicker
      size="small"
      className="dates"
      value={[read(from), read(to)]}
      allowEmpty
      aria-label={t('studies.dates')}
      placeholder={[t('studies.from'), t('studies.to')]}
      presets={[
        { label: t('studies.today'), value: [now, now] },
        { label: t('studies.week'), value: [now.subtract(6, 'day'), now] },
        { label: t('studies.month'), value: [now.subtract(29, 'day'), now] },
      ]}
      onChange={(days) => change(write(days?.[0]), write(days?.[1]))}
    />
  );
}
